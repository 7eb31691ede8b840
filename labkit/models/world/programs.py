"""One-line programs: a task in English and the Python expression over `xs` that does it.

A program is right when it computes the right numbers, whatever it looks like: `run` evaluates the
small part of Python that the corpus uses, on an interpreter of our own, since what a model writes
is never handed to `eval`. As in public code, a share `BUG` of the corpus's programs is wrong.
"""

from __future__ import annotations

import ast
import operator
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labkit.models.world.document import Document, Part, Question
from labkit.models.world.lexicon import Split, split_of

BUG = 0.08
Value = Any

AGGREGATES = {
    "the sum of": "sum({})",
    "the largest of": "max({}, default=0)",
    "the smallest of": "min({}, default=0)",
    "the count of": "len([{}])",
    "the list of": "[{}]",
    "in order,": "sorted({})",
}
MAPPINGS = {
    "the numbers": "x",
    "the squares of the numbers": "x * x",
    "the doubles of the numbers": "x * 2",
    "the triples of the numbers": "x * 3",
    "the absolute values of the numbers": "abs(x)",
    "the negatives of the numbers": "-x",
    "the numbers plus {k}": "x + {k}",
    "the numbers minus {k}": "x - {k}",
}
FILTERS = {
    "": "",
    "that are even": "x % 2 == 0",
    "that are odd": "x % 2 == 1",
    "that are positive": "x > 0",
    "that are negative": "x < 0",
    "that are greater than {k}": "x > {k}",
    "that are less than {k}": "x < {k}",
    "that are divisible by {k}": "x % {k} == 0",
}
TEST_INPUTS: tuple[list[int], ...] = (
    [3, -1, 4, 1, -5, 9, 2, 6],
    [0, 7, -2, 8, 8, 5, -9, 12, 10],
    [],
    [-4, -3, 11, 15],
)


@dataclass(frozen=True)
class Task:
    """What to compute: an aggregate of mapped numbers that pass a filter."""

    aggregate: str
    mapping: str
    filter: str
    shift: int
    bound: int

    @property
    def text(self) -> str:
        mapping, condition = self.mapping.format(k=self.shift), self.filter.format(k=self.bound)
        return f"{self.aggregate} {mapping} {condition}".strip()

    @property
    def program(self) -> str:
        mapping = MAPPINGS[self.mapping].format(k=self.shift)
        condition = FILTERS[self.filter].format(k=self.bound)
        each = f"{mapping} for x in xs" + (f" if {condition}" if condition else "")
        bracketed = f"({each})" if "default" in AGGREGATES[self.aggregate] else each
        return AGGREGATES[self.aggregate].format(bracketed)

    @property
    def split(self) -> Split:
        return split_of(f"{self.aggregate}|{self.mapping}|{self.filter}")

    def question(self) -> Question:
        return Question(f"# {self.text}\n", self.program)


def task(rng: random.Random, split: Split) -> Task:
    """A task whose combination of parts belongs to a split; test combinations are never trained."""
    while True:
        aggregate, mapping, condition = (
            rng.choice(list(t)) for t in (AGGREGATES, MAPPINGS, FILTERS)
        )
        found = Task(aggregate, mapping, condition, rng.randint(1, 9), rng.randint(2, 9))
        if found.split == split:
            return found


def with_bug(right: Task, rng: random.Random) -> str:
    """The program of a task that differs in one part: what somebody typed in a hurry."""
    wrong = task(rng, "train")
    part = rng.choice(("aggregate", "mapping", "filter", "bound"))
    values = {**right.__dict__, part: getattr(wrong, part)}
    return Task(**values).program


def document(rng: random.Random) -> Document:
    parts: list[Part] = []
    for _ in range(rng.randint(1, 3)):
        todo = task(rng, "train")
        program = with_bug(todo, rng) if rng.random() < BUG else todo.program
        parts.append(Part(f"# {todo.text}\n"))
        parts.append(Part(f"{program}\n", answer=True))
    return Document("program", tuple(parts))


_OPERATORS: dict[type[ast.AST], Callable[..., Value]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.USub: operator.neg, ast.Eq: operator.eq, ast.Gt: operator.gt, ast.Lt: operator.lt,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "sum": sum, "max": max, "min": min, "len": len, "sorted": sorted, "abs": abs,
}  # fmt: skip


class ProgramError(ValueError):
    """The text is not a program of the corpus's small language, or it fails on an input."""


def _parse(program: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "2for": a hot model writes such things
        return ast.parse(program.strip(), mode="eval").body


def run(program: str, xs: list[int]) -> Value:
    """What the program computes for `xs`; ProgramError when it can't be computed."""
    try:
        return _evaluate(_parse(program), {"xs": xs})
    except (
        SyntaxError,
        TypeError,
        ValueError,
        KeyError,
        ZeroDivisionError,
        RecursionError,
    ) as error:
        raise ProgramError(f"{program.strip()!r}: {error}") from None


def is_right(program: str, todo: Task) -> bool:
    """Whether the program computes what the task asks for on every test input."""
    try:
        return all(run(program, xs) == run(todo.program, xs) for xs in TEST_INPUTS)
    except ProgramError:
        return False


def _evaluate(node: ast.expr, names: dict[str, Value]) -> Value:
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_evaluate(left, names), _evaluate(right, names))
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS[type(op)](_evaluate(operand, names))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _OPERATORS[type(op)](_evaluate(left, names), _evaluate(right, names))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=keywords):
            options = {str(k.arg): _evaluate(k.value, names) for k in keywords}
            return _FUNCTIONS[name](_evaluate(argument, names), **options)
        case (
            ast.ListComp(elt=elt, generators=[each]) | ast.GeneratorExp(elt=elt, generators=[each])
        ):
            return _comprehension(elt, each, names)
    raise ProgramError(f"{type(node).__name__} is not part of the language")


def _comprehension(elt: ast.expr, each: ast.comprehension, names: dict[str, Value]) -> list[Value]:
    if not isinstance(each.target, ast.Name):
        raise ProgramError("a comprehension runs over one plain name")
    found = []
    for item in _evaluate(each.iter, names):
        scope = names | {each.target.id: item}
        if all(_evaluate(condition, scope) for condition in each.ifs):
            found.append(_evaluate(elt, scope))
    return found
