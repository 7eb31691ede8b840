"""A measured figure with its interval, and the statistics behind it.

Bottom of the house: standard library only, anyone may import it. Intervals are of 95 %: Wilson's
for a share of items, Student's for the mean of a few independent values (seeds, batches), and a
percentile bootstrap for everything else (Efron 1979), seeded, so that the same items give the same
interval.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from statistics import NormalDist, fmean, stdev
from typing import TypeVar

CONFIDENCE = 0.95
DRAWS = 1000  # of a bootstrap
EXACT_UP_TO = 200  # degrees of freedom of t; above, the expansion below is right to 9 digits
SMALLEST_EXPECTED = 5.0  # chi-square pools cells that expect fewer: the test needs that
T = TypeVar("T")


# ---- an estimate ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A number, how many items stand behind it, and where it lies with 95 % confidence.

    `n` is 0 for what is known without measuring, such as the chance of a guess.
    """

    name: str
    value: float
    n: int
    low: float
    high: float
    unit: str = "share"

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def hits(self) -> int:
        """How many of the `n` items a share counts."""
        return round(self.value * self.n)

    def as_row(self) -> dict[str, object]:
        """All fields, floats rounded to four digits."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}

    def __str__(self) -> str:
        shown = f"{shown_as(self.value, self.unit)}"
        if self.n == 0:
            return shown
        low, high = (shown_as(v, self.unit, bare=True) for v in self.interval)
        return f"{shown} [{low}, {high}], n={self.n}"


def shown_as(value: float, unit: str, *, bare: bool = False) -> str:
    """A value with its unit, as a reader wants it; `bare` leaves the unit out."""
    if unit == "share":
        return f"{100 * value:.1f}".removesuffix(".0") + ("" if bare else " %")
    if unit == "points":
        return f"{100 * value:+.1f}" + ("" if bare else " points")
    return f"{value:.3g}" + ("" if bare else f" {unit}")


def known(name: str, value: float, unit: str = "share") -> Estimate:
    """A figure that needs no measuring."""
    return Estimate(name, value, 0, value, value, unit)


# ---- shares --------------------------------------------------------------------------------------


def share(name: str, hits: Sequence[bool]) -> Estimate:
    """The share of items that hit, with Wilson's interval. Raises ValueError for no item."""
    return share_of(name, sum(hits), len(hits))


def share_of(name: str, hits: int, n: int) -> Estimate:
    """`hits` of `n` items, with Wilson's interval. Raises ValueError for what is no share."""
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} of {n} items is no share; at least one item, and no more hits")
    return Estimate(name, hits / n, n, *wilson(hits, n))


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927), sound near 0 and 1 too: (low, high)."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    found, spread = hits / n, z * z / n
    centre = (found + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(found * (1 - found) / n + spread / (4 * n))
    low = 0.0 if hits == 0 else centre - half  # exactly: rounding must not push it past the share
    high = 1.0 if hits == n else centre + half
    return low, high


# ---- bootstrap -----------------------------------------------------------------------------------


def bootstrap(
    name: str,
    items: Sequence[T],
    statistic: Callable[[Sequence[T]], float],
    unit: str,
    seed: int = 0,
) -> Estimate:
    """Any statistic of items, with the percentiles of it over items drawn anew."""
    rng = random.Random(seed)
    drawn = sorted(statistic(rng.choices(items, k=len(items))) for _ in range(DRAWS))
    low, high = drawn[round(0.025 * DRAWS)], drawn[round(0.975 * DRAWS) - 1]
    return Estimate(name, statistic(items), len(items), low, high, unit)


def mean(name: str, values: Sequence[float], unit: str = "share") -> Estimate:
    """The mean of items that are more than right or wrong, with a bootstrap over the items.

    Several samples of one prompt are one item: they are not independent.
    """
    return bootstrap(name, values, fmean, unit)


def difference(
    name: str, first: Sequence[float], second: Sequence[float], unit: str = "points"
) -> Estimate:
    """The mean of first - second over the same items: paired, so that hard items cancel out."""
    return mean(name, [float(a) - float(b) for a, b in zip(first, second, strict=True)], unit)


# ---- Student -------------------------------------------------------------------------------------


def mean_of_few(name: str, values: Sequence[float], unit: str = "share") -> Estimate:
    """The mean of a few independent values with Student's interval, that of a share in [0, 1].

    One value tells nothing of how they spread: its interval is all that can be. Raises ValueError
    for none.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values were given, expected one or more: there is no mean of none")
    middle = fmean(values)
    half = math.inf if n == 1 else student_t(n - 1) * stdev(values) / math.sqrt(n)
    low, high = middle - half, middle + half
    if unit == "share":
        low, high = max(0.0, low), min(1.0, high)
    return Estimate(name, middle, n, low, high, unit)


@cache
def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
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


# ---- chi-square and agreement --------------------------------------------------------------------


def chi_square_p_value(counts: Sequence[float], probabilities: Sequence[float]) -> float:
    """How likely counts at least this far from n × probabilities are, if those are true (Pearson
    1900). One count and one probability for each cell; a count where none may be gives 0.0.
    """
    n = sum(counts)
    cells = [(seen, p * n) for seen, p in zip(counts, probabilities, strict=True)]
    if any(seen > 0 and expected == 0 for seen, expected in cells):
        return 0.0
    cells = _pooled(cells)
    if len(cells) < 2:
        return 1.0
    statistic = math.fsum((seen - expected) ** 2 / expected for seen, expected in cells)
    return chi_square_tail(statistic, len(cells) - 1)


def _pooled(cells: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Joins all cells with a small expected count into one; drops those that expect nothing."""
    small = [cell for cell in cells if 0 < cell[1] < SMALLEST_EXPECTED]
    large = [cell for cell in cells if cell[1] >= SMALLEST_EXPECTED]
    if small:
        large.append((math.fsum(s for s, _ in small), math.fsum(e for _, e in small)))
    return large


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The chance that chi-square is above this (Abramowitz and Stegun, 26.4.4 and 26.4.5)."""
    half, odd = statistic / 2, freedom % 2
    if half <= 0:
        return 1.0
    powers = [k + odd / 2 for k in range(freedom // 2)]
    terms = [math.exp(p * math.log(half) - half - math.lgamma(p + 1)) for p in powers]
    return math.fsum([*terms, math.erfc(math.sqrt(half)) if odd else 0.0])


def kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float:
    """Agreement of two raters beyond chance (Cohen 1960): 1 for perfect, 0 for a coin.

    A pair holds both raters' answers about one item. Raises ValueError for no item.
    """
    n = len(pairs)
    if n == 0:
        raise ValueError("no pairs were given: there is no agreement about nothing")
    agreed = sum(first == second for first, second in pairs) / n
    firsts, seconds = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(count * seconds[answer] for answer, count in firsts.items()) / (n * n)
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)
