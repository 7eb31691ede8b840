"""The instruments of lesson 05, against definitions and against transformers."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments import sampling
from labkit.instruments.items import fact_items, idea_items, program_items
from labkit.models import load_model

logits_lists = st.lists(st.floats(-20, 20), min_size=2, max_size=30)


@pytest.fixture(scope="module")
def base() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load_model("base")


@given(st.integers(1, 500))
def test_a_uniform_distribution_has_its_size_as_effective_vocabulary(n: int) -> None:
    assert sampling.effective_vocabulary(torch.full((n,), 1 / n)) == pytest.approx(n, rel=1e-4)


def test_a_certain_distribution_has_no_entropy() -> None:
    assert sampling.entropy(torch.tensor([0.0, 1.0, 0.0])) == 0.0


@given(logits_lists, st.floats(0.1, 5.0))
def test_temperature_alone_is_the_softmax_of_divided_logits(
    logits: list[float], temperature: float
) -> None:
    found = sampling.next_token_probabilities(torch.tensor(logits), temperature)
    weights = [math.exp((z - max(logits)) / temperature) for z in logits]
    expected = torch.tensor([w / sum(weights) for w in weights])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


@given(logits_lists)
def test_entropy_rises_with_temperature(logits: list[float]) -> None:
    values = [
        sampling.entropy(sampling.next_token_probabilities(torch.tensor(logits), t))
        for t in (0.0, 0.5, 1.0, 2.0)
    ]
    assert all(a <= b + 1e-5 for a, b in pairwise(values))


def test_the_filters_are_off_unless_given_and_do_not_change_the_input() -> None:
    logits = torch.arange(100.0) / 50
    kept = logits.clone()
    assert (sampling.next_token_probabilities(logits) > 0).all()
    assert (sampling.next_token_probabilities(logits, top_k=3) > 0).sum() == 3
    assert (sampling.next_token_probabilities(logits, 0.0) > 0).sum() == 1
    assert torch.equal(logits, kept)


def test_next_token_logits_are_those_of_the_model(
    base: tuple[PreTrainedModel, PreTrainedTokenizerBase],
) -> None:
    model, tokenizer = base
    logits = sampling.next_token_logits(model, tokenizer, "An idea for a shop: ")
    ids = tokenizer("An idea for a shop: ", return_tensors="pt").input_ids
    with torch.no_grad():
        torch.testing.assert_close(logits, model(ids).logits[0, -1, : len(tokenizer)])
    best = sampling.likeliest(logits.softmax(-1), tokenizer, 3)
    assert best[0].probability >= best[1].probability >= best[2].probability
    assert sampling.vocabulary(tokenizer)[int(logits.argmax())] == best[0].text


@given(st.integers(1, 8), st.integers(0, 8), st.integers(1, 8))
def test_pass_at_k_is_the_formula_of_chen_et_al(n: int, right: int, k: int) -> None:
    right, k = min(right, n), min(k, n)
    grid = {1.0: [["right"] * right + ["wrong"] * (n - right)]}
    point = sampling.share_solved(grid, lambda i, text: text == "right", k)[1.0]
    expected = 1 - math.comb(n - right, k) / math.comb(n, k)
    assert point.value == pytest.approx(expected)


def test_one_try_is_the_share_of_right_answers() -> None:
    grid = {0.5: [["a", "b"], ["a", "a"]]}
    once = sampling.share_solved(grid, lambda i, text: text == "a", 1)[0.5]
    assert once.value == sampling.share_right(grid, lambda i, text: text == "a")[0.5].value == 0.75
    assert once.n == 2  # prompts, not samples


def test_distinct_counts_different_texts_in_batches_with_students_interval() -> None:
    texts = [["a"], ["a"], ["b"], ["c"], ["a"], ["a"], ["a"], ["a"]]
    point = sampling.share_distinct({0.0: texts}, batch=4)[0.0]
    assert point.value == 0.5  # 3 of 4 and 1 of 4
    assert (point.low, point.high) == (0.0, 1.0)  # two batches say little
    same, all_different = [["a"]] * 100, [[str(i)] for i in range(100)]
    for rows, share in ((same, 0.02), (all_different, 1.0)):
        point = sampling.share_distinct({0.5: rows})[0.5]
        assert point.low == point.value == point.high == pytest.approx(share)


@pytest.mark.parametrize("batches", [1, 2, 11, 12, 13, 40])
def test_distinct_takes_any_number_of_batches(batches: int) -> None:
    texts = [[str(i % 6)] for i in range(4 * batches)]
    point = sampling.share_distinct({1.0: texts}, batch=4)[1.0]
    assert 0 <= point.low <= point.value <= point.high <= 1
    assert batches > 1 or (point.low, point.high) == (0.0, 1.0)


@pytest.mark.parametrize("batch", [0, -1, 9])
def test_texts_that_make_no_batch_are_refused(batch: int) -> None:
    with pytest.raises(ValueError, match=rf"8 texts at temperature 1 make no batch of {batch}; "):
        sampling.share_distinct({1.0: [["a"]] * 8}, batch=batch)


def test_the_judges_know_right_from_wrong() -> None:
    from labkit.models.scoring import fact_questions, program_tasks
    from labkit.models.world import World

    facts, tasks = fact_items(5), program_items(5)
    questions = fact_questions(World().trained_facts, 5)
    for i in range(5):
        assert facts.is_right(i, questions[i].answer + " ") and not facts.is_right(i, "nothing")
        assert tasks.is_right(i, program_tasks(5)[i].program) and not tasks.is_right(i, "7")
    assert not idea_items(1).is_right(0, "a shop")
