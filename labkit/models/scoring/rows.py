"""The rows of a scorecard: a figure, what was wanted of it, and the controls it is read against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.estimates import Estimate, shown_as


@dataclass(frozen=True)
class Row:
    """One phenomenon: its figure, what was wanted of it, and the controls that it is read against.

    `reached` compares the figure itself with what was wanted; the interval tells how sure that is.
    `measure` is the name of the measure in the scorecard that gives the row.
    """

    measured: Estimate
    wanted: str
    reached: bool
    control: tuple[Estimate, ...]
    measure: str = ""

    @property
    def phenomenon(self) -> str:
        return self.measured.name

    def as_row(self) -> dict[str, object]:
        found = self.measured.as_row()
        return {"measure": self.measure, "phenomenon": found.pop("name"), **found} | {
            "wanted": self.wanted,
            "reached": self.reached,
            "control": [figure.as_row() for figure in self.control],
        }


def row_of(found: Mapping[str, Any]) -> Row:
    """The row that `Row.as_row` has written, as a card or a `--json` file holds it."""
    figure = {name: found[name] for name in ("value", "n", "low", "high", "unit")}
    control = tuple(Estimate(**one) for one in found["control"])
    measured = Estimate(found["phenomenon"], **figure)
    return Row(measured, found["wanted"], found["reached"], control, found["measure"])


def at_least(bound: float, measured: Estimate, *control: Estimate) -> Row:
    """A row that wants its figure to be `bound` or more."""
    wanted = f"≥ {shown_as(bound, measured.unit)}"
    return Row(measured, wanted, measured.value >= bound, control)


def at_most(bound: float, measured: Estimate, *control: Estimate) -> Row:
    """A row that wants its figure to be `bound` or less."""
    wanted = f"≤ {shown_as(bound, measured.unit)}"
    return Row(measured, wanted, measured.value <= bound, control)


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
        got = shown_as(found.value, found.unit) + ("" if row.reached else " (not reached)")
        control = "; ".join(f"{figure.name} {figure}" for figure in row.control)
        lines.append(
            f"| {found.name} | {row.wanted} | {got} | {low} - {high} | {found.n} | {control} |"
        )
    return "\n".join(lines)
