"""What a real model names at several temperatures, from its record."""

from __future__ import annotations

from labkit.estimates import Estimate
from labkit.experiments import running
from labkit.experiments.fine_tuning_figures import Drawn, drawn_from
from labkit.experiments.real.recorded import figure_in, row_of
from labkit.experiments.real.subject import COUNTRIES
from labkit.experiments.real.temperature import SAMPLES
from labkit.experiments.record import Record
from labkit.instruments import plots


def capitals(alt: str) -> Drawn:
    """Capitals named against temperature, with and without min-p, and how many answers differ."""
    return drawn_from("real-capitals", lambda record: plots.curves(
        {
            "capitals right": right(record, 0.0),
            "right, min-p 0.1": right(record, 0.1),
            f"different of {SAMPLES}": different(record),
        },
        y_label="share",
        alt=alt,
    ))  # fmt: skip


def right(record: Record, min_p: float) -> dict[float, Estimate]:
    """Temperature → the share of capitals named; at 0 a cut of the tail changes nothing."""
    rows = [*record.where(temperature=0.0), *record.where(min_p=min_p)]
    return {float(row["temperature"]): figure_in(row, "right", COUNTRIES) for row in rows}


def different(record: Record) -> dict[float, Estimate]:
    """Temperature → how many of the answers to a question differ, without an interval."""
    shares = {float(r["temperature"]): float(r["different"]) for r in record.where(min_p=0.0)}
    return {t: Estimate("different", share, 0, share, share) for t, share in shares.items()}


def share_at(temperature: float, min_p: float = 0.0) -> Estimate:
    """The recorded share of capitals named, with its interval over countries."""
    row = row_of("real-capitals", temperature=temperature, min_p=min_p)
    return figure_in(row, "right", COUNTRIES)


def share_by_luck() -> float:
    """The largest recorded share of answers that name the next country's capital."""
    return max(float(row["next_country"]) for row in running.load("real-capitals").rows)
