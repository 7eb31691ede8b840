"""A measured figure beside its budget, and how a list of them is shown."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """What was measured; `budget` is the most it may be (`least` the least), `runs` every single
    measurement."""

    what: str
    value: float
    unit: str
    budget: float | None = None
    runs: tuple[float, ...] = ()
    least: float | None = None

    @property
    def verdict(self) -> str:
        if self.least is not None:
            return (
                f"{'reaches' if self.value >= self.least else 'BELOW'} {self.least:g} {self.unit}"
            )
        if self.budget is None:
            return ""
        return f"{'within' if self.value <= self.budget else 'OVER'} {self.budget:g} {self.unit}"


def median_of(what: str, unit: str, runs: Sequence[float], budget: float | None = None) -> Figure:
    """The median of the runs."""
    rounded = tuple(round(run, 4) for run in runs)
    return Figure(what, round(statistics.median(runs), 4), unit, budget, rounded)


def machine() -> dict[str, object]:
    """What a reader has to know to compare figures; the load tells how quiet it was."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    python, system = platform.python_version(), platform.platform(terse=True)
    return {"cores": os.cpu_count(), "load": load, "python": python, "system": system}


def table(figures: Sequence[Figure]) -> str:
    """One line per figure."""
    width = max((len(figure.what) for figure in figures), default=0)
    lines = [
        f"{figure.what:<{width}}  {figure.value:>9.3f} {figure.unit:<3} {spread(figure):<24} "
        f"{figure.verdict}".rstrip()
        for figure in figures
    ]
    about = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, f"({about})"])


def spread(figure: Figure) -> str:
    """The best and the worst of several runs."""
    if len(figure.runs) < 2:
        return ""
    return f"({min(figure.runs):.3f} to {max(figure.runs):.3f}, n={len(figure.runs)})"


def show(measure: Callable[[], list[Figure]]) -> None:
    """Measure and print: a table, or JSON with --json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    figures = measure()
    print(as_json(figures) if args.json else table(figures))


def as_json(figures: Sequence[Figure]) -> str:
    """The figures and the machine that they were measured on."""
    found = {"machine": machine(), "figures": [asdict(figure) for figure in figures]}
    return json.dumps(found, indent=2)
