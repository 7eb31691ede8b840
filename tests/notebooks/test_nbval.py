"""The nbval run fails when it should: a changed output, a claim that doesn't hold, the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from subprocess import CompletedProcess

import psutil
import pytest
from nbformat import NotebookNode

from labkit.course.notebooks import from_text
from labkit.kernels.nursery import Nursery

pytestmark = [pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]

Nbval = Callable[[NotebookNode, Path], "CompletedProcess[str]"]

OPENING = """# %%
import pathlib
from labkit import paths
paths.course_root = lambda: pathlib.Path({root!r})

# %%
from labkit import Lab
lab = Lab("99_fixture")
lab

# %%
lab.claim("a third", {number})

"""
PROBE = """# %%
import os, sys
found = [os.getppid(), "peft" in sys.modules, "matplotlib" in sys.modules]

# %%
import tqdm.auto, transformers
name = tqdm.auto.tqdm.__mro__[1].__name__
handler = transformers.utils.logging._get_library_root_logger().handlers[0]
stream = getattr(handler.stream, "_stream", lambda: handler.stream)()
print(*found, name, type(stream).__name__, file=open("found", "w"))
"""
CHECKED = """# %%
# NBVAL_CHECK_OUTPUT
print(round(1 / 3, 3))
"""


def small(
    course: Path, opening: str = "", printed: str = "0.333\n", number: float = 1 / 3
) -> NotebookNode:
    claims = "claims: {a third: {around: 0.333, within: 0.001}}"
    (course / "lessons" / "99_fixture.claims.yaml").write_text(claims)
    notebook = from_text(opening.format(root=str(course), number=number) + CHECKED, "99_fixture")
    last = notebook.cells[-1]
    last.execution_count = 1
    last.outputs = [NotebookNode(output_type="stream", name="stdout", text=printed)]
    return notebook


def test_a_sound_notebook_passes_and_leaves_no_kernel(course: Path, nbval: Nbval) -> None:
    work = course / "work"
    done = nbval(small(course, OPENING), work)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    assert not [process for process in psutil.process_iter() if works_in(process, work)]


def works_in(process: psutil.Process, work: Path) -> bool:
    try:
        return process.environ().get("LABKIT_WORK") == str(work)
    except psutil.Error:
        return False


@pytest.mark.parametrize("folder", ["lessons", "work"])
def test_an_instructors_own_run_needs_no_test_tools(
    course: Path, folder: str, fixture_notebook: bytes
) -> None:
    """Plain `pytest --nbval-lax FILE` under the checkout's own settings, with no plugin but nbval:
    the environment that `labkit lab` makes has no other."""
    shutil.copy(ROOT / "pyproject.toml", course)
    notebook = course / folder / "99_fixture.ipynb"
    notebook.parent.mkdir(exist_ok=True)
    notebook.write_bytes(fixture_notebook)
    plugins = {point.name for point in entry_points(group="pytest11")} - {"nbval"}
    blocked = [option for name in sorted(plugins) for option in ("-p", f"no:{name}")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *blocked, "--nbval-lax", str(notebook)],
        cwd=course, env=os.environ | {"LABKIT_WORK": str(course / "work")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout and "warning" not in done.stdout


def test_a_changed_output_fails_at_its_cell(course: Path, nbval: Nbval) -> None:
    done = nbval(small(course, printed="0.334\n"), course / "work")
    assert done.returncode == 1
    assert "lesson.ipynb::Cell 0" in done.stdout
    assert "0.334" in done.stdout and "1 failed" in done.stdout


def test_a_warm_kernel_is_used_where_there_is_one(
    course: Path, zygote: Nursery | None, warm_nbval: Nbval
) -> None:
    done = warm_nbval(from_text(PROBE, "99_fixture"), course / "work")
    assert done.returncode == 0, done.stdout
    parent, imported, plots, bars, logs = (course / "work" / "found").read_text().split()
    assert imported == str(zygote is not None)
    assert plots == "False"  # it would have taken its settings from the zygote's environment
    assert [bars, logs] == ["tqdm_notebook", "OutStream"]  # as imported in a cell
    assert zygote is None or int(parent) == zygote.pid


def test_a_claim_that_does_not_hold_fails_at_its_cell(course: Path, nbval: Nbval) -> None:
    done = nbval(small(course, OPENING, number=0.343), course / "work")
    assert done.returncode == 1
    assert "AssertionError: a third: " in done.stdout
    assert "1 failed, 3 passed" in done.stdout


def test_nothing_in_a_kernel_leaves_the_machine(
    course: Path, nbval: Nbval, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = course / "left-loopback.log"
    monkeypatch.setenv("LABKIT_GUARD_LOG", str(log))  # this departure is meant
    call = "# %%\nimport socket\nsocket.create_connection(('192.0.2.1', 80), timeout=2)\n\n"
    done = nbval(small(course, call), course / "work")
    assert done.returncode == 1
    assert "PermissionError: left loopback: socket." in done.stdout
    assert "ipykernel_launcher" in log.read_text()
