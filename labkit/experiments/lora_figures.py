"""The recorded runs of lesson 09 as figures. A record that is not there yet says how to make it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from labkit.estimates import Estimate, share_of
from labkit.experiments import running
from labkit.experiments.fine_tuning_figures import Drawn, drawn_from
from labkit.experiments.lora import ITEMS, VARIANTS
from labkit.experiments.record import Record
from labkit.instruments import plots

Place = tuple[float, float]  # share of new facts learned, share of facts kept
TASKS = {"new_facts": "new facts learned", "facts": "facts kept"}


def plane(alt: str) -> Drawn:
    """Old facts kept against new ones learned: a curve for each rank, a point for each length."""
    return drawn_from("lora-plane", lambda record: _plane(paths(record), alt))


def paths(record: Record) -> dict[str, dict[int, Place]]:
    """For each rank, and full fine-tuning at two rates, its places by steps, means over seeds."""
    found: dict[str, dict[int, Place]] = {}
    for row in record.rows:
        where = {name: row[name] for name in ("rank", "learning_rate", "steps")}
        place = record.mean("new_facts", **where), record.mean("facts", **where)
        found.setdefault(_name(row["rank"], row["learning_rate"]), {})[int(row["steps"])] = place
    return {name: dict(sorted(by_steps.items())) for name, by_steps in found.items()}


def _name(rank: object, rate: object) -> str:
    return f"rank {rank}" if rank else f"full, {rate:g}"


def _plane(found: dict[str, dict[int, Place]], alt: str) -> plots.Figure:
    drawing, axes = plots.drawn(height=4.0)
    looks = zip(("#000000", "#777777", *plots.COLOURS), (*"*p", *plots.MARKERS), strict=True)
    for (name, by_steps), (colour, marker) in zip(found.items(), looks, strict=False):
        new_facts, facts = zip(*by_steps.values(), strict=True)
        axes.plot(
            new_facts, facts, color=colour, marker=marker, ms=6, label=name,
            ls="--" if name.startswith("full") else "-",
        )  # fmt: skip
    axes.set(xlabel="new facts learned", ylabel="facts kept", xlim=(0, 1), ylim=(0.5, 1.03))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    rows = [(n, steps, *both) for n, by in found.items() for steps, both in by.items()]
    columns = ("tuning", "steps", "new facts learned", "facts kept")
    return plots.Figure.of(drawing, alt, dict(zip(columns, zip(*rows, strict=True), strict=True)))


def kept_at(path: Sequence[Place], learned: float) -> float:
    """Facts kept on a path where it has learned so much, between its two nearest points.

    The path begins where nothing is learned and all is kept. Raises ValueError where it ends
    before so much is learned.
    """
    points = sorted([(0.0, 1.0), *path])
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= learned <= x1:
            return y0 + (y1 - y0) * (learned - x0) / ((x1 - x0) or 1.0)
    raise ValueError(f"the path ends at {points[-1][0]:.0%} learned, before {learned:.0%}")


def tickets(alt: str) -> Drawn:
    """Test tickets right against steps, with 95 % intervals, for two ranks and full tuning."""

    def figure(record: Record) -> plots.Figure:
        found: dict[str, dict[float, Estimate]] = {}
        for row in record.rows:
            name = f"rank {row['rank']}" if row["rank"] else "full"
            hits = round(float(row["exact"]) * ITEMS)
            found.setdefault(name, {})[float(row["steps"])] = share_of(name, hits, ITEMS)
        return plots.shares(found, x_label="steps", y_label="share of test tickets right", alt=alt)

    return drawn_from("lora-tickets", figure)


def variants(alt: str, names: Sequence[str] = tuple(VARIANTS)) -> Drawn:
    """New facts learned and facts kept by some variants: a dot for each seed."""

    def figure(record: Record) -> plots.Figure:
        drawing, axes = plots.drawn(height=1.2 + 0.33 * len(names))
        table: dict[str, list[object]] = {"variant": list(names)}
        for (column, label), colour, marker in zip(
            TASKS.items(), plots.COLOURS, plots.MARKERS, strict=False
        ):
            table[label] = [_both(record, column, name) for name in names]
            for y, name in enumerate(names):
                found = [float(value) for value in record.column(column, variant=name)]
                axes.plot(
                    found, [y] * len(found), color=colour, marker=marker, ms=7, ls="-",
                    label=label if y == 0 else None,
                )  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="share", xlim=(0, 1.03), ylim=(len(names) - 0.5, -0.5))
        axes.grid(axis="x", alpha=0.25)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        return plots.Figure.of(drawing, alt, table)

    return drawn_from("lora-variants", figure)


def _both(record: Record, column: str, name: str) -> str:
    return ", ".join(f"{float(value):.3f}" for value in record.column(column, variant=name))


def recorded_paths() -> dict[str, dict[int, Place]]:
    """The places of the plane, as recorded."""
    return paths(running.load("lora-plane"))


def recorded_variants() -> dict[str, Place]:
    """New facts learned and facts kept by each variant, means over the recorded seeds."""
    record = running.load("lora-variants")
    return {
        name: (record.mean("new_facts", variant=name), record.mean("facts", variant=name))
        for name in VARIANTS
    }


def recorded_tickets(rank: int, steps: int) -> Estimate:
    """Test tickets right after so many steps, as recorded; rank 0 is full fine-tuning."""
    record = running.load("lora-tickets")
    found = [float(value) for value in record.column("exact", rank=rank, steps=steps)]
    return share_of("exact", round(fmean(found) * ITEMS), ITEMS)
