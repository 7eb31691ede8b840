"""What is run for an answer: all that can make a difference to it, and no scratch cell."""

from __future__ import annotations

import ast
import textwrap

import pytest

from labkit.grading.source.cells import fingerprints, program_of
from labkit.grading.source.selection import Selection


def chosen(*cells, names=("f",), lesson=()):
    """What is run in each group of the narrow choice, as text."""
    program = program_of([textwrap.dedent(cell) for cell in cells], (), fingerprints(lesson))
    groups = Selection(program, names).narrow()
    return [[ast.unparse(program.statements[i]) for i in group.indices] for group in groups]


def wide(*cells, names=("f",), lesson=()):
    program = program_of([textwrap.dedent(cell) for cell in cells], (), fingerprints(lesson))
    (group,) = Selection(program, names).wide()
    return [ast.unparse(program.statements[i]) for i in group.indices]


CHANGES = {
    "a loop": "for i in range(4): TABLE[i] = i",
    "a loop over it": "for row in TABLE: row.append(1)",
    "with": "with open_it() as TABLE['file']: pass",
    "a condition": "if True:\n    TABLE['a'] = 1",
    "an attempt": "try:\n    TABLE['a'] = 1\nexcept KeyError: pass",
    "while": "while len(TABLE) < 3: TABLE.append(1)",
    "targets": "TABLE[0], TABLE[1] = 1, 2",
    "del": "del TABLE[0]",
    "an alias": "other = TABLE\nother.append(1)",
    "a part of it": "first = TABLE[0]\nfirst.append(1)",
    "an alias in a list": "pair = [TABLE, 3]\npair[0].append(1)",
    "in place": "TABLE.mul_(2)",
    "a view in place": "TABLE.view(-1).mul_(2)",
    "a call": "fill(TABLE)",
    "a call in an assignment": "size = fill(TABLE)",
    "a call in an assert": "assert fill(TABLE)",
    "a comprehension": "[TABLE.append(i) for i in range(3)]",
    "a library": "import heapq\nheapq.heappush(TABLE, 1)",
    "a library's init": "from torch import nn\nnn.init.ones_(TABLE)",
    "setattr": "setattr(TABLE, 'size', 3)",
    "a function of the learner's": "def more(): TABLE.append(1)\nmore()",
    "two functions deep": "def one(): TABLE.append(1)\ndef two(): one()\ntwo()",
    "a decorator": "def keep(g):\n    TABLE.append(g)\n    return g\n@keep\ndef g(): pass",
    "await": "async def more(): TABLE.append(1)\nawait more()",
    "augmented": "TABLE += [1]",
}


@pytest.mark.parametrize("how", CHANGES)
def test_what_changes_a_value_is_run(how):
    cells = ["TABLE = make()", CHANGES[how], "def f(): return TABLE"]

    (run,) = chosen(*cells)

    assert len(run) == len(program_of(cells).statements)
    assert run == wide(*cells)


def test_a_name_that_only_functions_bind():
    cell = "def start():\n    global STATE\n    STATE = 1\nstart()\ndef f(): return STATE"

    assert "start()" in chosen(cell)[0]


LOOKS = ["print(TABLE)", "TABLE", "lab.check(g)", "size = len(TABLE)", "double = 2 * TABLE[0]",
         "assert TABLE[0] == 1", "plot(other)", "import time\ntime.sleep(60)"]  # fmt: skip


@pytest.mark.parametrize("scratch", LOOKS)
def test_what_only_looks_is_not_run(scratch):
    assert len(chosen("TABLE = [1]", scratch, "def f(): return TABLE")[0]) == 2


def test_trying_out_an_answer_or_a_helper_is_not_run():
    cells = ["def helper(x): return x", "def f(x): return helper(x)", "f(3)", "y = helper(f(2))"]

    assert len(chosen(*cells)[0]) == 2
    assert len(wide(*cells)) == 4


# ---- which value a name has ----------------------------------------------------------------------

LESSON = ["def f(x):\n    ...", "lab.check(f)", "flat = measure()\nblocks = 3"]


def test_a_lessons_name_never_wins_over_a_learners():
    mine = ["def flat(x): return x", "def f(x): return flat(x)", *LESSON[1:]]

    assert chosen(*mine, lesson=LESSON) == [[each.replace(": ", ":\n    ", 1) for each in mine[:2]]]
    assert "flat = measure()" not in wide(*mine, lesson=LESSON)


def test_a_lessons_name_is_there_where_the_learner_has_none():
    assert "blocks = 3" in chosen("def f(x): return blocks", *LESSON[1:], lesson=LESSON)[0]


def test_the_value_at_the_check_counts():
    cells = ["def scale(x): return 1", "def f(x): return scale(x)", "lab.check(f)",
             "def scale(x): return 2"]  # fmt: skip

    assert [text[-1] for text in chosen(*cells)[0]] == ["1", ")"]


def test_what_is_defined_only_below_the_check_is_taken_from_there():
    cells = ["def f(x): return scale(x)", "lab.check(f)", "def scale(x): return 2"]

    assert len(chosen(*cells)[0]) == 2


def test_a_stub_pasted_below_an_answer_does_not_win():
    (run,) = chosen("def f(x): return 1", "def f(x):\n    ...", lesson=["def f(x):\n    ..."])

    assert run == ["def f(x):\n    return 1"]


def test_two_answers_with_different_helpers_of_one_name_are_kept_apart():
    cells = ["def part(x): return 1", "def f(x): return part(x)", "lab.check(f)",
             "def part(x): return 2", "def g(x): return part(x)", "lab.check(g)",
             "def h(x): return 3"]  # fmt: skip

    groups = chosen(*cells, names=("f", "g", "h"))

    assert len(groups) == 2
    assert "def part(x):\n    return 2" not in groups[0]
    assert "def h(x):\n    return 3" in groups[0], "what needs nothing else joins the first"


def test_an_answer_made_of_an_earlier_one_brings_both():
    cells = ["import functools", "def f(x): return x", "f = functools.cache(f)", "f.size = 3"]

    assert len(chosen(*cells)[0]) == 4


def test_an_earlier_definition_kept_under_another_name_is_run():
    cells = ["def f(x): return x", "old = f", "def f(x): return old(x)"]

    assert len(chosen(*cells)[0]) == 3


def test_everything_of_the_learners_and_what_it_needs_of_the_lesson():
    lesson = ["import torch", "rows = load()", "unused = 1", "rows.sort()"]
    cells = [*lesson, "mine = torch.ones(rows)", "1 / 0"]

    run = wide(*cells, lesson=lesson)

    assert run == ["import torch", "rows = load()", "rows.sort()", *cells[-2:]]
