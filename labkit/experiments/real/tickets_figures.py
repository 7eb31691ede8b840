"""A real model tuned on tickets, from its records: what it learns, and what it forgets."""

from __future__ import annotations

from labkit.estimates import Estimate, mean_of_few
from labkit.experiments import running
from labkit.experiments.fine_tuning_figures import Drawn, drawn_from
from labkit.experiments.real.recorded import figure_in, row_of
from labkit.experiments.real.tickets import CAPITALS, SETS, TESTED
from labkit.experiments.record import Row
from labkit.instruments import plots
from labkit.instruments.real.prose import paragraphs

KEPT = {
    "all fields right": ("exact", TESTED),
    "capitals, answer begun": ("begun", CAPITALS),
    "capitals, open question": ("open", CAPITALS),
}
BEFORE = {"rank": 0, "steps": 0}


def best(rank: int, steps: int) -> list[Row]:
    """The rows, one for each seed, of the rate that did best on validation tickets."""
    rows = running.load("real-tickets").where(rank=rank, steps=steps)
    first = [row for row in rows if row["seed"] == 0]
    chosen = max(first, key=lambda row: (float(row["validation"]), -float(row["rise"])))
    return [row for row in rows if row["learning_rate"] == chosen["learning_rate"]]


def after(rank: int, steps: int, column: str) -> Estimate:
    """A figure after tuning at the best rate: the interval is over seeds, or over items where there
    is one seed."""
    rows = best(rank, steps)
    if len(rows) == 1:
        return figure_in(rows[0], column, items_behind(column))
    unit = "nats" if column == "rise" else "share"
    return mean_of_few(column, [float(row[column]) for row in rows], unit)


def before(column: str) -> Estimate:
    """The same of the model as it came."""
    return figure_in(row_of("real-tickets", **BEFORE), column, items_behind(column))


def items_behind(column: str) -> int:
    """How many items a column counts."""
    counts = dict(KEPT.values()) | {"valid": TESTED, "rise": len(paragraphs())}
    return counts[column]


def kept_and_learned(ways: dict[str, tuple[int, int]], alt: str) -> Drawn:
    """Tickets and capitals in both forms, as it came and after each way: name → (rank, steps)."""
    return drawn_from("real-tickets", lambda _: plots.bars(
        {"as it came": {label: before(column) for label, (column, _) in KEPT.items()}}
        | {
            name: {label: after(*way, column) for label, (column, _) in KEPT.items()}
            for name, way in ways.items()
        },
        y_label="share right",
        alt=alt,
    ))  # fmt: skip


def with_examples(examples: int, column: str) -> Estimate:
    """Shares "valid" or "exact" after so many solved tickets; the interval is over sets."""
    return figure_in(row_of("real-ticket-shots", examples=examples), column, SETS)


def best_rate(rank: int, steps: int) -> float:
    """The learning rate that was chosen."""
    return float(best(rank, steps)[0]["learning_rate"])
