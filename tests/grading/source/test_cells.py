"""A notebook's cells as IPython takes them: magics give their body, or are left out with a word."""

from __future__ import annotations

import ast

import pytest

from labkit.grading.source.cells import fingerprints, program_of


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
    assert notes[0].startswith(f"cell 1 is not run: it begins with {magic.split()[0]}, so take")


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


@pytest.mark.parametrize(
    "cell",
    [
        "\n%%time\nx = 1",
        "\r\n%%time\r\nx = 1\r\n",
        "  %%time\nx = 1",
        "   \n  x = 1",
        "%%time\n%%capture out\nx = 1",
        "%%capture\n\n%%time\nx = 1",
        "\ufeff%%time\nx = 1",
        "\ufeffx = 1",
        "x = 1\u200b",
        ">>> x = 1",
        "%%time\n%matplotlib inline\nx = 1",
    ],
)
def test_what_ipython_takes_is_taken(cell):
    assert read(cell) == (["x = 1"], [])


def test_a_line_of_an_expression_may_begin_with_a_sign_that_magics_begin_with():
    assert read("x = (10\n % 3)\n%time y = 1") == (["x = 10 % 3", "y = 1"], [])
    assert read("x = (10\n% 3)") == (["x = 10 % 3"], [])
    text = "x = '''\n%time\n!ls\n'''"
    assert read(f"%matplotlib inline\n{text}") == ([r"x = '\n%time\n!ls\n'"], [])


def test_lines_keep_their_numbers_below_a_magic_of_several():
    above = "!ls \\\n  -l\n%time f(1, \\\n  2)\n\n"
    cell = f"{above}def f(*x):\n    %cd \\\n  /tmp\n    return x\nz = 1"
    numbers = {type(node): node.lineno for node in program_of([cell]).statements}
    assert numbers[ast.FunctionDef] == 6 and numbers[ast.Assign] == 10


def test_signs_without_width_stay_where_they_are_text():
    (statement,) = program_of(["x = '\u200b'"]).statements

    assert ast.literal_eval(statement.value) == "\u200b"


def test_await_stands_at_top_level():
    assert read("x = await f()\nasync for y in x: pass")[0][0] == "x = await f()"


def test_the_lessons_own_statements_are_known_however_they_are_laid_out():
    lesson = fingerprints(["import torch\n\ndef f(x): ...\n", "x = [1, 2]"])

    program = program_of(
        ["x = [1,  2]  # mine", "def f(x):\n    ...", "def f(x): return 1"], (), lesson
    )

    assert program.lessons == {0, 1}


def test_line_numbers_stay_those_of_the_cell():
    for cell in ("%%time\n\ndef f():\n    return 1", "\n%%time\n  \ndef f(): return 1"):
        (statement,) = program_of([cell]).statements
        assert cell.splitlines()[statement.lineno - 1].startswith("def f")


def test_a_cell_that_cannot_be_read_costs_itself_only():
    program = program_of(["x = 1", "def f(:\n  pass", "y = 2"])

    assert [ast.unparse(node) for node in program.statements] == ["x = 1", "y = 2"]
    assert "cell 2 can't be read: SyntaxError" in program.notes[0]


def test_future_imports_are_kept_apart():
    import __future__

    program = program_of(["from __future__ import annotations", "x: undefined = 1"])

    assert program.flags & __future__.annotations.compiler_flag
    assert len(program.statements) == 1


@pytest.mark.parametrize("cell", ["\0", "(" * 1000, "x = " + "-" * 99_999 + "1", "\ud800", "'" * 7])
def test_no_text_stops_the_rest(cell):
    assert "y = 2" in read(cell, "y = 2")[0]
