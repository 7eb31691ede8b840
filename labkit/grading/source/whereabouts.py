"""Where a function stands that is not where it has to be: in a class, in prose, by another name."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from labkit.grading.source.cells import Program

LIKE = 0.8  # how much alike two names must be, from 0 to 1
Definition = ast.FunctionDef | ast.AsyncFunctionDef


def why_missing(program: Program, name: str, asked: Collection[str]) -> str | None:
    """Why there is no function of this name, with its place; None where nothing like it is there.

    asked  the names of all functions that the notebook is asked for
    """
    return (
        in_a_broken_cell(program, name)
        or inside_another(program, name)
        or (by_another_name(program, name, asked))
    )


def in_a_broken_cell(program: Program, name: str) -> str | None:
    """It stands in a cell that can't be read, or is no code."""
    definition = re.compile(rf"^\s*(async\s+)?def\s+{re.escape(name)}\b", re.MULTILINE)
    return next((cell.why for cell in program.broken if definition.search(cell.text)), None)


def inside_another(program: Program, name: str) -> str | None:
    """It stands in a class or another function."""
    for node, filename in zip(program.statements, program.files, strict=True):
        if not isinstance(node, Definition | ast.ClassDef) or node.name == name:
            continue
        for part in ast.walk(node):
            if isinstance(part, Definition) and part.name == name:
                kind = "class" if isinstance(node, ast.ClassDef) else "function"
                place = f"in the {kind} `{node.name}` ({filename}, line {part.lineno})"
                return f"it stands {place}: define it outside, at the beginning of a line"
    return None


def by_another_name(program: Program, name: str, asked: Collection[str]) -> str | None:
    """A function of the learner's has nearly this name."""
    places = {node.name: (filename, node.lineno) for node, filename in learners(program)}
    others = {other.casefold(): other for other in places if other not in asked}
    close = get_close_matches(name.casefold(), others, n=1, cutoff=LIKE)
    longer = [other for low, other in others.items() if name.casefold() in low]
    for other in [*(others[each] for each in close), *longer]:
        filename, line = places[other]
        return f"{filename}, line {line} has `{other}`: if that is it, call it `{name}`"
    return None


def learners(program: Program) -> Iterator[tuple[Definition, str]]:
    """The functions that the learner has defined at top level, each with its cell."""
    for index, (node, filename) in enumerate(zip(program.statements, program.files, strict=True)):
        if isinstance(node, Definition) and index not in program.lessons:
            yield node, filename
