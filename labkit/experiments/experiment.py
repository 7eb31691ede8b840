"""What an experiment is: a grid of points, and one function that measures a point."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from labkit.fetched import MODELS

Value = int | float | str
Point = Mapping[str, Value]


@dataclass(frozen=True)
class Experiment:
    """Measured point by point: `measure(**point)` gives the figures of one point by name.

    `minutes` is what all points take on two idle cores. `cheap` takes seconds, so that the suite
    measures it again: a point of the grid, or one of fewer steps and items that no figure draws.
    `within` is how far each figure may then be off on another machine, in the figure's own unit.
    `model` is the fetched model that it needs, if any (`labkit models fetch`).
    """

    name: str
    summary: str
    points: tuple[Point, ...]
    measure: Callable[..., Mapping[str, float]]
    minutes: float
    cheap: Point
    within: Mapping[str, float]
    model: str | None = None

    def __post_init__(self) -> None:
        for point in (*self.points, self.cheap):
            inspect.signature(self.measure).bind(**point)

    @property
    def can_run(self) -> bool:
        """Whether the model that it needs is on this machine."""
        return self.model is None or MODELS[self.model].is_there

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of what is measured."""
        return tuple(self.within)


def grid(**axes: Sequence[Value]) -> tuple[Point, ...]:
    """Every combination: `grid(rank=(1, 2), seed=(0, 1))` gives four points."""
    return tuple(
        dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    )
