"""What an experiment is: a grid of points, and one function that measures a point."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Value = int | float | str
Point = Mapping[str, Value]


@dataclass(frozen=True)
class Experiment:
    """Measured point by point: `measure(**point)` gives the figures of one point by name.

    `minutes` is what all points take on two idle cores. `repeated` is a point that is cheap enough
    to be measured again by the suite, and `within` how far each figure may then be off on another
    machine, in the figure's own unit.
    """

    name: str
    summary: str
    points: tuple[Point, ...]
    measure: Callable[..., Mapping[str, float]]
    minutes: float
    repeated: Point
    within: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.repeated not in self.points:
            raise ValueError(f"{self.name}: {dict(self.repeated)} is no point of the grid")

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of what is measured."""
        return tuple(self.within)


def grid(**axes: Sequence[Value]) -> tuple[Point, ...]:
    """Every combination: `grid(rank=(1, 2), seed=(0, 1))` gives four points."""
    return tuple(
        dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    )
