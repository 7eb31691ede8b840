"""What was recorded on a real model, drawn; and what is said where the model isn't there."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.experiments import load, real_figures
from labkit.experiments.real import COUNTRIES, MODEL
from labkit.instruments.plots import Figure
from labkit.instruments.real.capitals import capitals


def test_the_record_is_of_all_countries_and_is_drawn() -> None:
    drawn = real_figures.capitals("Capitals against temperature.")
    assert isinstance(drawn, Figure) and len(capitals()) == COUNTRIES
    at_zero, hot = real_figures.share_at(0.0), real_figures.share_at(2.0, min_p=0.1)
    assert at_zero.low < at_zero.value < at_zero.high and hot.n == COUNTRIES
    assert real_figures.share_by_luck() == max(load("real-capitals").column("next_country"))
    assert list(real_figures.right(load("real-capitals"), 0.1)) == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_the_record_says_on_which_weights_it_was_measured() -> None:
    about = load("real-capitals").provenance
    assert list(about["models"]) == [MODEL] and about["threads"] > 0 and about["machine"]


def test_without_the_model_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    said = real_figures.measured_again("real-capitals")
    assert said.startswith("smollm2 is not on this machine (93 MB). To fetch it: python3 -m labkit")


@pytest.mark.skipif(not real_figures.MODELS[MODEL].is_there, reason="smollm2 is not fetched")
def test_with_the_model_a_point_is_measured_again() -> None:
    assert "real-capitals: as recorded" in real_figures.measured_again("real-capitals")
