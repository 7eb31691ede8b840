"""`labkit grade` as each documented way to install gives it: the same jail, nothing strange is
imported, and nothing is in a learner's reach that is not theirs.

The wheel is built once and unpacked into small environments that borrow the packages of this one.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from labkit.classroom.settings import known_lessons
from labkit.grading.source import solutions
from labkit.grading.transports import remote
from labkit.paths import PACKAGE
from tests.classroom.handed_in import hand_in, notebook, right
from tests.cli import spy

pytestmark = pytest.mark.skipif(not remote.LINUX, reason="children are jailed on Linux only")
ROOT = PACKAGE.parent
NOBODY = 65_534
OTHER, MARKS = "margarete-zq7", "marks-of-zq7.json"
CONTROL = "Applies the rectified linear unit function element-wise"  # in the memory of every child
LONG = 40  # characters of a text that is nobody else's
CHECKS = PACKAGE / "challenges"
STRANGE = "open({marker!r}, 'a').write({name!r} + '\\n')\n"


@dataclass(frozen=True)
class Way:
    """A Python with labkit: how it is called, from where, as whom."""

    command: list[str]
    folder: Path | None = None  # None: that of the hand-ins
    python: str = sys.executable
    user: int | None = None
    variables: tuple[tuple[str, str], ...] = ()

    def call(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        dropped = ("PYTHONPATH", "LABKIT_VENV", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        who = {} if self.user is None else {"user": self.user, "group": self.user}
        return subprocess.run(
            command, cwd=self.folder or folder, env=kept | dict(self.variables),
            capture_output=True, text=True, **who,
        )  # fmt: skip

    def level(self, folder: Path) -> str:
        """The isolation that a clone reaches here for this user."""
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        code += "from labkit.grading.jail.probe import report; print(report().level)"
        done = self.call([self.python, "-P", "-c", code], folder)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def grade(self, folder: Path, trusted: bool = False) -> list[dict[str, object]]:
        """The rows for a folder of hand-ins, which holds the result file too."""
        words = ["grade", str(folder) if self.folder else ".", "--out", str(folder / MARKS)]
        done = self.call([*self.command, *words, *(["--trusted"] if trusted else [])], folder)
        assert done.returncode == 0, done.stderr
        return json.loads((folder / MARKS).read_text("utf-8"))


# ---- environments --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user of this machine can enter."""
    with tempfile.TemporaryDirectory(prefix="labkit-installed-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def packages_of_this_python() -> list[str]:
    return [path for path in site.getsitepackages() if os.path.isdir(path)]


def version() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def virtual_environment(root: Path) -> Path:
    """What `python -m venv` makes, less pip; its site-packages."""
    packages = root / "lib" / version() / "site-packages"
    packages.mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "bin/python").symlink_to(os.path.realpath(sys.executable))
    home = os.path.dirname(os.path.realpath(sys.executable))
    (root / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    return packages


@pytest.fixture(scope="module")
def wheel(place: Path) -> Way:
    """An environment in which the wheel is installed, and which knows of the clone as well."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    packages = virtual_environment(place / "env")
    with zipfile.ZipFile(next(place.glob("*.whl"))) as archive:
        archive.extractall(packages)
    borrowed = [*packages_of_this_python(), str(ROOT)]
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    python, script = str(place / "env/bin/python"), place / "env/bin/labkit"
    entries = next(packages.glob("*.dist-info/entry_points.txt")).read_text("utf-8")
    module, name = next(
        line.split("=")[1].strip().split(":")
        for line in entries.splitlines()
        if line.startswith("labkit =")
    )
    script.write_text(f"#!{python}\nimport sys\nfrom {module} import {name}\nsys.exit({name}())\n")
    script.chmod(0o755)
    return Way([str(script)], python=python)


@pytest.fixture(scope="module")
def clone() -> Way:
    """As the README says: in the folder of the clone."""
    return Way([sys.executable, "-m", "labkit"], ROOT)


@pytest.fixture(scope="module")
def conda(place: Path) -> Way:
    """A Python that is no virtual environment, with the packages in it, for a clone; used by
    somebody who is not root."""
    prefix, own = place / "conda", Path(sysconfig.get_path("stdlib"))
    library = prefix / "lib" / version()
    left_out = ("site-packages", "test", "idlelib", "tkinter", "ensurepip", "config-*")
    shutil.copytree(own, library, ignore=shutil.ignore_patterns(*left_out), copy_function=link)
    packages = library / "site-packages"
    packages.mkdir()
    (packages / "borrowed.pth").write_text("\n".join(packages_of_this_python()) + "\n")
    for shared in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
        link(shared, prefix / "lib" / shared.name)
    (prefix / "bin").mkdir()
    python = prefix / "bin/python"
    shutil.copy(os.path.realpath(sys.executable), python)
    user = NOBODY if os.geteuid() == 0 else None
    found = (("LD_LIBRARY_PATH", str(prefix / "lib")),)
    return Way([str(python), "-m", "labkit"], ROOT, str(python), user, found)


def link(source: str | Path, target: str | Path) -> None:
    """The same file under another name, or a copy where that can't be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


# ---- what is handed in ---------------------------------------------------------------------------


def class_of_two(folder: Path, spying: str) -> Path:
    """A right notebook, and one whose first answer says what it has found."""
    folder.mkdir(parents=True)
    hand_in(folder, **{OTHER: notebook(*right()), "spy": notebook(spying)})
    return folder


def a_spy(texts: Sequence[str] = ()) -> str:
    """A cell that looks for these in the memory of the process that runs it, and for labkit's
    files."""
    told = [(text[: spy.START], len(text), digest_of(text)) for text in texts]
    files = [ROOT / "solutions/05_temperature.py", ROOT / "pyproject.toml", PACKAGE / "__init__.py"]
    return (
        f"{inspect.getsource(spy.search)}\n{inspect.getsource(spy.readable)}\n"
        "def apply_temperature(logits, temperature):\n"
        f"    found = search({told!r}) + readable({list(map(str, files))!r})\n"
        "    raise ValueError(' '.join(['found', *found]))"
    )


def secrets() -> list[str]:
    """What must not be in a child's memory, and first a text that is: whoever else hands in, where
    the marks go, the lines of each reference answer, all that each check may say."""
    others = [OTHER, MARKS]
    return [CONTROL, *others, *sorted(reference_lines() | texts_of_checks())]


def reference_lines() -> set[str]:
    """The lines that make up the reference answers, where they are long enough to be nobody
    else's."""
    sources = (
        solutions.source(les, name) for les, names in known_lessons().items() for name in names
    )
    lines = {line.strip() for source in sources for line in source.splitlines()}
    return {line for line in lines if len(line) >= LONG and line.isascii()}


def texts_of_checks() -> set[str]:
    """The texts in the code of the checks, as messages and hints, less those that are elsewhere."""
    elsewhere = "".join(
        path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.parent != CHECKS
    )
    return {
        text for path in CHECKS.glob("*.py") for text in texts_in(path) if text not in elsewhere
    }


def texts_in(path: Path) -> Iterator[str]:
    """The beginnings of the long texts in a module's code."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    texts = (value for value in values if isinstance(value, str) and len(value) >= LONG)
    yield from (text[: 2 * LONG] for text in texts if text.isascii())


def digest_of(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()[:12]


def said(rows: list[dict[str, object]]) -> str:
    """What the spy has found."""
    message = next(
        str(row["message"])
        for row in rows
        if (row["learner"], row["challenge"]) == ("spy", "apply_temperature")
    )
    return message.partition("ValueError: ")[2]


def plant(folder: Path, marker: Path, left_out: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """A file by the name of each standard module, which tells when it is imported."""
    for name in sys.stdlib_module_names - left_out:
        (folder / f"{name}.py").write_text(STRANGE.format(marker=str(marker), name=name))


# ---- tests ---------------------------------------------------------------------------------------


@pytest.fixture
def hand_ins(place: Path, request: pytest.FixtureRequest) -> Path:
    """A class of two, one of them a spy."""
    folder = place / request.node.name / "hand-ins"
    folder.parent.mkdir()
    return class_of_two(folder, a_spy())


def all_well(rows: list[dict[str, object]], level: str, found: Sequence[str] = ()) -> None:
    """The marks that are earned, at that level, and a spy that has found no more than this."""
    assert [row["outcome"] for row in rows if row["learner"] == OTHER] == ["pass"] * 4
    assert {row["isolation"] for row in rows} == {level}
    assert said(rows).split() == ["found", *found]


def test_the_control_is_where_it_is_looked_for() -> None:
    assert CONTROL in (torch.nn.functional.relu.__doc__ or "")


def test_a_clone(clone: Way, hand_ins: Path, tmp_path: Path) -> None:
    """PYTHONPATH leads to what Python itself imports first, then to nothing of labkit's."""
    marker, strange = tmp_path / "imported", tmp_path / "strange"
    strange.mkdir()
    begun = subprocess.run(
        [sys.executable, "-c", "import runpy, site, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    ).stdout.split()  # fmt: skip
    plant(strange, marker, {name.partition(".")[0] for name in begun})
    way = Way(clone.command, clone.folder, variables=(("PYTHONPATH", str(strange)),))

    rows = way.grade(hand_ins)

    assert not marker.exists(), marker.read_text()
    all_well(rows, clone.level(hand_ins))


def test_a_wheel_beside_a_clone_in_a_folder_full_of_strange_modules(
    wheel: Way, hand_ins: Path, tmp_path: Path
) -> None:
    """And its memory is searched: for answers, for checks, for whom and what else there is."""
    marker = tmp_path / "imported"
    plant(hand_ins, marker)
    hand_in(hand_ins, spy=notebook(a_spy(secrets())))

    rows = wheel.grade(hand_ins)

    assert not marker.exists(), marker.read_text()
    all_well(rows, wheel.level(tmp_path), [digest_of(CONTROL)])


def test_conda_and_a_normal_user(conda: Way, hand_ins: Path) -> None:
    if os.geteuid() == 0:
        for path in (hand_ins, *hand_ins.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    level = conda.level(hand_ins)
    if "namespaces" not in level:
        pytest.skip(f"no user namespaces here: {level}")

    all_well(conda.grade(hand_ins), level)
