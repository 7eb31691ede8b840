"""Whatever a notebook does to its own state: grading says what the check in the lesson has said."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.grading import Challenge, Mistake, Outcome, check
from labkit.grading.source.cells import fingerprints, program_of
from labkit.grading.transports import remote
from labkit.grading.transports.remote import Limits, Work, Zygote
from labkit.grading.tries import Tries

pytestmark = pytest.mark.skipif(not remote.LINUX, reason="children are jailed on Linux only")
WORTH = 42

# Each: cells that make a state, and an expression that is 42 only if all of them have been run.
# N stands for a name of their own.
STATES = {
    "a constant": (["N = 42"], "N"),
    "for": (["N = {}\nfor i in range(3):\n    N[i] = 14"], "sum(N.values())"),
    "with": (["N = torch.zeros(2)", "with torch.no_grad():\n    N[1] = 42"], "int(N.sum())"),
    "if": (["N = {'a': 0}", "if len(N):\n    N['a'] = 42"], "N['a']"),
    "try": (["N = []", "try:\n    N.append(42)\n    N[3]\nexcept IndexError:\n    pass"], "N[0]"),
    "while": (["N = []", "while len(N) < 3:\n    N.append(14)"], "sum(N)"),
    "targets": (["N = [0, 0]", "N[0], N[1] = 40, 2"], "sum(N)"),
    "del": (["N = [1, 42]", "del N[0]"], "sum(N)"),
    "alias": (["N = [40]", "N_other = N", "N_other.append(2)"], "sum(N)"),
    "alias in a list": (["N = [40]\nN_pair = [N]", "N_pair[0].append(2)"], "sum(N)"),
    "in place": (["N = torch.full((2,), 7)", "N.mul_(3)"], "int(N.sum())"),
    "a view": (["N = torch.full((2,), 7)", "N.view(-1).mul_(3)"], "int(N.sum())"),
    "nn.init": (["from torch import nn\nN = torch.zeros(42)", "nn.init.ones_(N)"], "int(N.sum())"),
    "in an assignment": (["N = [40, 2, 9]", "N_last = N.pop()"], "sum(N)"),
    "in a call": (["N = {}", "print(N.setdefault('a', 42))"], "N['a']"),
    "in an assert": (["N = {1: 40, 2: 9}", "assert N.pop(2) == 9", "N[3] = 2"], "sum(N.values())"),
    "heapq": (["import heapq\nN = [40]", "heapq.heappush(N, 2)"], "sum(N)"),
    "setattr": (["class N: pass", "setattr(N, 'size', 42)"], "N.size"),
    "an attribute": (["class N:\n    size = 1", "N.size = 42"], "N.size"),
    "a method from outside": (["class N: pass", "def N_size(self): return 42\nN.size = N_size"],
                              "N().size()"),
    "globals()": (["globals()['N'] = 42"], "N"),
    "exec": (["exec('N = 42')"], "N"),
    "exec of a list": (["N = []", "exec('N.append(42)')"], "N[0]"),
    "vars()": (["vars().update(N=42)"], "N"),
    "the module": (["import sys\nsetattr(sys.modules['__main__'], 'N', 42)"], "N"),
    "global": (["def N_begin():\n    global N\n    N = 42", "N_begin()"], "N"),
    "a function's doing": (["N = []\ndef N_more(x): N.append(x)", "N_more(40)", "N_more(2)"],
                           "sum(N)"),
    "two functions deep": (
        ["N = []\ndef N_one(x): N.append(x)\ndef N_two(x): N_one(x)", "N_two(42)"], "N[0]"),
    "a registry": (
        ["N = {}\ndef N_keep(g):\n    N[g.__name__] = g\n    return g",
         "@N_keep\ndef N_part(): return 42"], "N['N_part']()"),
    "a registry in a class": (
        ["class N:\n    every = []\n    def __init_subclass__(cls): N.every.append(cls)",
         "class N_one(N): size = 42"], "N.every[0].size"),
    "singledispatch": (
        ["from functools import singledispatch\n@singledispatch\ndef N(x): return 0",
         "@N.register\ndef _(x: int): return 42"], "N(1)"),
    "singledispatch by call": (
        ["from functools import singledispatch\n@singledispatch\ndef N(x): return 0",
         "N.register(int, lambda x: 42)"], "N(1)"),
    "ABC.register": (
        ["from abc import ABC\nclass N(ABC): pass", "N.register(int)"],
        "42 * isinstance(1, N)"),
    "recursion": (["import sys\nsys.setrecursionlimit(5000)",
                   "def N(n): return n and 1 + N(n - 1)"], "N(3000) - 2958"),
    "await": (["import asyncio\nasync def N_make():\n    await asyncio.sleep(0)\n    return 42",
               "N = await N_make()"], "N"),
    "await for its effect": (
        ["N = []\nasync def N_make(): N.append(42)", "await N_make()"], "N[0]"),
    "an iterator": (["N = iter([1, 42])", "next(N)"], "N_once(N)"),
    "a default": (["def N(x=[]):\n    x.append(21)\n    return sum(x[:2])", "N()\nN()"], "N()"),
    "a cache": (["import functools\n@functools.cache\ndef N(x): return len(N_seen)\nN_seen = []",
                 "N_seen += [0] * 42", "N(1)"], "N(1)"),
    "wrapping": (["def N(x): return 21", "N_old = N\ndef N(x): return 2 * N_old(x)"], "N(0)"),
    "a lambda": (["N = lambda: N_size", "N_size = 42"], "N()"),
    "defined below": (
        ["def N(): return N_size + N_more()", "N_size = 40", "def N_more(): return 2"], "N()"),
    "a star import": (["from math import *", "N = floor(42.5)"], "N + 0 * floor(1)"),
    "timed": (["\n%%time\nN = 42", "%time N_x = 3"], "N"),
    "captured": (["%%capture N_out\n%%time\nprint(3)\nN = 42"], "N"),
    "a byte order mark": (["N = 42\u200b"], "N"),
    "defaultdict": (["from collections import defaultdict\nN = defaultdict(int)",
                     "for N_i in range(42): N['a'] += 1"], "N['a']"),
    "a generator": (["N = sum(i for i in [40, 2])"], "N"),
    "dataclass": (["from dataclasses import dataclass\n@dataclass\nclass N:\n    size: int = 42"],
                  "N().size"),
    "a parameter trained": (
        ["N = torch.nn.Parameter(torch.zeros(1))\nN_opt = torch.optim.SGD([N], lr=42.0)",
         "N.sum().backward()", "N_opt.step()"], "-int(N)"),
    "default dtype": (["torch.set_default_dtype(torch.float64)"],
                      "42 * (torch.zeros(1).dtype is torch.float64)"),
}  # fmt: skip
ONCE = """
def once(x, seen={}):
    if 0 not in seen:
        seen[0] = next(x)
    return seen[0]
"""
SCRATCH = ["1 / 0", "f(3)", "print(f(2))", "y = undefined", "!ls", "def broken(:", "f = f"]


def asked(s):
    drawn = int(torch.randint(1000, (), generator=s.generator))
    for number in (0, drawn):
        s.f(number).equals(number + WORTH, because="It is 42 more.")


CHALLENGE = Challenge(
    "f",
    "F",
    asked,
    1,
    ("", "", ""),
    mistakes=[Mistake("none", lambda x: None, "Nothing.", "return")],
)


def notebook(states, *, worth=WORTH, joined=False, scratch=(), below=False):
    """Cells of a learner's with these states, the lesson's check, and what comes after that."""
    cells, parts = ["import torch", ONCE], []
    for number, name in enumerate(states):
        made, part = STATES[name]
        cells += [cell.replace("N_once", "once").replace("N", f"n{number}") for cell in made]
        parts.append(part.replace("N_once", "once").replace("N", f"n{number}"))
    if joined:
        plain = [cell for cell in cells if "%%" not in cell]
        cells = [cell for cell in cells if "%%" in cell] + ["\n".join(plain)]
    off = WORTH * len(parts) - worth
    answer = f"def f(x): return x + {' + '.join(parts)} - {off}"
    taken = [f"n{number}" for number in range(len(states))]
    behind = [f"{name} = 'the lesson has it now'" for name in taken] if below else []
    return [*cells, answer, *scratch[:1], "lab.check(f)", *scratch[1:], *behind], behind


def live(cells):
    """The verdict of `lab.check(f)` where the cells are run one after another, as Jupyter does."""
    verdicts = []

    class Lab:
        def check(self, function):
            verdicts.append(check(CHALLENGE, function))

    module, before = ModuleType("__main__"), sys.modules["__main__"]
    module.__dict__.update(lab=Lab(), get_ipython=None)
    limit, dtype = sys.getrecursionlimit(), torch.get_default_dtype()
    sys.modules["__main__"] = module
    try:
        for number, cell in enumerate(cells):
            program = program_of([cell])
            try:
                for node in program.statements:
                    run_live(node, program.flags, module, number)
            except Exception:
                continue  # the rest of that cell is not run
    finally:
        sys.modules["__main__"] = before
        sys.setrecursionlimit(limit)
        torch.set_default_dtype(dtype)
    return verdicts[-1].outcome


def run_live(node, flags, module, number):
    code = compile(ast.Module([node], []), f"/tmp/ipykernel_1/{number}.py", "exec", flags)
    result = eval(code, module.__dict__)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(result)


@pytest.fixture(scope="module")
def zygote():
    with Zygote(trusted=True, imports=("torch",)) as warm:
        yield warm


def graded(zygote, cells, lesson=()):
    work = Work(cells, lessons=fingerprints([*lesson, "import torch"]))
    tries = Tries(zygote, work, ["f"], Limits())
    try:
        return tries.verdict(CHALLENGE)
    finally:
        tries.close()


@pytest.mark.parametrize("state", STATES)
def test_an_answer_that_passes_in_the_notebook_passes(zygote, state):
    cells, _ = notebook([state])

    assert live(cells) is Outcome.PASS, "this test's own cells"
    verdict = graded(zygote, cells)
    assert verdict.outcome is Outcome.PASS, str(verdict)


PROGRAMS = st.fixed_dictionaries(
    {
        "states": st.lists(st.sampled_from(sorted(STATES)), min_size=1, max_size=3, unique=True),
        "worth": st.sampled_from([42, 42, 43]),
        "joined": st.booleans(),
        "scratch": st.lists(st.sampled_from(SCRATCH), max_size=2),
        "below": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(PROGRAMS)
def test_grading_says_what_the_check_in_the_lesson_said(zygote, program):
    cells, lesson = notebook(**program)

    assert graded(zygote, cells, lesson).outcome is live(cells), "\n# ---\n".join(cells)


def test_a_wrong_answer_keeps_the_more_telling_verdict(zygote):
    missing = graded(zygote, ["globals()['SIZE'] = 1", "def f(x): return x + SIZE"])
    both = graded(zygote, ["print(3)", "def f(x): return x"])
    stub = graded(zygote, ["print(3)", "def f(x): ..."])

    assert missing.outcome is Outcome.FAIL and "1 came back" in missing.message
    assert both.outcome is Outcome.FAIL
    assert stub.outcome is Outcome.NOT_ATTEMPTED and "still the stub" in stub.message


def test_a_scratch_cell_without_end_costs_an_answer_nothing(zygote):
    cells = ["import time\nTABLE = [42]", "while True: time.sleep(1)",
             "def f(x): return x + TABLE[0]", "globals()['x'] = 3"]  # fmt: skip

    assert graded(zygote, cells).outcome is Outcome.PASS


def test_a_notebook_has_so_much_time_and_no_more(zygote):
    tries = Tries(zygote, Work(["def f(x): return x + 42"]), ["f"], Limits())

    assert tries.verdict(CHALLENGE).outcome is Outcome.PASS
    tries.began -= tries.budget + 1
    late = tries.verdict(CHALLENGE)
    tries.close()

    assert late.outcome is Outcome.ERROR
    assert late.message.startswith("The time for this notebook (30 s) was used up")
