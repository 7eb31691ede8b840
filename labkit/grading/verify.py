"""Proves a challenge's check: it must accept every right answer and name every known mistake.

The untouched stub is not attempted; the reference and the alternatives pass for every seed; each
mistake fails under its own name and no other, which is the whole confusion matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from labkit.grading.challenge import Challenge
from labkit.grading.checking import check
from labkit.grading.outcome import Outcome, Verdict
from labkit.grading.untouched import STUBS

SEEDS = range(5)
Function = Callable[..., Any]


@dataclass(frozen=True)
class Proof:
    """One answer put through a check: what was expected of the check and what it said."""

    challenge: str
    answer: str
    seed: int
    expected: str
    got: str
    message: str
    seconds: float

    @property
    def holds(self) -> bool:
        return self.expected == self.got


def verify(
    challenge: Challenge, reference: Function, seeds: Iterable[int] = SEEDS
) -> Iterator[Proof]:
    """Every proof of a challenge, one by one."""
    yield from (prove_hints(challenge, text) for text in challenge.hints)
    for answer, function, expected in answers(challenge, reference):
        for seed in seeds:
            verdict = check(challenge, function, seed=seed)
            yield Proof(
                challenge.name,
                answer,
                seed,
                expected,
                summary(verdict),
                verdict.message,
                verdict.seconds,
            )


def answers(challenge: Challenge, reference: Function) -> Iterator[tuple[str, Function, str]]:
    """Each known answer: its name, its function, and the summary that its verdict must have."""
    for stub in STUBS:
        yield f"stub: {stub.__name__}", stub, str(Outcome.NOT_ATTEMPTED)
    yield "reference", reference, str(Outcome.PASS)
    for number, alternative in enumerate(challenge.alternatives, start=1):
        yield f"alternative {number}", alternative, str(Outcome.PASS)
    for mistake in challenge.mistakes:
        yield f"mistake: {mistake.name}", mistake.imitation, f"wrong: {mistake.name}"


def summary(verdict: Verdict) -> str:
    """A verdict as one word; a wrong answer by the mistake that was named."""
    if verdict.outcome in (Outcome.FAIL, Outcome.ERROR) and verdict.mistake:
        return f"wrong: {verdict.mistake}"
    return str(verdict.outcome)


def prove_hints(challenge: Challenge, text: str) -> Proof:
    """A hint must say something."""
    number = challenge.hints.index(text) + 1
    said = "says something" if len(text.strip()) > 20 else "empty"
    return Proof(challenge.name, f"hint {number}", 0, "says something", said, text, 0.0)
