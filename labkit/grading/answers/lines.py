"""The learner's own line: which line of theirs raised, returned, or first went wrong.

Works for functions from notebook cells, whose text ipykernel keeps in linecache.
"""

from __future__ import annotations

import inspect
import linecache
import sys
import sysconfig
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

import torch

from labkit.grading.answers.comparison import difference

MOST_LAYERS = 100  # of partials around a function; an object can claim more without end


@dataclass(frozen=True)
class Line:
    """A line of the learner's code, by number in its cell or file."""

    number: int
    text: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.text}" if self.text else f"line {self.number}"


def line_at(filename: str, number: int) -> Line:
    """The line with its text, which is empty where the source is not to be had."""
    return Line(number, linecache.getline(filename, number).strip())


def code_of(function: Callable[..., Any]) -> CodeType | None:
    """The code object under decorators, methods and partials; None for built-in functions."""
    for _ in range(MOST_LAYERS):
        if not callable(inner := getattr(function, "func", None)):
            break
        function = inner
    with suppress(ValueError):  # a wrapper that wraps itself
        function = inspect.unwrap(function)
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__"):  # an instance with a method __call__
        function = inspect.getattr_static(type(function), "__call__", function)
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def definition_line(function: Callable[..., Any]) -> Line | None:
    """The line of `def`, below any decorators."""
    code = code_of(function)
    if code is None:
        return None
    first = code.co_firstlineno
    for number in range(first, first + 10):
        if linecache.getline(code.co_filename, number).lstrip().startswith(("def ", "async def ")):
            return line_at(code.co_filename, number)
    return line_at(code.co_filename, first)


@cache
def library_folders() -> tuple[str, ...]:
    """Where code lies that no learner wrote: Python, its packages, and labkit."""
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    course = Path(__file__).parents[2]  # as its code says; in a jail the way there may be a link
    return (*sorted(folders), str(course), str(course.resolve()))


def is_learners(filename: str) -> bool:
    """Whether a file or notebook cell is the learner's own."""
    return not filename.startswith((*library_folders(), "<frozen", "<__array_function__"))


def raised_line(traceback: TracebackType | None) -> Line | None:
    """The innermost line of the learner's on the way to an exception."""
    found = None
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if is_learners(filename):
            found = line_at(filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def running_line(thread_id: int | None) -> Line | None:
    """The innermost line of the learner's that a thread is at now."""
    frame = sys._current_frames().get(thread_id or -1)
    while frame is not None:
        if is_learners(frame.f_code.co_filename):
            return line_at(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


class LineFinder:
    """Follows the learner's lines through one call, up to the first after which a symptom shows.

    The symptoms: "changed" (an argument is no longer what it was), "nan" (a tensor of theirs holds
    NaN), "returned" (the last line of the call).
    """

    def __init__(self, symptom: str, arguments: Sequence[Any], originals: Sequence[Any]) -> None:
        self.symptom = symptom
        self.arguments = arguments
        self.originals = originals
        self.found: Line | None = None
        self.last: dict[FrameType, int] = {}

    def run(self, function: Callable[..., Any]) -> Line | None:
        """Call the function under trace; what it returns or raises is of no interest here."""
        before = sys.gettrace()
        sys.settrace(self.follow)
        try:
            function(*self.arguments)
        except Exception:
            return self.found
        finally:
            sys.settrace(before)
        return self.found

    def follow(self, frame: FrameType, event: str, result: Any) -> Any:
        """A trace function: at each event, look at what the line before has done."""
        if not is_learners(frame.f_code.co_filename):
            return None
        settled = self.found is not None and self.symptom != "returned"
        if not settled and event in ("line", "return") and frame in self.last:
            self.look(frame, event, result)
        self.last[frame] = frame.f_lineno
        return self.follow

    def look(self, frame: FrameType, event: str, result: Any) -> None:
        """Blame the line that has just run when the symptom is there."""
        if self.shows(frame, event, result):
            number = frame.f_lineno if event == "return" else self.last[frame]
            self.found = line_at(frame.f_code.co_filename, number)

    def shows(self, frame: FrameType, event: str, result: Any) -> bool:
        """Whether the symptom can be seen now."""
        if self.symptom == "returned":
            return event == "return"
        if self.symptom == "changed":
            pairs = zip(self.arguments, self.originals, strict=True)
            return any(difference(now, before) for now, before in pairs)
        return holds_nan(result) or any(holds_nan(value) for value in frame.f_locals.values())


def holds_nan(value: Any) -> bool:
    """Whether a value is a floating-point tensor with a NaN in it."""
    return (
        type(value) is torch.Tensor
        and torch.is_floating_point(value)
        and bool(torch.isnan(value).any())
    )
