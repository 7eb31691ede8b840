"""A notebook's cells as IPython takes them: magics give their body, or are left out with a word."""

from __future__ import annotations

import ast

import pytest

from labkit.grading.cells import program_of


def read(*cells):
    program = program_of(cells)
    return [ast.unparse(node) for node in program.statements], program.notes


def test_plain_cells_are_taken_as_they_are():
    assert read("x = 1", "y = 2\nz = 3") == (["x = 1", "y = 2", "z = 3"], [])


@pytest.mark.parametrize("magic", ["%%time", "%%capture out", "%%capture --no-stderr", "%%prun -q"])
def test_the_body_of_a_timed_cell_is_run(magic):
    assert read(f"{magic}\nx = 1") == (["x = 1"], [])


@pytest.mark.parametrize("magic", ["%%timeit", "%%bash", "%%writefile x.py", "%%html"])
def test_other_cell_magics_are_left_out_with_a_word(magic):
    statements, notes = read(f"{magic}\nx = 1", "y = 2")

    assert statements == ["y = 2"]
    assert notes == [f"cell 1: {magic.split()[0]} was left out"]


@pytest.mark.parametrize("line", ["!pip install x", "files = !ls", "!!ls"])
def test_shell_lines_are_left_out_with_a_word(line):
    statements, notes = read(f"{line}\ny = 2")

    assert statements == ["y = 2"]
    assert "was left out" in notes[0]


def test_line_magics():
    assert read("%matplotlib inline\n%config X = 1\nx = 1") == (["x = 1"], [])
    assert read("%time x = 1\ny = 2") == (["x = 1", "y = 2"], [])
    assert read("%cd /tmp\nx = 1") == (["x = 1"], ["cell 1: %cd was left out"])
    assert read("?print\nx = 1")[0] == ["x = 1"]


def test_line_numbers_stay_those_of_the_cell():
    program = program_of(["%%time\n\ndef f():\n    return 1"])

    assert program.statements[0].lineno == 3


def test_a_cell_that_cannot_be_read_costs_itself_only():
    program = program_of(["x = 1", "def f(:\n  pass", "y = 2"])

    assert [ast.unparse(node) for node in program.statements] == ["x = 1", "y = 2"]
    assert "cell 2 can't be read: SyntaxError" in program.notes[0]
    assert program.why_missing("f") == program.notes[0]
    assert program.why_missing("x") is None


def test_future_imports_are_kept_apart():
    import __future__

    program = program_of(["from __future__ import annotations", "x: undefined = 1"])

    assert program.flags == __future__.annotations.compiler_flag
    assert len(program.statements) == 1


@pytest.mark.parametrize("cell", ["\0", "(" * 1000, "x = " + "-" * 99_999 + "1", "\ud800", "'" * 7])
def test_no_text_stops_the_rest(cell):
    assert "y = 2" in read(cell, "y = 2")[0]
