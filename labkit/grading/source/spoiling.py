"""Wrong answers that are the reference answer with one expression changed."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from labkit.grading.source import slices, solutions
from labkit.grading.source.mutants import function_from


@dataclass(frozen=True)
class Spoiled:
    """The reference answer of a challenge with old texts replaced by new ones; made when asked for.

    changes  pairs of old and new; each old stands once in the code, its docstrings left out
    """

    changes: tuple[tuple[str, str], ...]
    topic: str = ""
    name: str = ""

    def of(self, topic: str, name: str) -> Spoiled:
        """The same changes in the reference answer of a topic's challenge."""
        return replace(self, topic=topic, name=name)

    @cached_property
    def source(self) -> str:
        """The changed source, with all that it needs.

        Raises ValueError where an old text does not stand in the code exactly once, or where the
        new ones use a name that nothing defines: a NameError is not what people do.
        """
        code = without_docstrings(solutions.source(solutions.lesson_of(self.topic), self.name))
        for old, new in self.changes:
            if (count := code.count(old)) != 1:
                raise ValueError(
                    f"spoiled({old!r}, {new!r}): the reference {self.name} has {count} times "
                    f"{old!r} in its code, not once"
                )
            code = code.replace(old, new)
        if missing := undefined(code):
            raise ValueError(f"{self.changes}: the reference {self.name} has no {missing}")
        return code

    def function(self) -> Callable[..., Any]:
        """The changed answer, ready to be called."""
        return function_from(self.source, self.name, f"<{self.name}, {self.changes}>")


def spoiled(*texts: str) -> Spoiled:
    """The reference with the first text replaced by the second, the third by the fourth, …"""
    if not texts or len(texts) % 2:
        raise ValueError(f"spoiled takes pairs of old and new, got {len(texts)} texts")
    return Spoiled(tuple(zip(texts[::2], texts[1::2], strict=True)))


def undefined(source: str) -> list[str]:
    """The names that a source uses, and neither it nor Python defines."""
    statements = ast.parse(source).body
    used = set[str]().union(*map(slices.used_by, statements))
    return sorted(used.difference(dir(builtins), *map(slices.bound_by, statements)))


def without_docstrings(source: str) -> str:
    """The same lines, those of docstrings blank: what they say is no code to be changed."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            text = node.body[0]
            end = text.end_lineno or text.lineno
            lines[text.lineno - 1 : end] = [""] * (end - text.lineno + 1)
            if len(node.body) == 1:
                lines[end - 1] = " " * text.col_offset + "pass"
    return "\n".join(lines) + "\n"
