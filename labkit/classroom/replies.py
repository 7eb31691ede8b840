"""What is said between whoever has work graded and whoever grades it: one line of JSON each.

pydantic checks what is read, and raises a ValueError. It is imported only then: a worker starts
without it, and so do the processes that are forked from it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from labkit.grading.checks.outcome import Outcome

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Line:
    """A line says these fields, and no others."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}


@dataclass(frozen=True)
class Hello(Line):
    """What every mark is written with: the isolation level, and the fingerprint of labkit."""

    isolation: str
    package: str


@dataclass(frozen=True)
class Failed(Line):
    """Why a worker can't grade; comes in the place of its hello."""

    failed: str


@dataclass(frozen=True)
class Started(Line):
    """The process id of a forked worker."""

    pid: int


@dataclass(frozen=True)
class Request(Line):
    """A notebook to grade: its file's name, the bytes that follow this line, and the seed of what
    is drawn to check it."""

    file: str
    size: int
    seed: int


@dataclass(frozen=True)
class Mark(Line):
    """What came of one challenge. The case is the call that failed, the line one of the learner's;
    both are "" where there is none."""

    challenge: str
    title: str
    outcome: Outcome
    points: int
    worth: int
    message: str
    line: str
    case: str
    seconds: float


@dataclass(frozen=True)
class Marked(Line):
    """A notebook's marks, the fingerprint of the lesson's checks, and notes for the learner."""

    lesson: str
    checks: str
    marks: tuple[Mark, ...]
    notes: tuple[str, ...]
    seed: int

    @property
    def right(self) -> int:
        """How many challenges are passed."""
        return sum(mark.outcome is Outcome.PASS for mark in self.marks)

    @property
    def points(self) -> int:
        """The points that they have earned."""
        return sum(mark.points for mark in self.marks)

    @property
    def worth(self) -> int:
        """The points that there were to earn."""
        return sum(mark.worth for mark in self.marks)


@dataclass(frozen=True)
class Problem(Line):
    """Why a notebook can't have marks, for its instructor."""

    problem: str
    seed: int


@dataclass(frozen=True)
class Fault(Line):
    """What went wrong in the grader itself; the next run tries again."""

    fault: str


Kept: TypeAlias = Marked | Problem  # in the journal
Reply: TypeAlias = Kept | Fault


@dataclass(frozen=True)
class Entry(Line):
    """A line of the journal."""

    key: str
    entry: Kept


def line_of(said: Hello | Failed | Started | Request | Reply | Entry) -> bytes:
    """One line of JSON in UTF-8. Half a character, as a file's name can have, becomes a "?"."""
    return f"{json.dumps(asdict(said), ensure_ascii=False)}\n".encode("utf-8", "replace")


def hello_from(line: bytes) -> Hello | Failed:
    """What a worker says first."""
    said: Hello | Failed = reader(Hello | Failed).validate_json(line)
    return said


def start_from(line: bytes) -> Started | Failed:
    """What a forked worker says before that."""
    said: Started | Failed = reader(Started | Failed).validate_json(line)
    return said


def reply_from(line: bytes) -> Reply:
    """A worker's answer to a request."""
    said: Reply = reader(Reply).validate_json(line)
    return said


def entry_from(line: bytes) -> Entry:
    """A line of the journal."""
    said: Entry = reader(Entry).validate_json(line)
    return said


@cache
def reader(kind: Any) -> TypeAdapter[Any]:
    """Reads lines of this kind."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
