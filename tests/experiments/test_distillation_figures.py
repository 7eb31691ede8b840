"""Lesson 14's record as figures."""

from __future__ import annotations

import pytest

from labkit import experiments
from labkit.experiments import distillation_figures as figures
from labkit.instruments import plots


def test_the_curves_are_the_means_over_seeds() -> None:
    record = experiments.load(figures.NAME)
    curves = figures.by_examples()
    assert list(curves) == ["data", "teacher"]
    mean = record.mean("loss", taught_by="base", examples=40, temperature=1.0)
    found = curves["teacher"][40]
    assert found.value == pytest.approx(mean) and found.n == 3
    assert found.low < mean < found.high and found.high > 1  # a loss, no share


def test_the_ways_have_their_names() -> None:
    ways = figures.by_way()
    assert {"data", "base", "base, T = 2"} <= set(ways)
    assert ways["base"].value == pytest.approx(figures.by_examples()["teacher"][40].value)


@pytest.mark.parametrize("draw", [figures.over_examples, figures.over_ways])
def test_drawn_with_words_and_numbers(draw) -> None:
    drawn = draw(alt="What it shows.")
    assert isinstance(drawn, plots.Figure) and drawn.alt == "What it shows."
    assert {len(column) for column in drawn.table.values()} == {len(drawn.table["texts"])}
