"""What a scorecard is made of: measured figures with intervals, and rows that hold their controls.

Shares have a Wilson interval, everything else a percentile bootstrap over items (Efron 1979), with
a seed, so that the same measurements give the same interval.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, TypeVar

DRAWS = 1000  # of a bootstrap
T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """A number, how many items stand behind it, and where it lies with 95 % confidence.

    `n` is 0 for what is known without measuring, such as the chance of a guess.
    """

    name: str
    figure: float
    n: int
    low: float
    high: float
    unit: str = "share"

    @property
    def share(self) -> float:
        """The figure, by the name that it has in a `Score`."""
        return self.figure

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high

    def as_row(self) -> dict[str, object]:
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}

    def __str__(self) -> str:
        shown = f"{shown_as(self.figure, self.unit)}"
        if self.n == 0:
            return shown
        low, high = (shown_as(v, self.unit, bare=True) for v in (self.low, self.high))
        return f"{shown} [{low}, {high}], n={self.n}"


@dataclass(frozen=True)
class Row:
    """One phenomenon: its figure, what was wanted of it, and the controls that it is read against.

    `reached` compares the figure itself with what was wanted; the interval tells how sure that is.
    """

    measured: Figure
    wanted: str
    reached: bool
    control: tuple[Figure, ...]

    @property
    def phenomenon(self) -> str:
        return self.measured.name

    @property
    def asked(self) -> str:
        """The phenomenon without what was found in brackets, as the name of the best of several:
        the same whenever it is measured."""
        return self.phenomenon.split(" (")[0]

    def as_row(self) -> dict[str, object]:
        found = self.measured.as_row()
        return {"phenomenon": found.pop("name"), **found} | {
            "wanted": self.wanted,
            "reached": self.reached,
            "control": [figure.as_row() for figure in self.control],
        }


def row_of(found: Mapping[str, Any]) -> Row:
    """The row that `Row.as_row` has written, as a card or a `--json` file holds it."""
    figure = {name: found[name] for name in ("figure", "n", "low", "high", "unit")}
    control = tuple(Figure(**one) for one in found["control"])
    measured = Figure(found["phenomenon"], **figure)
    return Row(measured, found["wanted"], found["reached"], control)


@dataclass(frozen=True)
class Score:
    """`hits` of `n`; `low` and `high` bound the true share with 95 % confidence."""

    name: str
    hits: int
    n: int

    @property
    def share(self) -> float:
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.n)

    def as_row(self) -> dict[str, object]:
        low, high = self.interval
        return asdict(self) | {
            "share": round(self.share, 4), "low": round(low, 4), "high": round(high, 4)
        }  # fmt: skip


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927), sound near 0 and 1 too."""
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    low = 0.0 if hits == 0 else centre - half  # exactly: rounding must not push it past the share
    high = 1.0 if hits == n else centre + half
    return low, high


def share(name: str, hits: Sequence[bool]) -> Figure:
    """The share of items that hit."""
    low, high = wilson(sum(hits), len(hits))
    return Figure(name, sum(hits) / len(hits), len(hits), low, high)


def bootstrap(
    name: str,
    items: Sequence[T],
    statistic: Callable[[Sequence[T]], float],
    unit: str,
    seed: int = 0,
) -> Figure:
    """Any statistic of items, with the percentiles of it over items drawn anew."""
    rng = random.Random(seed)
    drawn = sorted(statistic(rng.choices(items, k=len(items))) for _ in range(DRAWS))
    low, high = drawn[round(0.025 * DRAWS)], drawn[round(0.975 * DRAWS) - 1]
    return Figure(name, statistic(items), len(items), low, high, unit)


def mean(name: str, values: Sequence[float], unit: str = "share") -> Figure:
    """The mean of items that are more than right or wrong."""
    return bootstrap(name, values, fmean, unit)


def difference(
    name: str, first: Sequence[float], second: Sequence[float], unit: str = "points"
) -> Figure:
    """The mean of first - second over the same items: paired, so that hard items cancel out."""
    return mean(name, [float(a) - float(b) for a, b in zip(first, second, strict=True)], unit)


def known(name: str, figure: float, unit: str = "share") -> Figure:
    """A figure that needs no measuring."""
    return Figure(name, figure, 0, figure, figure, unit)


def at_least(bound: float, measured: Figure, *control: Figure) -> Row:
    """A row that wants its figure to be `bound` or more."""
    wanted = f"≥ {shown_as(bound, measured.unit)}"
    return Row(measured, wanted, measured.figure >= bound, control)


def at_most(bound: float, measured: Figure, *control: Figure) -> Row:
    """A row that wants its figure to be `bound` or less."""
    wanted = f"≤ {shown_as(bound, measured.unit)}"
    return Row(measured, wanted, measured.figure <= bound, control)


def shown_as(value: float, unit: str, *, bare: bool = False) -> str:
    """A value with its unit, as a reader wants it; `bare` leaves the unit out."""
    if unit == "share":
        return f"{100 * value:.1f}".removesuffix(".0") + ("" if bare else " %")
    if unit == "points":
        return f"{100 * value:+.1f}" + ("" if bare else " points")
    return f"{value:.3g}" + ("" if bare else f" {unit}")


def as_text(rows: Sequence[Row]) -> str:
    """Rows for a terminal: one line each, and the controls under it."""
    lines = []
    for row in rows:
        mark = "reached" if row.reached else "NOT reached"
        lines.append(f"{row.phenomenon}: {row.measured}  (wanted {row.wanted}: {mark})")
        lines += [f"    {figure.name}: {figure}" for figure in row.control]
    return "\n".join(lines)


def as_markdown(rows: Sequence[Row]) -> str:
    """Rows as a table for a model card: wanted, got, n, interval, control."""
    lines = [
        "| phenomenon | wanted | got | 95 % interval | n | control |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = row.measured
        low, high = (shown_as(v, found.unit, bare=True) for v in (found.low, found.high))
        got = shown_as(found.figure, found.unit) + ("" if row.reached else " (not reached)")
        control = "; ".join(f"{figure.name} {figure}" for figure in row.control)
        lines.append(
            f"| {found.name} | {row.wanted} | {got} | {low} - {high} | {found.n} | {control} |"
        )
    return "\n".join(lines)
