"""A model thirty times as large beside ours on the same questions, from the records."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.estimates import Estimate
from labkit.experiments import running
from labkit.experiments.fine_tuning_figures import Drawn, drawn_from
from labkit.experiments.real import reading_figures, temperature_figures
from labkit.experiments.real.recorded import figure_in, row_of
from labkit.experiments.real.sizes import SETS
from labkit.instruments import plots


def of_the_real_model() -> dict[str, Estimate]:
    """Each task's share right, with its interval over countries or sets of solved questions."""
    return {
        "capitals": temperature_figures.share_at(0.0),
        "one passage": reading_figures.right_at(1),
        "one of eight passages": reading_figures.right_at(8),
        "one row of four": reading_figures.found_in("CSV"),
        "sums": figure_in(row_of("real-sums", shown=4), "right", SETS),
    }


def beside(ours: Mapping[str, Mapping[str, Estimate]], alt: str) -> Drawn:
    """Each task by our models (name → task → share) and by the real one."""
    return drawn_from("real-sums", lambda _: plots.bars(
        {
            task: {name: shares[task] for name, shares in ours.items()} | {"SmolLM2": real}
            for task, real in of_the_real_model().items()
        },
        y_label="share right",
        alt=alt,
        width=9.0,
    ))  # fmt: skip


def times(column: str) -> float:
    """How many times a "first" or "next" token takes, or "mb" of weights, against `base`."""
    return running.load("real-times").mean(f"times_{column}")
