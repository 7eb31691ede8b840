"""The shape of the house: who imports whom, what imports cost, pins that agree, a whole wheel."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import yaml

from labkit.cli import COMMANDS, pins
from labkit.cli.hashes import read_hashes
from labkit.cli.installing import locked_for

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# A package may import from its own floor's packages named here, and from floors below.
MAY_IMPORT = {
    "models": set(),
    "recipes": set(),  # learners copy them
    "instruments": {"models"},
    "experiments": {"instruments", "models"},
    "grading": {"models"},
    "kernels": {"grading"},
    "widgets": {"grading", "instruments", "models"},
    "challenges": {"grading", "instruments", "models"},
    "course": {"challenges", "widgets", "kernels", "grading", "instruments", "models"},
    "classroom": {"course", "challenges", "grading"},
    "jupyter": {"course"},
    "cli": {"classroom", "course", "challenges", "widgets", "kernels", "grading", "instruments"}
    | {"models", "experiments"},
}
ROOMS = ("source", "answers", "jail", "transports", "checks", "proofs")  # grading's, lowest first
AT_THE_BOTTOM = {"__init__", "estimates", "fetched", "forking", "paths", "sharing", "variables"}
AT_THE_BOTTOM |= {"whole_files"}
HEAVY = {"torch", "transformers", "numpy", "matplotlib", "IPython", "ipywidgets", "anywidget"}
MEGABYTE = 1 << 20


def modules() -> list[Path]:
    return sorted((ROOT / "labkit").rglob("*.py"))


def imports_of(file: Path) -> set[str]:
    """Dotted names that a module imports anywhere in it, relative ones resolved."""
    package = ".".join(file.relative_to(ROOT).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            name = ".".join(filter(None, [base, node.module]))
            found |= {name} | {f"{name}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down_only(file: Path) -> None:
    floor = file.relative_to(ROOT / "labkit").parts[0].removesuffix(".py")
    used = {name.split(".")[1] for name in imports_of(file) if name.startswith("labkit.")}
    used = {name for name in used if (ROOT / "labkit" / name).is_dir()}
    if floor in AT_THE_BOTTOM or floor == "__main__":
        allowed = {"__init__": {"course", "models"}, "__main__": {"cli"}}.get(floor, set())
    else:
        allowed = MAY_IMPORT[floor] | {floor}
    assert used <= allowed, f"{file.name} may not import {sorted(used - allowed)}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports in functions and for type checkers count too. A module's own packages don't, as they
    are there before it; those of what it imports do, as they run first."""
    names = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in modules()}
    names = {name.removesuffix(".__init__"): file for name, file in names.items()}
    graph = {name: imported_by(name, file, set(names)) for name, file in names.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def imported_by(name: str, file: Path, names: set[str]) -> set[str]:
    """The modules and packages that importing what a module imports would load first."""
    found: set[str] = set()
    for imported in imports_of(file):
        parts = imported.split(".")
        found |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    own = {name.rsplit(".", n)[0] for n in range(name.count(".") + 1)}
    return (found & names) - own


def test_the_figure_of_rooms_is_drawn_from_the_imports() -> None:
    """CONTRIBUTING.md draws who imports whom, less what follows from the other arrows."""
    rooms = {file.parts[len(ROOT.parts) + 1] for file in modules()}
    rooms = {room for room in rooms if (ROOT / "labkit" / room).is_dir()}
    graph: dict[str, set[str]] = {room: set() for room in rooms}
    for file in modules():
        if (room := file.parts[len(ROOT.parts) + 1]) in rooms:
            names = {name.split(".")[1] for name in imports_of(file) if name.startswith("labkit.")}
            graph[room] |= names & rooms - {room}
    arrows = [f"  {a} --> {b}" for a in sorted(graph) for b in sorted(direct(graph, a))]
    figure = "\n".join(["```mermaid", "flowchart TD", *arrows, "```"])

    assert figure in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), figure


def direct(graph: dict[str, set[str]], room: str) -> set[str]:
    """What a room imports, but for what another of its imports leads to."""
    return graph[room] - set[str]().union(*(reached(graph, other) for other in graph[room]))


def reached(graph: dict[str, set[str]], room: str) -> set[str]:
    return graph[room].union(*(reached(graph, other) for other in graph[room]))


def test_rooms_of_grading_import_down_only() -> None:
    for number, room in enumerate(ROOMS):
        above = tuple(f"labkit.grading.{name}" for name in ROOMS[number + 1 :])
        for file in (ROOT / "labkit" / "grading" / room).rglob("*.py"):
            assert not [name for name in imports_of(file) if name.startswith(above)], file


@pytest.mark.parametrize("floor", ["course", "classroom", "jupyter", "widgets"])
def test_what_people_see_knows_no_torch(floor: str) -> None:
    for file in (ROOT / "labkit" / floor).rglob("*.py"):
        tops = {name.split(".")[0] for name in imports_of(file)}
        assert not tops & {"torch", "transformers", "tokenizers", "peft"}, file


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that are loaded after `code` in a fresh Python."""
    program = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(out.stdout)}


def test_import_labkit_loads_nothing_but_itself() -> None:
    more = loaded_by("import labkit") - loaded_by("pass")
    assert more == {"labkit"}


def test_the_lab_loads_no_torch() -> None:
    assert not loaded_by("from labkit import Lab") & {"torch", "transformers"}


def test_the_command_line_loads_nothing_heavy() -> None:
    listing = "from labkit.cli import main\nmain([])"
    program = "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()):\n  {}"
    code = program.format(listing.replace("\n", "; "))
    assert not loaded_by(code) & HEAVY


def test_what_labkit_offers_is_there() -> None:
    import labkit

    assert {"Lab", "load_model", "available_models"} <= set(dir(labkit))
    assert labkit.Lab.__module__ == "labkit.course.session"
    with pytest.raises(AttributeError, match="no attribute 'Labb'"):
        labkit.Labb  # noqa: B018


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_module_and_its_help(name: str) -> None:
    source = (ROOT / "labkit" / "cli" / f"{name}.py").read_text(encoding="utf-8")
    functions = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    assert {"add_arguments", "main"} <= functions
    assert ast.get_docstring(ast.parse(source))


# ---- pins ----------------------------------------------------------------------------------------


def test_every_dependency_is_pinned_exactly() -> None:
    for pin in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]:
        assert re.fullmatch(r"[\w-]+==[\w.]+( ; python_version (<|>=) '3\.\d+')?", pin), pin


def test_environment_yml_has_the_same_pins() -> None:
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    from_pip = next(part["pip"] for part in conda["dependencies"] if isinstance(part, dict))
    assert from_pip == PROJECT["dependencies"]


def test_the_lock_covers_every_pin() -> None:
    lock = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    wanted = [pin.partition(" ;")[0] for pin in declared]
    locked = locked_for(lock, wanted)
    assert {line.name for line in locked} >= {pins.split(pin)[0] for pin in wanted}


def test_requirements_lock_has_the_hashes_of_the_lock_and_of_nothing_else() -> None:
    """Stale: python3 -m labkit environment --lock."""
    lines = pins.read_lock((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    tools = [pins.split(pin) for pin in pins.declared().tools]
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert set(read_hashes(text)) == {*((line.name, line.version) for line in lines), *tools}
    assert "://" not in text


def test_the_lock_is_closed_in_this_environment() -> None:
    """What the installed packages require here is in the lock, at the version installed."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    lock = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    wanted = [pin.partition(" ;")[0] for pin in PROJECT["dependencies"]]
    locked = {line.name for line in locked_for(lock, wanted)}
    for name in sorted(locked):
        if pins.installed_version(name) is None:
            continue  # for another platform
        for need in map(Requirement, requires(name) or []):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert pins.normalise(need.name) in locked | {"setuptools"}, f"{name} needs {need}"


def test_no_host_and_no_local_version_in_the_lock() -> None:
    lock = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in lock and "--" not in re.sub(r"^#.*", "", lock, flags=re.M)
    assert not [line for line in pins.read_lock(lock) if "+" in line.version]


# ---- the wheel -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by hatchling itself: no isolation, no network."""
    folder = tmp_path_factory.mktemp("dist")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


def test_the_wheel_holds_the_course_and_is_small(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("lessons", "quizzes", "solutions"):
        here = {f.name for f in (ROOT / folder).iterdir() if f.is_file()}
        assert here and {f"labkit/_course/{folder}/{name}" for name in here} <= names
    assert "labkit/jupyter/labconfig/default_setting_overrides.json" in names
    assert "labkit/py.typed" in names
    assert {f"labkit/recipes/lora_with_{name}.py" for name in ("peft", "trl")} <= names
    for shared in (
        "share/jupyter/kernels/labkit-warm/kernel.json",
        "share/jupyter/labextensions/labkit/static/home.js",
        "etc/jupyter/jupyter_server_config.d/labkit.json",
    ):
        assert [name for name in names if name.endswith(f".data/data/{shared}")]
    points = next(name for name in names if name.endswith("entry_points.txt"))
    assert b"labkit-warm = labkit.kernels.provisioner:" in zipfile.ZipFile(wheel).read(points)
    weights = (ROOT / "labkit").rglob("*.safetensors")
    shipped = {str(path.relative_to(ROOT)) for path in weights}
    assert shipped and shipped <= names
    assert {path for path in names if path.endswith((".js", ".css"))}
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]
    assert wheel.stat().st_size <= 60 * MEGABYTE


def test_installed_wheel_finds_its_lessons_and_works_in_the_current_folder(
    wheel: Path, tmp_path: Path
) -> None:
    """A venv of its own that sees the packages of this one, and labkit only from the wheel."""
    place = tmp_path / "venv"
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    python = place / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    done = subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], capture_output=True)
    assert done.returncode == 0, done.stderr
    site = next(place.glob("lib/python*/site-packages"))
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    env = {k: v for k, v in os.environ.items() if k not in ("LABKIT_WORK", "PYTHONPATH")}
    code = (
        "import labkit, json; from labkit import paths; from labkit.course import catalog;"
        "print(json.dumps([labkit.__file__, paths.in_checkout(), str(paths.work_dir()),"
        "[lesson.id for lesson in catalog.lessons()], labkit.available_models()]));"
        "from labkit.jupyter.home_handler import Files, Path, ProgressLog, home_page;"
        "assert 'Begin with' in home_page(ProgressLog(), Files(Path('.')))"
    )
    out = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert out.returncode == 0, out.stderr
    file, in_checkout, work, lessons, models = json.loads(out.stdout)
    assert Path(file).is_relative_to(site) and not in_checkout
    assert Path(work) == tmp_path / "work"
    assert lessons == sorted(path.stem for path in (ROOT / "lessons").glob("[0-9]*.py"))
    assert "base" in models
    for command in (["--help"], ["environment"]):
        said = subprocess.run(
            [place / "bin" / "labkit", *command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
        )
        assert "lab" in said.stdout + said.stderr
    assert "no environment of its own" in said.stderr
