"""How a check reaches the learner's function, and what comes back from one call.

`LocalTransport` calls it in this process, for lessons. Grading others' submissions puts a proxy to
a jailed process in its place: everything in a `Reply` is plain data that can cross.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import torch

from labkit.grading.answers.borrowing import borrowed
from labkit.grading.answers.limits import TimeLimitReached, TimeUp, Worker
from labkit.grading.answers.lines import Line, LineFinder, definition_line, raised_line
from labkit.grading.answers.untouched import is_untouched
from labkit.grading.answers.values import Foreign, copy_arguments, copy_value, describe

Arguments = tuple[Any, ...]
Sources = torch.Tensor | list[torch.Tensor]


@dataclass(frozen=True)
class Returned:
    """The call came back; `arguments` are its inputs as they were left."""

    value: Any
    arguments: Arguments


@dataclass(frozen=True)
class Raised:
    """The call raised; `kinds` are the names of the exception's classes, most exact first."""

    kinds: tuple[str, ...]
    text: str
    line: Line | None


@dataclass(frozen=True)
class CutOff:
    """The call was cut at its time limit; `ended` says whether its thread has stopped."""

    seconds: float
    line: Line | None
    ended: bool


@dataclass(frozen=True)
class Died:
    """The process of the learner's code was lost in the call; `reason` ends "Your function …"."""

    reason: str
    line: Line | None = None


Reply = Returned | Raised | CutOff | Died


class Transport(Protocol):
    """What a check needs from the place where the learner's code lives."""

    def is_untouched(self, name: str) -> bool:
        """Whether the function is missing or still the stub."""

    def why_untouched(self, name: str) -> str:
        """What the learner is told then."""

    def borrowed(self, name: str, not_allowed: Sequence[str]) -> str | None:
        """What the function uses and may not, by its dotted name (see borrowing.py)."""

    def call(self, name: str, arguments: Arguments, wrt: int | None = None) -> Reply:
        """Call the function on copies of the arguments; with `wrt`, return what call_once does."""

    def find_line(self, name: str, arguments: Arguments, symptom: str) -> Line | None:
        """The line after which a symptom shows: "returned", "changed" or "nan"."""

    def close(self) -> None:
        """Nothing more will be asked."""


class LocalTransport:
    """Calls functions of this process, one after another, within one time budget."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], limit_seconds: float) -> None:
        self.functions = functions
        self.limit_seconds = limit_seconds
        self.left = limit_seconds
        self.worker = Worker()

    def is_untouched(self, name: str) -> bool:
        return name not in self.functions or is_untouched(self.functions[name])

    def why_untouched(self, name: str) -> str:
        return still_the_stub(name)

    def borrowed(self, name: str, not_allowed: Sequence[str]) -> str | None:
        return borrowed(self.functions[name], not_allowed)

    def call(self, name: str, arguments: Arguments, wrt: int | None = None) -> Reply:
        function, inputs = self.functions[name], copy_arguments(arguments)
        started = time.perf_counter()
        try:
            reply = self.worker.run(lambda: call_once(function, inputs, wrt), self.left)
        except TimeUp as cut:
            return CutOff(self.limit_seconds, cut.line or definition_line(function), cut.ended)
        self.left -= time.perf_counter() - started
        return reply

    def find_line(self, name: str, arguments: Arguments, symptom: str) -> Line | None:
        finder = LineFinder(symptom, copy_arguments(arguments), arguments)
        try:
            found = self.worker.run(lambda: finder.run(self.functions[name]), self.limit_seconds)
        except TimeUp:
            found = None
        return found or definition_line(self.functions[name])

    def close(self) -> None:
        self.worker.close()


class InProcess:
    """Calls trusted functions (known mistakes) directly: no thread, no limit."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.functions = functions

    def is_untouched(self, name: str) -> bool:
        return name not in self.functions

    def why_untouched(self, name: str) -> str:
        return still_the_stub(name)

    def borrowed(self, name: str, not_allowed: Sequence[str]) -> str | None:
        return None

    def call(self, name: str, arguments: Arguments, wrt: int | None = None) -> Reply:
        return call_once(self.functions[name], copy_arguments(arguments), wrt)

    def find_line(self, name: str, arguments: Arguments, symptom: str) -> Line | None:
        return definition_line(self.functions[name])

    def close(self) -> None:
        pass


def still_the_stub(name: str) -> str:
    """The message for a function whose body nobody has written."""
    return f"{name} is still the stub: write its body, then check again."


def call_once(
    function: Callable[..., Any], inputs: Arguments, wrt: int | None = None
) -> Returned | Raised:
    """One call; whatever the learner raises, SystemExit included, becomes a reply.

    wrt  with respect to which argument, a tensor or a list of them, the gradient of the result's
         sum is returned, in place of the result: so a loss shows that a model can learn from it
    """
    try:
        sources = None if wrt is None else tracked(inputs[wrt])
        value = function(*inputs)
        if sources is not None:
            value = gradient(value, sources)
    except TimeLimitReached:
        raise
    except BaseException as error:
        return raised(error, error.__traceback__, function)
    return Returned(copy_value(value), copy_arguments(inputs))


def tracked(argument: Sources) -> Sources:
    """The same tensors, told to remember what is made of them; a list is a new one."""
    if isinstance(argument, list):
        return [tensor.requires_grad_() for tensor in argument]
    return argument.requires_grad_()


def gradient(value: Any, sources: Sources) -> Any:
    """d sum(value) / d source, of the source's shape, a list for a list; or why there is none."""
    if type(value) is not torch.Tensor or not value.requires_grad:
        return Foreign(f"{describe(copy_value(value))} that no gradient leads back from")
    unused = Foreign("a tensor that does not depend on this input")
    found = torch.autograd.grad(value.sum(), sources, allow_unused=True)
    each = [unused if one is None else one for one in found]
    return each if isinstance(sources, list) else each[0]


def raised(
    error: BaseException, traceback: TracebackType | None, function: Callable[..., Any]
) -> Raised:
    """An exception as plain data. One raised before the first line is put at the definition."""
    kinds = tuple(kind.__name__ for kind in type(error).__mro__[:-1])
    return Raised(kinds, exception_text(error), raised_line(traceback) or definition_line(function))


def exception_text(error: BaseException) -> str:
    """The exception's own words, cut; an exception that can't even say them has none."""
    try:
        return str(error).strip()[:500]
    except Exception:
        return ""
