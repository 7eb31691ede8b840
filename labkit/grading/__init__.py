"""Checks what a learner wrote: outcomes, the handle on their function, named mistakes, proofs.

    source/      code as text: what a function needs of it, mutants, spoiled references
    answers/     a learner's function: its values, its lines, its time, what it borrows
    jail/        what a process may do that runs a stranger's code
    transports/  how a check reaches that function: here, or in the jail
    checks/      what is right, and the verdict
    proofs/      that a check holds: `labkit verify`
    tries.py     the verdicts on one notebook

Each may import from those above it. What is named in this file is fetched when it is first used:
the jail is built by processes without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.grading.checks.challenge import Challenge, Mistake
    from labkit.grading.checks.checking import check, check_through
    from labkit.grading.checks.outcome import Outcome, Verdict
    from labkit.grading.checks.submission import Result, Submission

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
_HOMES = {
    "Challenge": "checks.challenge",
    "Mistake": "checks.challenge",
    "Outcome": "checks.outcome",
    "Result": "checks.submission",
    "Submission": "checks.submission",
    "Verdict": "checks.outcome",
    "check": "checks.checking",
    "check_through": "checks.checking",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
