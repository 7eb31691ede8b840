"""Seconds of each challenge's check on its reference answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from labkit import load_model
from labkit.challenges import challenges_of
from labkit.course.catalog import lessons
from labkit.grading import Challenge, check
from labkit.grading.source.solutions import reference
from tests.benchmarks.figures import Figure, median_of, show

RUNS = 5


def measure() -> list[Figure]:
    """The median of five, after the first, which pays for what a check itself loads."""
    load_model()  # as a lesson has done before its first check
    return [
        figure
        for lesson in lessons()
        for challenge in challenges_of(lesson.id).values()
        for figure in figures(lesson.id, challenge)
    ]


def figures(lesson: str, challenge: Challenge) -> list[Figure]:
    """A learner's first check of a session, and the ones that follow."""
    answer = reference(lesson, challenge.name)
    first, *others = [seconds(challenge, answer) for _ in range(RUNS + 1)]
    return [
        Figure(f"first check of {challenge.name}", round(first, 4), "s", 1.0),
        median_of(f"check of {challenge.name}", "s", others, budget=1.0),
    ]


def seconds(challenge: Challenge, answer: Callable[..., Any]) -> float:
    """One check; a reference that doesn't pass is a fault, not a figure."""
    begun = time.perf_counter()
    verdict = check(challenge, answer)
    if verdict.outcome != "pass":
        raise SystemExit(f"the reference of {challenge.name} does not pass: {verdict.message}")
    return time.perf_counter() - begun


if __name__ == "__main__":
    show(measure)
