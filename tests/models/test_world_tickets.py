"""Tickets: fields that the text decides, JSON that reads back, splits that never touch."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import World, documents, tickets
from labkit.models.world.lexicon import PRODUCT_NAMES, Split, split_of
from labkit.models.world.tickets import FIELDS, URGENCY, WANTS

SEEDS = st.integers(0, 10_000)


@given(SEEDS)
def test_copied_fields_stand_in_the_text_once_and_read_ones_are_said_once(seed: int) -> None:
    ticket = tickets.ticket(random.Random(seed), "train")
    words = ticket.text.replace(".", " ").replace(",", " ").replace(":", " ").split()
    assert [word for word in words if word in PRODUCT_NAMES] == [ticket.fields["product"]]
    assert [word for word in words if len(word) == 5 and word.isdigit()] == [ticket.fields["order"]]
    for field, phrases in {"urgency": URGENCY, "wants": WANTS}.items():
        said = [value for value, forms in phrases.items() if any(f in ticket.text for f in forms)]
        assert said == [ticket.fields[field]]


def test_a_phrase_has_one_meaning_and_none_holds_another() -> None:
    phrases = [f for value in (URGENCY, WANTS) for forms in value.values() for f in forms]
    assert len(set(phrases)) == len(phrases)
    assert not [(a, b) for a in phrases for b in phrases if a != b and a in b]


def test_looking_for_the_word_of_the_answer_is_not_enough() -> None:
    """The baseline of a lesson: many tickets do not name their wish, or name another one."""
    found = tickets.examples(400, "validation", 0)
    right = sum([w for w in WANTS if w in t.text] == [t.fields["wants"]] for t in found)
    assert right / 400 < 0.5


@given(SEEDS)
def test_the_answer_is_json_in_one_line_with_the_fields_in_order(seed: int) -> None:
    asked = tickets.question(random.Random(seed), "test")
    assert asked.prompt.startswith("Ticket: ") and asked.prompt.endswith("\nJSON: ")
    assert tuple(json.loads(asked.answer)) == FIELDS
    assert tickets.parse(asked.answer) == json.loads(asked.answer)
    assert "\n" not in asked.answer


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"product": "A"}', "NaN", '{"product": 1, "order": "2", '
             '"urgency": "low", "wants": "refund"}']
)  # fmt: skip
def test_what_is_not_the_wanted_json_is_none(text: str) -> None:
    assert tickets.parse(text) is None


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_examples_are_distinct_seeded_balanced_and_of_one_split(split: Split) -> None:
    found = tickets.examples(400, split, 0)
    keys = {(t.fields["product"], t.fields["order"]) for t in found}
    assert len(keys) == len({t.text for t in found}) == 400
    assert {split_of(f"{product} {order}") for product, order in keys} == {split}
    assert found == tickets.examples(400, split, 0) != tickets.examples(400, split, 1)
    wishes = Counter(t.fields["wants"] for t in found)
    assert min(wishes.values()) > 100


def test_the_corpus_has_no_ticket() -> None:
    text = "\n".join(document.text for document in islice(documents(World(), 0), 1500))
    assert "Ticket:" not in text and "JSON:" not in text and '"urgency"' not in text
