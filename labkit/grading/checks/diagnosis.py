"""Names the mistake behind a failing submission.

Every known mistake is run through the same check. The diagnosis is the one that gives the
learner's wrong answer on the case that is shown, and on at least three quarters of the cases that
it gets wrong itself; among several, the one that explains the learner's failures best.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from labkit.grading.answers.comparison import difference
from labkit.grading.checks.submission import MAX_LOOKING, Case
from labkit.grading.transports.transport import Raised, Reply, Returned

Alike = Callable[[Reply, Reply], bool]


def same_values(left: Reply, right: Reply) -> bool:
    """The same value up to rounding and the same changes to the inputs, or the same exception."""
    if isinstance(left, Raised) and isinstance(right, Raised):
        return left.kinds[0] == right.kinds[0]
    if not (isinstance(left, Returned) and isinstance(right, Returned)):
        return False
    pairs = (left.value, right.value), (left.arguments, right.arguments)
    return all(difference(a, b, rtol=1e-3, atol=1e-6) is None for a, b in pairs)


def same_words(left: Reply, right: Reply) -> bool:
    """As same_values, but two exceptions must say the same: torch's RuntimeErrors name the shapes,
    and two that differ in them come from two different lines."""
    if isinstance(left, Raised) and isinstance(right, Raised):
        return left.kinds[0] == right.kinds[0] and left.text == right.text
    return same_values(left, right)


class Comparison:
    """Whether two answers are the same mistake, within a time for all of one diagnosis. What can't
    even be compared is not."""

    def __init__(self, alike: Alike) -> None:
        self.alike = alike
        self.left = MAX_LOOKING

    def __call__(self, left: Reply, right: Reply) -> bool:
        if self.left < 0:
            return False
        began = time.thread_time()
        try:
            return self.alike(left, right)
        except Exception:
            return False
        finally:
            self.left -= time.thread_time() - began


def explains(shown: int, learner: Sequence[Case], mistake: Sequence[Case], alike: Alike) -> float:
    """How well a mistake explains the learner's failures, from 0 to 1; 0 when it does not."""
    wrong = {i for i, case in enumerate(mistake) if case.failure}
    failed = {i for i, case in enumerate(learner) if case.failure}
    both = wrong & failed
    shared = {i for i in both if alike(learner[i].reply, mistake[i].reply)}
    if shown not in shared or 4 * len(shared) < 3 * len(wrong):
        return 0.0
    return len(shared) / len(wrong | failed)
