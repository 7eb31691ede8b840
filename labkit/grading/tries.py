"""The verdicts on one notebook: `labkit grade` says what `lab.check` has said.

An answer is run first with what it needs; one that fails, with all that the learner wrote
(selection.py says why).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial

from labkit.grading.checks.challenge import Challenge
from labkit.grading.checks.checking import check_through
from labkit.grading.checks.outcome import Outcome, Verdict
from labkit.grading.transports.remote import Limits, RemoteTransport, Work, Zygote

LEAST_BUDGET, BUDGET = 30.0, 3.0  # seconds of a whole notebook; times the limits of its questions
TELLING = [Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.NOT_ATTEMPTED]  # the most first


class Tries:
    """One notebook, with a child for each of the two ways to run it."""

    def __init__(self, zygote: Zygote, work: Work, names: Sequence[str], limits: Limits) -> None:
        self.work = work
        self.open = partial(zygote.open, names=names, limits=limits)
        self.narrow = self.open(work)
        self.notes: dict[str, None] = {}  # what was left out, and what went wrong when it was run
        self.budget = max(LEAST_BUDGET, BUDGET * limits.seconds * len(names))
        self.began = time.monotonic()

    @cached_property
    def wide(self) -> RemoteTransport:
        """For the second tries."""
        return self.open(replace(self.work, wide=True))

    def verdict(self, challenge: Challenge, seed: int = 0) -> Verdict:
        """The more telling of two verdicts; the second is asked for only where it can differ."""
        if self.spent() > 1:
            return Verdict(challenge.name, Outcome.ERROR, used_up(self.budget))
        verdict, told = self.check(self.narrow, challenge, seed), self.narrow
        again = verdict.outcome is not Outcome.PASS and self.narrow.left_something_out
        if again and self.spent() < 0.5:
            second = self.check(self.wide, challenge, seed)
            if TELLING.index(second.outcome) < TELLING.index(verdict.outcome):
                verdict, told = second, self.wide
        self.notes |= dict.fromkeys(told.notes)
        return verdict

    def spent(self) -> float:
        """The share of the notebook's time that is gone."""
        return (time.monotonic() - self.began) / self.budget

    def check(self, transport: RemoteTransport, challenge: Challenge, seed: int) -> Verdict:
        """One verdict, within the challenge's own limits."""
        transport.begin(challenge.name)
        return check_through(challenge, transport, seed=seed)

    def close(self) -> None:
        """The children end."""
        self.narrow.close()
        if "wide" in self.__dict__:
            self.wide.close()


def used_up(seconds: float) -> str:
    """What the learner is told of the questions that could not be looked at any more."""
    return (
        f"The time for this notebook ({seconds:.0f} s) was used up before this question: look for "
        "cells and answers that take long, or never end, and hand it in again without them."
    )
