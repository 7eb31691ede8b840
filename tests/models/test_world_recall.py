"""Recall: what a line binds stays bound, and only what has been said before is asked for."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import World, recall
from labkit.models.world.document import Document

WORLD = World()
SEEDS = st.integers(0, 10_000)


def bindings(document: Document) -> dict[str, str]:
    """Key to value, having checked that a value is an answer just where its line came before."""
    bound: dict[str, str] = {}
    for key, value in zip(document.parts[::3], document.parts[1::3], strict=True):
        assert value.answer == (key.text in bound)
        assert bound.setdefault(key.text, value.text) == value.text
    return bound


@given(SEEDS)
def test_a_name_keeps_its_value_and_comes_back(seed: int) -> None:
    document = recall.names(WORLD, random.Random(seed))
    assert any(part.answer for part in document.parts)
    assert 2 <= len(bindings(document)) <= 8


@given(SEEDS)
def test_any_word_can_be_key_or_value(seed: int) -> None:
    document = recall.pairs(random.Random(seed))
    bound = bindings(document)
    keys = {
        next(key.removesuffix(s) for s in recall.SEPARATORS if key.endswith(s)) for key in bound
    }
    assert keys | set(bound.values()) <= set(recall.WORDS)
    assert not keys & set(bound.values())


def test_half_of_the_pairs_share_few_values() -> None:
    """So that what stands before a key can't tell its value."""
    found = [bindings(recall.pairs(random.Random(seed))) for seed in range(400)]
    shared = [len(set(b.values())) < len(b) for b in found if len(b) > 4]
    assert 0.4 < sum(shared) / len(shared) < 0.6
