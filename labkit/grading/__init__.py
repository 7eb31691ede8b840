"""Checks what a learner wrote: outcomes, the handle on their function, named mistakes, proofs."""

from __future__ import annotations

from labkit.grading.challenge import Challenge, Mistake
from labkit.grading.checking import check, check_through
from labkit.grading.outcome import Outcome, Verdict
from labkit.grading.submission import Result, Submission

__all__ = [
    "Challenge",
    "Mistake",
    "Outcome",
    "Result",
    "Submission",
    "Verdict",
    "check",
    "check_through",
]
