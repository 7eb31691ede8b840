"""Lesson 02: the reference answers against the checks' truths, brute force and a real model."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from labkit.challenges import challenges_of
from labkit.challenges.context_window import kv_cache_bytes, pack_passages, truncate_chat
from labkit.grading.source.solutions import names, reference

LESSON = "02_context_window"
REFERENCE = {name: reference(LESSON, name) for name in names(LESSON)}
quick = settings(max_examples=60, deadline=None)


def test_every_solution_has_its_challenge_and_no_other() -> None:
    assert list(challenges_of(LESSON)) == list(names(LESSON))


@quick
@given(
    st.lists(st.integers(2, 9), max_size=6),
    st.integers(0, 4),
    st.integers(1, 4),
    st.integers(0, 60),
)
def test_a_truncated_chat_is_the_longest_end_that_fits(
    lengths: list[int], system: int, question: int, budget: int
) -> None:
    chat = truncate_chat.chat(*lengths, system=system, question=question)
    count = truncate_chat.words_and_marks
    try:
        expected = truncate_chat.true_truncation(chat, budget, count)
    except ValueError:
        with pytest.raises(ValueError, match="over the budget"):
            REFERENCE["truncate_chat"](chat, budget, count)
        return
    kept = REFERENCE["truncate_chat"](chat, budget, count)
    assert kept == expected
    assert sum(map(count, kept)) <= budget
    assert kept[-1] == chat[-1] and (not system or kept[0] == chat[0])
    assert kept[system > 0 :] == chat[len(chat) - len(kept) + (system > 0) :]


@pytest.mark.parametrize(
    ("heads", "shared", "size"), [(4, 4, None), (4, 2, None), (4, 1, 24), (2, None, 8)]
)
def test_cache_bytes_are_those_of_a_model_that_has_read(
    heads: int, shared: int | None, size: int | None
) -> None:
    more = {"num_key_value_heads": shared, "head_dim": size}
    given_keys = {name: value for name, value in more.items() if value is not None}
    shape = kv_cache_bytes.shape(3, heads, 32, **given_keys)
    config = LlamaConfig(**shape, intermediate_size=16, vocab_size=11)
    cache = DynamicCache(config=config)
    with torch.inference_mode():
        LlamaForCausalLM(config)(torch.ones((2, 5), dtype=torch.long), past_key_values=cache)
    measured = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert REFERENCE["kv_cache_bytes"](shape, 5, 2, 4) == measured


def test_the_table_of_shapes_gives_the_published_half_mebibyte() -> None:
    shapes, measured = kv_cache_bytes.SHAPES, kv_cache_bytes.true_cache_bytes
    assert measured(shapes["llama-2-7b"], 1, 1, 2) == 2**19
    assert measured(shapes["llama-3.1-8b"], 1, 1, 2) == 2**17


def optimum(sizes: list[int], relevance: list[float], budget: int) -> float:
    """The best sum of relevance, by trying every choice."""
    items = list(zip(sizes, relevance, strict=True))
    return max(
        sum(value for _, value in some)
        for count in range(len(items) + 1)
        for some in combinations(items, count)
        if sum(size + 1 for size, _ in some) <= budget
    )


@quick
@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0, 9, width=16)), max_size=7),
    st.integers(0, 40),
)
def test_a_packing_keeps_its_promises_and_gets_half_of_what_there_is(
    rows: list[tuple[int, float]], budget: int
) -> None:
    """The better of greedy by density and the best alone is at least half of the optimum."""
    sizes, relevance = [size for size, _ in rows], [value for _, value in rows]
    texts = [pack_passages.text_of(size, f"p{i}") for i, size in enumerate(sizes)]
    count = pack_passages.words_in
    chosen = REFERENCE["pack_passages"](texts, relevance, budget, count)
    best = optimum(sizes, relevance, budget)
    assert sum(relevance[i] for i in chosen) >= best / 2 - 1e-9
    if not ties(sizes, relevance):
        assert pack_passages.is_packing(texts, relevance, budget, count)(chosen) is None


def ties(sizes: list[int], relevance: list[float]) -> bool:
    """Whether two passages give the same per token: then more than one greedy sum is right."""
    found = [value / (size + 1) for size, value in zip(sizes, relevance, strict=True)]
    return len(set(found)) < len(found)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([0, 0], "twice"),
        ([7], "out of range"),
        (["a"], "a list of indices"),
        ([2], "relevance 0"),
        ([0, 1, 3], "budget is 8"),
        ([1, 0], "must never fall"),
        ([0], "would still fit"),
    ],
)
def test_a_broken_promise_is_named(chosen: list[int], said: str) -> None:
    problem = pack_passages.is_packing(
        ["a a", "b b", "c", "d d d"], [1.0, 2.0, 0.0, 1.5], 8, pack_passages.words_in
    )
    assert said in (problem(chosen) or "")


@pytest.mark.parametrize("challenge", challenges_of(LESSON).values(), ids=lambda c: c.name)
def test_words_are_there_and_apart(challenge) -> None:
    assert len(challenge.mistakes) >= 5
    assert len({mistake.message for mistake in challenge.mistakes}) == len(challenge.mistakes)
    assert any(character.isdigit() for character in challenge.hints[2]), "the last works numbers"
