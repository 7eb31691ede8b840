"""As many items as fit into a cell's seconds; all for a model that knows the region."""

from __future__ import annotations

import pytest

from labkit.instruments import budget
from labkit.instruments.budget import VARIABLE, affordable, tokens_a_second
from labkit.models.knowing import own_tokenizer
from tests.models.tiny import other_model, other_tokenizer


@pytest.fixture
def hundred_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "tokens_a_second", lambda model: 100.0)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(other_model().config, "_name_or_path", "/cache/other", raising=False)
    monkeypatch.setattr(other_model(), "name_or_path", "/cache/other")


def asked(n: int, tokens: float, **settings: int) -> int:
    return affordable(n, other_model(), other_tokenizer(), tokens=tokens, **settings)


def test_a_model_that_knows_the_region_is_asked_everything(capsys) -> None:
    assert affordable(240, other_model(), own_tokenizer(), tokens=1e9) == 240
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("hundred_a_second")
def test_another_gets_what_fits_and_that_is_said(capsys) -> None:
    assert asked(240, tokens=80) == 25
    said = "other: 25 of 240 items fit into 20 s a cell; the intervals are wider\n"
    assert capsys.readouterr().out == said


@pytest.mark.usefixtures("hundred_a_second")
def test_no_fewer_than_the_least_and_no_more_than_there_are(capsys) -> None:
    assert asked(240, tokens=1000) == 8
    assert "other: 8 of 240 items are the least, which take more than 20 s" in (
        capsys.readouterr().out
    )
    assert asked(240, tokens=1000, least=3) == 3
    capsys.readouterr()
    assert asked(5, tokens=1000) == 5 and asked(20, tokens=100) == 20
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("hundred_a_second")
def test_the_seconds_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "40")
    assert asked(240, tokens=80) == 50


@pytest.mark.usefixtures("hundred_a_second")
@pytest.mark.parametrize("given", ["0", "-1", "many", "inf", "nan"])
def test_seconds_that_are_none_are_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(ValueError, match=f"{VARIABLE}={given} was given"):
        asked(240, tokens=80)


def test_the_speed_is_measured_once_for_each_model(monkeypatch: pytest.MonkeyPatch) -> None:
    first = tokens_a_second(other_model())
    assert first > 0
    monkeypatch.setattr(budget, "_timed", lambda model: -1.0)
    assert tokens_a_second(other_model()) == first
