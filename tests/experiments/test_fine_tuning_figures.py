"""Lesson 08's records as figures; one that is missing is told of."""

from __future__ import annotations

import pytest

from labkit import experiments
from labkit.experiments import Record, running
from labkit.experiments import fine_tuning_figures as figures
from labkit.instruments import plots


def rows_of(name: str):
    experiment = experiments.find(name)
    figures = {figure: 0.5 for figure in experiment.figures}
    return Record(tuple({**point, **figures, "seconds": 1} for point in experiment.points))


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("ticket-examples", figures.over_examples),
        ("ticket-rates", figures.over_rates),
        ("ticket-rates", figures.rates_and_steps),
        ("ticket-labels", figures.labels_compared),
        ("new-facts-remedies", figures.remedies),
    ],
)
def test_a_record_is_drawn_and_a_missing_one_is_reported(name, draw, monkeypatch) -> None:
    monkeypatch.setattr(running, "load", rows_of)
    drawn = draw(alt="What it shows.")
    assert isinstance(drawn, plots.Figure) and drawn.alt == "What it shows."

    def missing(name):
        raise LookupError(f"There is no record of {name!r} yet.")

    monkeypatch.setattr(running, "load", missing)
    assert f"no record of '{name}'" in repr(draw(alt="What it shows."))


def test_recorded_remedies() -> None:
    found = figures.recorded_remedies()
    assert list(found) == ["full", "replay", "pull", "LoRA"]
    assert all(0 <= share <= 1 for both in found.values() for share in both)


def test_recorded_rates_have_both_losses_and_both_shares() -> None:
    for rate in figures.recorded_rates():
        found = figures.recorded_rate(rate, 400)
        assert 0 <= found["facts"] <= 1 and 0 <= found["exact"] <= 1
        assert found["training_loss"] < found["validation_loss"]
    with pytest.raises(LookupError):
        figures.recorded_rate(1.0, 400)


def test_more_examples_get_more_tickets_right() -> None:
    shares = [figures.recorded_examples(examples) for examples in (10, 100, 300)]
    assert shares == sorted(shares) and all(right <= valid for valid, right in shares)
