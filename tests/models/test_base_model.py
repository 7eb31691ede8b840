"""What the bundled base model must be able to do, and that its card says what is measured."""

from __future__ import annotations

import dataclasses
import json

import pytest

from labkit.models import complete, load_model
from labkit.models.scoring import MEASURES, Effort, Row, Scorecard, row_of
from labkit.models.zoo import WEIGHTS


@pytest.fixture(scope="module")
def scorecard() -> Scorecard:
    return Scorecard(*load_model("base"))


def recorded() -> dict[str, Row]:
    """The rows of the card, by phenomenon."""
    found = json.loads((WEIGHTS / "base" / "card.json").read_text()).get("scorecard", [])
    return {row["phenomenon"]: row_of(row) for row in found}


@pytest.fixture(scope="module")
def card() -> dict[str, float]:
    rows = json.loads((WEIGHTS / "base" / "card.json").read_text())["scores"]
    return {row["name"]: row["value"] for row in rows}


@pytest.mark.slow
def test_it_answers_the_facts_of_its_region(scorecard: Scorecard, card: dict[str, float]) -> None:
    """500 questions, greedy, exact match."""
    score = scorecard.trained_facts(500)
    assert score.value >= 0.9
    assert score.value == pytest.approx(card[score.name], abs=0.02)


@pytest.mark.slow
def test_its_sentences_are_grammatical(scorecard: Scorecard, card: dict[str, float]) -> None:
    score = scorecard.well_formed_ideas(200)
    assert score.value >= 0.85
    assert score.value == pytest.approx(card[score.name], abs=0.08)


@pytest.mark.slow
@pytest.mark.skipif(not recorded(), reason="run `labkit models score base --card` first")
@pytest.mark.parametrize("name", ["facts", "reading", "few-shot"])
def test_the_scorecard_repeats(scorecard: Scorecard, name: str) -> None:
    """Fewer items than the card's, so within the wider interval, and a little more."""
    subject = dataclasses.replace(scorecard.subject, effort=Effort(items=60))
    rows = MEASURES[name].rows(subject)
    assert rows
    for row in rows:
        live, written = row.measured, recorded()[row.phenomenon].measured
        assert live.low - 0.05 <= written.value <= live.high + 0.05, row


def test_greedy_completions_do_not_depend_on_the_batch(scorecard: Scorecard) -> None:
    prompts = ["An idea for a shop: ", "# the sum of the numbers\n", "Once upon a time"]
    together = complete(scorecard.model, scorecard.tokenizer, prompts)
    apart = [complete(scorecard.model, scorecard.tokenizer, [p])[0] for p in prompts]
    assert together == apart
