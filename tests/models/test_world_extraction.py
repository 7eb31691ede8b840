"""Messages about orders: every field stands in the message, once, and can be told from the rest."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import extraction
from labkit.models.world.extraction import FIELDS, PROBLEMS
from labkit.models.world.lexicon import COMPANY_NAMES, GOODS, TOWN_NAMES, split_of

SEEDS = st.integers(0, 10_000)


@given(SEEDS)
def test_the_message_holds_every_field_once_and_no_rival(seed: int) -> None:
    record = extraction.record(random.Random(seed), "train")
    words = record.message.replace(".", " ").replace("?", " ").split()
    assert tuple(record.fields) == FIELDS
    assert record.message.count(record.fields["Name"]) == 1
    for field, possible in {"Goods": GOODS, "Town": TOWN_NAMES, "Problem": PROBLEMS}.items():
        assert [word for word in words if word in possible] == [record.fields[field]]
    numbers = sorted(word for word in words if word.isdigit())
    assert numbers == sorted([record.fields["Count"], record.fields["Order"]])
    assert not set(words) & set(COMPANY_NAMES)


@given(SEEDS, st.sampled_from(FIELDS))
def test_a_question_asks_for_one_field(seed: int, field: str) -> None:
    asked = extraction.question(random.Random(seed), "test", field)
    record = extraction.record(random.Random(seed), "test")
    assert asked.prompt == f"Message: {record.message}\n{field}: "
    assert asked.answer == record.fields[field]
    assert split_of(record.fields["Name"]) == "test"


@given(SEEDS)
def test_a_document_answers_from_the_message_above(seed: int) -> None:
    document = extraction.document(random.Random(seed))
    message = ""
    for part in document.parts:
        if part.text.startswith("Message: "):
            message = part.text
        elif part.answer:
            assert part.text.strip() in message
    assert 2 <= sum(part.answer for part in document.parts) <= 12


def test_fields_come_first_and_last_alike() -> None:
    firsts = {extraction.document(random.Random(seed)).parts[1].text for seed in range(200)}
    assert firsts == {f"{field}: " for field in FIELDS}
