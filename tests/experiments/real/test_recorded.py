"""What was recorded on a real model, drawn; and what is said where the model isn't there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.experiments import EXPERIMENTS, load, running
from labkit.experiments.real import (
    bits_figures,
    reading_figures,
    sizes_figures,
    temperature_figures,
    tickets_figures,
)
from labkit.experiments.real.recorded import figure_in, measured_again, row_of
from labkit.experiments.real.subject import COUNTRIES, MODEL
from labkit.fetched import MODELS
from labkit.instruments.plots import Figure
from labkit.instruments.real.capitals import capitals

DRAWN: tuple[Callable[[str], object], ...] = (
    temperature_figures.capitals,
    bits_figures.by_bits,
    bits_figures.largest_activations,
    reading_figures.rivals,
    reading_figures.wordings,
    reading_figures.formats,
    lambda alt: tickets_figures.kept_and_learned({"full": (0, 50), "LoRA, rank 8": (8, 50)}, alt),
    lambda alt: sizes_figures.beside({}, alt),
)


@pytest.mark.parametrize("draw", DRAWN)
def test_each_record_is_drawn_with_its_table(draw: Callable[[str], object]) -> None:
    drawn = draw("What it shows.")
    assert isinstance(drawn, Figure) and drawn.alt == "What it shows."
    assert len({len(column) for column in drawn.table.values()}) == 1


@pytest.mark.parametrize("draw", DRAWN)
def test_a_record_that_is_missing_is_told_of(
    draw: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise LookupError(f"There is no record of {name!r} yet.")

    monkeypatch.setattr(running, "load", missing)
    assert "There is no record of 'real-" in repr(draw("What it shows."))


def test_capitals_are_those_of_all_countries() -> None:
    assert len(capitals()) == COUNTRIES
    at_zero, hot = temperature_figures.share_at(0.0), temperature_figures.share_at(2.0, min_p=0.1)
    assert at_zero.low < at_zero.value < at_zero.high and hot.n == COUNTRIES
    worst = temperature_figures.share_by_luck()
    assert worst == max(load("real-capitals").column("next_country"))


@pytest.mark.parametrize("name", [n for n, e in EXPERIMENTS.items() if e.model])
def test_a_record_says_on_which_weights_it_was_measured(name: str) -> None:
    about = load(name).provenance
    assert list(about["models"]) == [MODEL] and about["threads"] > 0 and about["machine"]


def test_intervals_hold_their_figures() -> None:
    for name, column in (("real-rivals", "right"), ("real-int8", "rise"), ("real-memory", "text")):
        for row in load(name).rows:
            found = figure_in(row, column, 8)
            assert found.low <= found.value <= found.high, (name, row)


def test_a_row_is_named_by_its_values_alone() -> None:
    assert row_of("real-rivals", passages=2)["passages"] == 2
    with pytest.raises(LookupError, match=r"^0 rows of real-rivals"):
        row_of("real-rivals", passages=3)


def test_the_rate_is_chosen_by_validation_and_not_by_test() -> None:
    (chosen, *_) = tickets_figures.best(0, 50)
    tried = load("real-tickets").where(rank=0, steps=50, seed=0)
    assert len(tried) > 1
    assert chosen["validation"] == max(row["validation"] for row in tried)


def test_without_the_model_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    said = measured_again("real-capitals")
    assert said.startswith("smollm2 is not on this machine (93 MB). To fetch it: python3 -m labkit")


@pytest.mark.skipif(not MODELS[MODEL].is_there, reason="smollm2 is not fetched")
def test_with_the_model_a_point_is_measured_again() -> None:
    assert "real-capitals: as recorded" in measured_again("real-capitals")


def test_nothing_is_measured_again_beside_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_MODEL", MODEL)
    said = measured_again("real-capitals")
    assert said.startswith("real-capitals: not measured again beside the model of LABKIT_MODEL")
    assert said.endswith("python3 -m labkit experiments check real-capitals")
