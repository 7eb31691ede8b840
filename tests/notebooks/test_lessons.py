"""Every lesson of the course, as it is committed: up to date, and sound untouched and solved.

nbval runs the notebook from top to bottom, compares the cells marked NBVAL_CHECK_OUTPUT, and stops
at a claim that doesn't hold. What the lesson recorded of itself then has to agree with its stubs.
Untouched it runs in a cold kernel, since a warm one can hide a missing import. Solved it is warm,
and runs the answers, their checks and what these need: the measurements would be the same again, as
an untouched lesson works with the same reference answers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from nbformat import NotebookNode

from labkit.cli.build import check
from labkit.course import notebooks
from labkit.course.catalog import Lesson, lessons
from labkit.course.claims import expectations_of
from labkit.course.progress import ProgressLog
from labkit.grading.source import solutions
from labkit.grading.source.slices import slice_for

Nbval = Callable[[NotebookNode, Path], "CompletedProcess[str]"]
each_lesson = pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.id)


@each_lesson
def test_the_notebook_has_the_sources_of_the_text(lesson: Lesson) -> None:
    assert check(lesson) == "up to date"


@each_lesson
def test_every_challenge_has_one_stub(lesson: Lesson) -> None:
    stubs = notebooks.stub_cells(notebooks.to_notebook(lesson), lesson.id)
    assert set(stubs) == set(solutions.names(lesson.id))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("solved", [False, True], ids=["untouched", "solved"])
@each_lesson
def test_under_nbval(
    lesson: Lesson, solved: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    nbval: Nbval = request.getfixturevalue("warm_nbval" if solved else "nbval")
    notebook = notebooks.read(lesson.notebook)
    assert "NBVAL_CHECK_OUTPUT" in "".join(cell.source for cell in notebook.cells)
    if solved:
        notebook = without_measurements(notebooks.solve(notebook, lesson.id), lesson)
    done = nbval(notebook, tmp_path / "work")
    assert done.returncode == 0, done.stdout + done.stderr
    log = ProgressLog(tmp_path / "work" / "progress.sqlite")
    expected = "pass" if solved else "not attempted"
    outcomes = {event.item: event.outcome for event in log.events(lesson.id, kind="check")}
    assert outcomes == dict.fromkeys(solutions.names(lesson.id), expected)
    claims = {event.item: event.outcome for event in log.events(lesson.id, kind="claim")}
    if not solved:
        assert claims.keys() == expectations_of(lesson).claims.keys()
    assert set(claims.values()) <= {"holds"}


def without_measurements(notebook: NotebookNode, lesson: Lesson) -> NotebookNode:
    """The cells that check an answer, and those that they need."""
    code = {n: notebooks.parsed(c.source) for n, c in enumerate(notebook.cells) if is_code(c)}
    cells, statements = zip(
        *((n, node) for n, tree in code.items() if tree for node in tree.body), strict=True
    )
    wanted = ["lab", *solutions.names(lesson.id)]
    kept = {cells[index] for index in slice_for(wanted, statements)}
    kept |= {n for n in code if notebook.cells[n].source.startswith("lab.check(")}
    notebook.cells = [cell for n, cell in enumerate(notebook.cells) if n in kept]
    return notebook


def is_code(cell: NotebookNode) -> bool:
    return bool(cell.cell_type == "code")
