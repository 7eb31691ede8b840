"""A lesson's own cells leave learners' names alone: a helper is never rebound by a later cell."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from labkit.classroom.intake import read_notebook
from labkit.course.catalog import lessons
from labkit.grading.source import solutions
from labkit.grading.source.cells import program_of
from labkit.grading.source.slices import bound_by

OF_THE_COURSE = {"_", "NF4", "lab", "model", "tokenizer"}  # which the text tells learners to use
GALLERY = Path(__file__).resolve().parents[1] / "gallery"


def names_bound(lesson):
    """What the lesson's code cells give a value, but for imports and the stubs."""
    stubs = set(solutions.names(lesson.id))
    for node in program_of(read_notebook(lesson.notebook.read_bytes()).cells).statements:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            yield from bound_by(node) - stubs


def helpers(path):
    """What a file of answers binds at top level: functions, tables, constants."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            yield from bound_by(node)


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.id)
def test_no_cell_binds_a_name_that_a_learner_would_choose(lesson):
    answers = [solutions.solution_path(lesson.id), GALLERY / f"{lesson.topic}.py"]
    chosen = {name for path in answers for name in helpers(path)}
    bound = set(names_bound(lesson)) - OF_THE_COURSE

    assert sorted(bound & chosen) == [], "answers to this lesson use these names"
    assert sorted(name for name in bound if "_" not in name) == [], "one word is anybody's: use two"
