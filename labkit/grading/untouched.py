"""Recognises a stub that nobody has worked on, by its code object and never by its text."""

from __future__ import annotations

import dis
from collections.abc import Callable
from typing import Any

from labkit.grading.lines import code_of

BOOKKEEPING = {"RESUME", "NOP", "CACHE", "PRECALL", "PUSH_NULL", "EXTENDED_ARG"}


def empty() -> None: ...


def not_implemented() -> None:
    raise NotImplementedError


def not_implemented_yet() -> None:
    raise NotImplementedError("not yet")


def is_untouched(function: Callable[..., Any]) -> bool:
    """Whether a body is a docstring, `...`, `pass`, or a bare NotImplementedError."""
    return steps(function) in [
        steps(stub) for stub in (empty, not_implemented, not_implemented_yet)
    ]


def steps(function: Callable[..., Any]) -> list[tuple[str, Any]] | None:
    """The instructions that do something; what a string says is left out of them."""
    code = code_of(function)
    if code is None:
        return None
    instructions = (item for item in dis.get_instructions(code) if item.opname not in BOOKKEEPING)
    return [
        (
            item.opname,
            "text" if type(item.argval) is str and "CONST" in item.opname else item.argval,
        )
        for item in instructions
    ]
