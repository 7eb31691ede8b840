"""ruff, ruff format, mypy and oxlint say nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import import_module
from pathlib import Path

import pytest

from labkit.widgets.base import HERE as WIDGETS
from labkit.widgets.base import Card

ROOT = Path(__file__).resolve().parents[1]
OWN_BASE = re.compile(r"^(?:async )?(?:function|const) (\w+)", re.M)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check", "--no-cache"], id="ruff check"),
        pytest.param(["ruff", "format", "--check", "--no-cache"], id="ruff format"),
        pytest.param(["mypy"], id="mypy"),
    ],
)
def test_tool_has_no_complaint(command: list[str], tmp_path: Path) -> None:
    cache = ["--cache-dir", str(tmp_path)] if command == ["mypy"] else []
    done = subprocess.run(
        [sys.executable, "-m", *command, *cache], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What browsers get: the one module of each widget, and JupyterLab's extension. What a widget
    does not use of the base counts as used: that is what the base is for."""
    folder = tmp_path_factory.mktemp("scripts")
    offered = ", ".join(OWN_BASE.findall((WIDGETS / "base.js").read_text(encoding="utf-8")))
    for name, source in widget_scripts().items():
        text = f"{source}\nexport {{ {offered} }};\n"
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    for script in (ROOT / "labkit" / "jupyter").rglob("*.js"):
        shutil.copy(script, folder)
    return folder


def widget_scripts() -> dict[str, str]:
    """By module, what each card gives to the browser."""
    for module in WIDGETS.glob("*.py"):
        import_module(f"labkit.widgets.{module.stem}")
    cards = [card for card in Card.__subclasses__() if "_esm" in vars(card)]
    return {card.__module__.rpartition(".")[2]: card._esm for card in cards}


def oxlint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Its complaints, by the rules in .oxlintrc.json."""
    command = [Path(sysconfig.get_path("scripts")) / "oxlint", "-c", ROOT / ".oxlintrc.json"]
    return subprocess.run([*command, folder], capture_output=True, text=True)


def test_oxlint_has_no_complaint_of_the_scripts(scripts: Path) -> None:
    done = oxlint(scripts)
    assert done.returncode == 0, done.stdout + done.stderr
    read = re.search(r"on (\d+) files", done.stdout)
    assert read and int(read[1]) == len(list(scripts.iterdir())) >= 9


def test_every_script_of_the_widgets_is_in_one_of_them(scripts: Path) -> None:
    together = "".join(path.read_text(encoding="utf-8") for path in scripts.iterdir())
    for script in WIDGETS.glob("*.js"):
        assert script.read_text(encoding="utf-8") in together, script.name


def test_every_function_of_the_base_is_used_by_a_widget() -> None:
    base = (WIDGETS / "base.js").read_text(encoding="utf-8")
    uses = base + "".join(source.removeprefix(base) for source in widget_scripts().values())
    for name in OWN_BASE.findall(base):
        assert len(re.findall(rf"\b{name}\b", uses)) > 1, name


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("export const half = whole / 2;", "no-undef"),
        ("export const half = (whole, share) => whole / 2;", "no-unused-vars"),
        ("export const one = (n) => [2].map((n) => n)[0] + n;", "no-shadow"),
    ],
)
def test_oxlint_finds_faults(line: str, rule: str, tmp_path: Path) -> None:
    (tmp_path / "fault.js").write_text(line)
    done = oxlint(tmp_path)
    assert done.returncode != 0 and rule in done.stdout
