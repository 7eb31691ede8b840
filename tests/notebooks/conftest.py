"""A small course of one lesson, and nbval as a reader who runs all and compares what is marked."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode

from labkit.cli import main
from labkit.course import notebooks
from labkit.course.execution import kernel_env
from labkit.kernels import ADDRESS
from labkit.kernels.nursery import Nursery
from labkit.kernels.orders import Cold

CELL_SECONDS = 900  # a hang: the longest cell takes 30 here
READY_SECONDS = 600

LESSON = '''# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit: {title: "Fixture", minutes: 5, models: [], summary: "A small one."}
# ---

# %% [markdown]
# # Fixture

# %%
from labkit.course.progress import ProgressLog

log = ProgressLog()

# %%
def double(x: float) -> float:
    """Twice x."""
    ...


# %%
outcome = "pass" if double(2) == 4 else "not attempted"
log.record("99_fixture", "double", "check", outcome)
value = 0.25
payload = {"value": value, "around": 0.25, "within": 0.01, "holds": value < 1}
log.record("99_fixture", "a quarter", "claim", "holds", payload=payload);

# %% tags=["figure"]
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(2, 1))
axes.plot([1, 3, 2])
plt.show()

# %%
import ipywidgets

ipywidgets.IntSlider(value=3)

# %%
# NBVAL_CHECK_OUTPUT
print(round(1 / 3, 3))
'''

ANSWERS = """def double(x: float) -> float:
    return 2 * x


def never_checked() -> int:
    return 0
"""


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with the lesson 99_fixture, in a folder of its own."""
    make_course(tmp_path)
    monkeypatch.setattr("labkit.paths.course_root", lambda: tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def fixture_notebook(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The notebook that `labkit build` makes of the small lesson."""
    root = tmp_path_factory.mktemp("course")
    make_course(root)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("labkit.paths.course_root", lambda: root)
        assert main(["build", "fixture"]) == 0
    return (root / "lessons" / "99_fixture.ipynb").read_bytes()


def make_course(root: Path) -> None:
    for folder in ("lessons", "quizzes", "solutions"):
        (root / folder).mkdir()
    (root / "lessons" / "99_fixture.py").write_text(LESSON)
    (root / "solutions" / "99_fixture.py").write_text(ANSWERS)


Nbval = Callable[[NotebookNode, Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def nbval() -> Nbval:
    """Run `pytest --nbval-lax` on a notebook whose progress goes to a work folder of its own.

    A claim that doesn't hold raises (LABKIT_STRICT=1), and the network guard is in every kernel.
    """
    return validator({})


@pytest.fixture
def warm_nbval(zygote: Nursery | None) -> Nbval:
    """The same in a kernel that has torch imported; cold where there can be no such kernel."""
    return validator({ADDRESS: str(zygote.door)} if zygote else {})


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery | None]:
    """One for all notebooks; None where this machine can't have one."""
    try:
        nursery = Nursery(kernel_env(tmp_path_factory.mktemp("zygote"), strict=True))
    except Cold:
        yield None
        return
    with nursery:
        yield nursery if nursery.ready(READY_SECONDS) else None


def validator(more: dict[str, str]) -> Nbval:
    """What runs nbval on a notebook, with more in the environment."""

    def validate(notebook: NotebookNode, work: Path) -> subprocess.CompletedProcess[str]:
        work.mkdir()
        path = work / "lesson.ipynb"
        path.write_bytes(notebooks.to_bytes(notebook))
        (work / "pytest.ini").write_text("[pytest]\n")  # not the suite's own settings
        env = kernel_env(work, strict=True) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | more
        plugins = ["-p", "nbval.plugin", "-p", "no:cacheprovider"]
        if ADDRESS in more:
            plugins += ["-p", "labkit.kernels.pytest_plugin"]
        command = [sys.executable, "-m", "pytest", *plugins]
        options = ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={CELL_SECONDS}"]
        done = subprocess.run(
            [*command, *options, "--color=no", str(path)],
            cwd=work,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        done.stdout = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
        return done

    return validate
