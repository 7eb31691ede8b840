"""The statistics behind a figure with its interval: standard library only, anyone may import it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist, fmean, stdev

EXACT_UP_TO = 200  # degrees of freedom; above, the expansion below is right to 9 digits


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent values with Student's interval: (mean, low, high).

    One value tells nothing of how they spread: its interval is (-inf, inf). Raises ValueError for
    no value.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values were given, expected one or more: there is no mean of none")
    mean = fmean(values)
    half = math.inf if n == 1 else student_t(n - 1, confidence) * stdev(values) / math.sqrt(n)
    return mean, mean - half, mean + half


@cache
def student_t(freedom: int, confidence: float = 0.95) -> float:
    """How many standard errors an interval reaches to either side, by its degrees of freedom.

    That is the (1 + confidence) / 2 quantile of Student's t: for 95 % 12.706 at one degree of
    freedom, 1.960 at infinitely many. Raises ValueError for a number that is none of those.
    """
    if not (freedom >= 1 and 0 < confidence < 1):
        raise ValueError(
            f"degrees of freedom {freedom} and confidence {confidence} were given; expected 1 or "
            "more, and between 0 and 1 (0.95, not 95)"
        )
    if freedom > EXACT_UP_TO:
        return _expanded(freedom, NormalDist().inv_cdf((1 + confidence) / 2))
    low, high = 0.0, math.pi / 2  # of the angle: t = sqrt(freedom) tan(angle)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """The chance of |t| ≤ sqrt(freedom) tan(angle) (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (k - 1) / k
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _expanded(freedom: int, z: float) -> float:
    """The quantile from the normal distribution's (Abramowitz and Stegun, 26.7.5)."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
