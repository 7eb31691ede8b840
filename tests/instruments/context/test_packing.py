"""Desks hold what their log says, ways of packing keep to their budget, and answers judge them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.grading.source.solutions import reference
from labkit.instruments.context import packing
from labkit.models import load_model

PACK = reference("02_context_window", "pack_passages")
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def base() -> Loaded:
    return load_model("base")


def words(text: str) -> int:
    return len(text.split())


def test_a_desk_knows_where_its_answers_stand() -> None:
    for desk in packing.desks(6, entities=12, asked=5):
        assert len(desk.passages) == len(desk.relevance) >= 12
        assert sum(dict(zip(desk.passages, desk.relevance, strict=True)).values()) == packing.LOG
        for answer, sources in zip(desk.answers, desk.sources, strict=True):
            assert sources and all(answer in desk.passages[i] for i in sources)
            assert len({desk.passages[i] for i in sources}) == 1


def test_desks_come_again_with_their_seed_and_need_something_in_them() -> None:
    assert packing.desks(2) == packing.desks(2) != packing.desks(2, seed=1)
    with pytest.raises(ValueError, match="at least 1 of each"):
        packing.desks(1, entities=0)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), max_size=9), st.integers(0, 40))
def test_every_way_of_packing_keeps_to_its_budget(rows: list[tuple[int, int]], budget: int) -> None:
    texts = [" ".join([f"p{i}"] * size) for i, (size, _) in enumerate(rows)]
    relevance = [float(value) for _, value in rows]
    for pack in (packing.first_come, packing.by_relevance, PACK):
        chosen = pack(texts, relevance, budget, words)
        costs = packing.costs_of([texts[i] for i in chosen], words)
        assert sum(costs) <= budget and len(set(chosen)) == len(chosen)


def test_the_ways_differ_as_their_names_say() -> None:
    texts, relevance = ["a a a a", "b", "c"], [5.0, 1.0, 4.0]
    assert packing.first_come(texts, relevance, 7, words) == [0, 1]
    assert packing.by_relevance(texts, relevance, 5, words) == [0]
    assert PACK(texts, relevance, 4, words) == [1, 2]


def test_the_passages_that_questions_need_are_counted() -> None:
    desks = packing.desks(3, entities=6, asked=4)
    assert packing.holding(packing.first_come, desks, 10_000, words) == 1.0
    assert packing.holding(packing.first_come, desks, 0, words) == 0.0
    some = packing.holding(packing.first_come, desks, 60, words)
    assert 0 < some < 1 and some * 12 == pytest.approx(round(some * 12))


def test_a_packer_over_its_budget_is_found_out() -> None:
    desks = packing.desks(1, entities=4, asked=1)
    with pytest.raises(ValueError, match="more than the budget of 5 tokens"):
        packing.packed_haystacks(lambda texts, *_: list(range(len(texts))), desks, 5, words)


def test_what_is_packed_is_answered_and_what_is_not_is_not(base: Loaded) -> None:
    desks = packing.desks(3, entities=3, asked=4)
    everything = packing.answered(PACK, desks, 400, *base)
    assert sum(map(sum, everything)) >= 10
    gain = packing.gain(everything, [[False] * 4] * 3)
    assert gain.value == pytest.approx(sum(map(sum, everything)) / 12)


def test_every_budget_is_tried_and_judged(base: Loaded) -> None:
    desk = packing.desks(1, entities=4, asked=3)[0]
    found = packing.tried({"ours": PACK, "first": packing.first_come}, desk, (40, 80, 300), *base)
    assert list(found) == ["ours", "first"]
    for tries in found.values():
        assert [one.budget for one in tries] == [40, 80, 300]
        for one in tries:
            assert one.right == tuple(
                reply == answer for reply, answer in zip(one.replies, desk.answers, strict=True)
            )
    assert len(found["ours"][-1].chosen) >= len(found["ours"][0].chosen)
