"""Recognises a stub that nobody has worked on, by its code object and never by its text."""

from __future__ import annotations

import dis
from collections.abc import Callable
from typing import Any

from labkit.grading.answers.lines import code_of

BOOKKEEPING = {"RESUME", "NOP", "CACHE", "PRECALL", "PUSH_NULL", "EXTENDED_ARG"}


def empty() -> None: ...


def not_implemented() -> None:
    raise NotImplementedError


def not_implemented_here() -> None:
    raise NotImplementedError()


def not_implemented_yet() -> None:
    raise NotImplementedError("not yet")


STUBS = (empty, not_implemented, not_implemented_here, not_implemented_yet)


def is_untouched(function: Callable[..., Any]) -> bool:
    """Whether a body is a docstring, `...`, `pass`, or a bare NotImplementedError."""
    return steps(function) in [steps(stub) for stub in STUBS]


def steps(function: Callable[..., Any]) -> list[tuple[str, Any]] | None:
    """The instructions that do something; what a string says is left out of them."""
    code = code_of(function)
    if code is None:
        return None
    doing = (item for item in dis.get_instructions(code) if item.opname not in BOOKKEEPING)
    return [(item.opname, argument_of(item)) for item in doing]


def argument_of(instruction: dis.Instruction) -> Any:
    """What an instruction works on; every string constant counts as the same."""
    if "CONST" in instruction.opname and type(instruction.argval) is str:
        return "text"
    return instruction.argval
