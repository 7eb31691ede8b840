"""The verdicts on one notebook: `labkit grade` says what `lab.check` has said.

An answer is run first with what it needs; one that fails, with all that the learner wrote
(selection.py says why).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial

from labkit.grading.challenge import Challenge
from labkit.grading.checking import check_through
from labkit.grading.outcome import Outcome, Verdict
from labkit.grading.remote import Limits, RemoteTransport, Work, Zygote

TELLING = [Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.NOT_ATTEMPTED]  # the most first


class Tries:
    """One notebook, with a child for each of the two ways to run it."""

    def __init__(self, zygote: Zygote, work: Work, names: Sequence[str], limits: Limits) -> None:
        self.work = work
        self.open = partial(zygote.open, names=names, limits=limits)
        self.narrow = self.open(work)
        self.notes: dict[str, None] = {}  # what was left out, and what went wrong when it was run

    @cached_property
    def wide(self) -> RemoteTransport:
        """For the second tries."""
        return self.open(replace(self.work, wide=True))

    def verdict(self, challenge: Challenge, seed: int = 0) -> Verdict:
        """The more telling of two verdicts; the second is asked for only where it can differ."""
        verdict, told = self.check(self.narrow, challenge, seed), self.narrow
        if verdict.outcome is not Outcome.PASS and self.narrow.left_something_out:
            second = self.check(self.wide, challenge, seed)
            if TELLING.index(second.outcome) < TELLING.index(verdict.outcome):
                verdict, told = second, self.wide
        self.notes |= dict.fromkeys(told.notes)
        return verdict

    def check(self, transport: RemoteTransport, challenge: Challenge, seed: int) -> Verdict:
        """One verdict, within the challenge's own limits."""
        transport.begin(challenge.name)
        return check_through(challenge, transport, seed=seed)

    def close(self) -> None:
        """The children end."""
        self.narrow.close()
        if "wide" in self.__dict__:
            self.wide.close()
