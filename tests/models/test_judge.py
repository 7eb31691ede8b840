"""The judge: pairs that only reading decides, its loss, and how far and how fairly it agrees."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.models import card, judging, zoo
from labkit.models.scoring import Effort, Subject, judge
from labkit.models.training import pretraining
from labkit.models.training.losses import WORLD
from labkit.models.training.recipes import Recipe
from labkit.models.training.run import Run
from labkit.models.world import comparisons
from labkit.models.world.comparisons import Pair, occurs
from tests.models.tiny import TINY

seeds = st.integers(0, 10**6)
any_time = settings(deadline=None, max_examples=50)


@pytest.fixture(scope="module")
def recipe(tiny_base: Path) -> Recipe:
    return replace(
        TINY,
        name="judge",
        architecture="reward",
        shape={},
        starts_from=str(tiny_base),
        rows=2,
        steps=80,
        learning_rate=3e-3,
    )


@pytest.fixture(scope="module")
def run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return pretraining.start(recipe, tmp_path_factory.mktemp("judge"), "cpu")


@any_time
@given(seeds)
def test_in_a_hard_pair_both_answers_stand_in_the_text(seed: int) -> None:
    found = comparisons.pair(WORLD, random.Random(seed), "train")
    text = found.prompt.rpartition("\nQ: ")[0]
    assert occurs(found.right, text) and occurs(found.wrong, text) and found.right != found.wrong
    assert occurs(found.right, text.split("\n")[found.place])
    assert len(text.split("\n")) == found.passages


@any_time
@given(seeds)
def test_in_an_easy_pair_only_the_right_one_does(seed: int) -> None:
    found = comparisons.pair(WORLD, random.Random(seed), "train", hard=False)
    assert occurs(found.right, found.prompt) and not occurs(found.wrong, found.prompt)


def test_training_answers_favour_no_length() -> None:
    rng = random.Random(0)
    sheets = [comparisons.sheet(WORLD, rng, "train", worded=0.5) for _ in range(70)]
    longer = [
        len(right) - len(wrong)
        for sheet in sheets
        for right, wrong in zip(sheet.right, sheet.wrong, strict=True)
        if abs(len(right) - len(wrong)) > 10
    ]
    assert len(longer) > 150 and 0.4 < sum(d > 0 for d in longer) / len(longer) < 0.6


@any_time
@given(seeds)
def test_a_sheet_filled_in_twice_holds_either_answer_once(seed: int) -> None:
    sheet = comparisons.sheet(WORLD, random.Random(seed), "train", worded=0.5)
    first, second = sheet.filled_in(True), sheet.filled_in(False)
    assert first[0] == second[0] == sheet.text and first[1::2] == second[1::2]
    for i, both in enumerate(zip(first[2::2], second[2::2], strict=True)):
        right, wrong = sheet.right[i] + "\n", sheet.wrong[i] + "\n"
        assert both == ((wrong, right) if sheet.swapped[i] else (right, wrong)) and right != wrong


def test_a_sheets_first_margin_is_that_of_the_same_pair(run: Run) -> None:
    sheets = [comparisons.sheet(WORLD, random.Random(i), "train", worded=0.0) for i in range(3)]
    pairs = [Pair(s.text + s.questions[0], s.right[0], s.wrong[0], 0, 2) for s in sheets]
    whole = judging.sheet_margins(run.model, run.tokenizer, sheets)
    assert whole.shape == (3, comparisons.QUESTIONS)
    alone = judging.margins(run.model, run.tokenizer, pairs)
    torch.testing.assert_close(whole[:, 0], alone, rtol=1e-4, atol=1e-5)


def test_the_loss_is_that_of_bradley_and_terry() -> None:
    assert judging.preference_loss(torch.zeros(3)).item() == pytest.approx(math.log(2))
    margins = torch.tensor([2.0, -1.0])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2
    assert judging.preference_loss(margins).item() == pytest.approx(expected)


def test_it_starts_from_the_weights_of_base(run: Run, tiny_base: Path) -> None:
    base, _ = zoo.load_model(str(tiny_base))
    for p, q in zip(run.model.model.parameters(), base.model.parameters(), strict=True):
        assert torch.equal(p, q)


def test_rewards_do_not_depend_on_the_rest_of_the_batch(run: Run) -> None:
    pairs = judging.unseen_pairs(4)
    together = judging.margins(run.model, run.tokenizer, pairs)
    alone = [judging.margins(run.model, run.tokenizer, [one])[0] for one in pairs]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-4, atol=1e-5)


def test_it_learns_the_sheets_that_it_is_shown(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = judging.sheets_of_step(recipe, WORLD, 0)
    assert shown == judging.sheets_of_step(recipe, WORLD, 0)
    assert shown != judging.sheets_of_step(recipe, WORLD, 1)
    monkeypatch.setattr(judging, "sheets_of_step", lambda *a: shown)
    run = pretraining.pretrain(recipe, tmp_path, "cpu")
    assert (judging.sheet_margins(run.model, run.tokenizer, shown) > 0).float().mean() > 0.9


@any_time
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_verdicts_agree_exactly_where_the_judge_was_right(right: list[bool]) -> None:
    assert [picked == true for picked, true in judge.verdicts(right)] == right


def test_likelihood_is_summed_over_the_answers_tokens(tiny_base: Path) -> None:
    model, tokenizer = zoo.load_model(str(tiny_base))
    prompt, answer = "Q: Which pet does Anna Kell have?\nA: ", "goat"
    ids = torch.tensor([tokenizer(prompt)["input_ids"] + tokenizer(answer + "\n")["input_ids"]])
    labels = ids.clone()
    labels[:, : len(tokenizer(prompt)["input_ids"])] = -100
    whole = model(ids, labels=labels).loss.item() * (labels != -100).sum().item()
    found = judging.log_likelihood(model, tokenizer, prompt, answer)
    assert found == pytest.approx(-whole, rel=1e-4)
    swapped = [replace(p, right=p.wrong, wrong=p.right) for p in judging.unseen_pairs(4)]
    picks = judging.likelihood_picks(model, tokenizer, judging.unseen_pairs(4))
    assert judging.likelihood_picks(model, tokenizer, swapped) == [not pick for pick in picks]


def test_occurrence_decides_easy_pairs_and_says_nothing_about_hard_ones() -> None:
    assert all(judge.occurs_in_text(judging.unseen_pairs(60, hard=False)))
    assert 70 <= sum(judge.occurs_in_text(judging.unseen_pairs(200))) <= 130


def test_a_judge_that_prefers_length_is_found_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def longer(model: object, tokenizer: object, pairs: Sequence[Pair]) -> list[bool]:
        return [len(p.right) > len(p.wrong) for p in pairs]

    monkeypatch.setattr(judge, "picks_right", longer)
    _, length, place = judge.judge(Subject(run.model, run.tokenizer, Effort(items=40)))
    assert length.measured.value == 1.0
    assert [figure.value for figure in length.control] == [1.0, 0.0]
    assert 0 < place.measured.n < 40


def test_what_is_published_is_loaded_by_its_own_function_alone(run: Run, tmp_path: Path) -> None:
    folder = card.publish(run, n=8, weights=tmp_path)
    model, tokenizer = zoo.load_judge(str(folder))
    assert len(judging.picks_right(model, tokenizer, judging.unseen_pairs(3))) == 3
    for wrong in (zoo.load_model, zoo.load_vision_model):
        with pytest.raises(LookupError, match="load_judge"):
            wrong(str(folder))
    agreement, *_ = json.loads((folder / "card.json").read_text())["scorecard"]
    assert agreement["unit"] == "kappa" and len(agreement["control"]) == 3
    assert "occurs in the text" in (folder / "README.md").read_text()
