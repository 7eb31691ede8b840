"""The four outcomes of a check, and the verdict that carries one of them to the learner."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What a check can end in; an untouched stub is never wrong, only not attempted."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    NOT_ATTEMPTED = "not attempted"


@dataclass(frozen=True)
class Verdict:
    """What the learner is told; seconds are measured but never part of the text."""

    challenge: str
    outcome: Outcome
    message: str
    case: str | None = None
    mistake: str | None = None
    line: str | None = None
    seconds: float = field(default=0.0, compare=False, repr=False)

    def __str__(self) -> str:
        parts = [f"{self.challenge}: {self.outcome}", self.message, self.line, self.case]
        return "\n".join(part for part in parts if part)
