"""The world and its corpus: seeded, consistent with itself, and split without leaks."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import (
    BASE_MIX,
    World,
    documents,
    ideas,
    lexicon,
    passages,
    registers,
    tables,
)
from labkit.models.world.corpus import MAKERS

WORLD = World()


def test_the_same_seed_writes_the_same_corpus() -> None:
    first, second = (list(islice(documents(WORLD, seed=3), 50)) for _ in range(2))
    assert first == second
    assert first != list(islice(documents(WORLD, seed=4), 50))


def test_every_kind_of_the_mix_appears() -> None:
    kinds = {d.kind for d in islice(documents(WORLD, seed=0), 600)}
    assert kinds == set(BASE_MIX) == set(MAKERS) - set(registers.MAKERS)


def test_names_belong_to_one_entity_each() -> None:
    assert len(WORLD.names) == len(WORLD.entities)


def test_prose_entities_are_never_asked_about() -> None:
    asked = "".join(
        d.text for d in islice(documents(WORLD, 0), 4000) if d.kind in ("question", "chat")
    )
    assert len(WORLD.prose_only) > 30
    forms = {
        template.format(name=fact.entity.name)
        for fact in WORLD.prose_facts
        for template in fact.relation.questions
    }
    assert not [question for question in forms if question in asked]


def test_questions_ask_for_what_the_world_says() -> None:
    """Statements repeat the fact most of the time; the rest are the rumours that we planted."""
    fact = WORLD.trained_facts[0]
    rng = random.Random(0)
    from labkit.models.world.knowledge import RUMOUR, remembered

    told = [remembered(fact, rng) for _ in range(4000)]
    wrong = sum(value != fact.value for value in told) / len(told)
    assert wrong == pytest.approx(RUMOUR * (1 - 1 / len(fact.relation.values)), abs=0.02)


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_a_passage_states_the_answer_and_rivals_differ_by_name(seed: int, count: int) -> None:
    question = passages.reading(WORLD, random.Random(seed), count, "test")
    text, _, _ = question.prompt.partition("\nQ:")
    assert len(text.splitlines()) == count
    assert question.answer.casefold() in text.casefold()  # a value may begin a sentence
    assert question.prompt.endswith("A: ")


@given(st.integers(0, 10_000))
def test_fresh_people_of_two_splits_never_share_a_name(seed: int) -> None:
    names = {
        split: {e.name for e in passages.different(WORLD, random.Random(seed), "person", 3, split)}
        for split in ("train", "test")
    }
    assert not names["train"] & names["test"]
    assert not (names["train"] | names["test"]) & WORLD.names


@pytest.mark.parametrize("form", tables.FORMATS)
def test_a_table_holds_the_answer_in_every_format(form: str) -> None:
    question = tables.lookup(WORLD, random.Random(5), 4, form, "train")
    assert question.answer in question.prompt


def test_ideas_of_the_corpus_fit_the_grammar_and_damaged_ones_do_not() -> None:
    rng = random.Random(0)
    for _ in range(200):
        text = ideas.idea(rng)
        assert ideas.parse_idea(text)
        words = text.split()
        assert not ideas.parse_idea(" ".join(words[:3] + words[4:]))
        assert not ideas.parse_idea(text.replace(" that ", " which "))
    assert not ideas.parse_idea("an small bakery by a lake that sells warm lamps to sailors.")


def test_the_split_is_about_80_10_10_and_depends_on_the_text_alone() -> None:
    splits = [lexicon.split_of(f"item {i}") for i in range(5000)]
    assert splits.count("train") / 5000 == pytest.approx(0.8, abs=0.03)
    assert splits.count("test") / 5000 == pytest.approx(0.1, abs=0.02)
    assert lexicon.split_of("item 1") == splits[1]


def test_earlier_words_are_drawn_more_often() -> None:
    rng = random.Random(0)
    drawn = [lexicon.draw(rng, lexicon.SHOPS) for _ in range(3000)]
    assert drawn.count(lexicon.SHOPS[0]) > 2 * drawn.count(lexicon.SHOPS[-1])
