"""Tickets as turns of a chat, and the four fields found in what a model writes around them."""

from __future__ import annotations

import json

import pytest
from transformers import AutoTokenizer

from labkit.instruments.real.tickets import ASKED, found_in, ticket_question
from labkit.models.world.tickets import examples
from labkit.models.zoo import WEIGHTS

FIELDS = {"product": "Lorkix", "order": "48213", "urgency": "low", "wants": "refund"}
JSON = json.dumps(FIELDS)


def test_solved_tickets_are_earlier_turns_and_the_last_one_is_open() -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "base")
    first, second, third = examples(3, "train", 0)
    question = ticket_question(tokenizer, third, [first, second])
    assert question.prompt.count(ASKED) == 3 and question.answer == third.as_json
    places = [question.prompt.index(t) for t in (first.text, first.as_json, second.as_json)]
    assert places == sorted(places) and third.as_json not in question.prompt
    alone = ticket_question(tokenizer, third).prompt
    assert question.prompt.endswith(alone.removeprefix(tokenizer.bos_token or ""))


@pytest.mark.parametrize(
    "text", [JSON, f"```json\n{JSON}\n```", f"Here it is: {JSON} Anything else?"]
)
def test_a_fence_or_words_around_it_are_no_mistake(text: str) -> None:
    assert found_in(text) == FIELDS


@pytest.mark.parametrize(
    "text",
    ["", "{", "} {", JSON[:-1], f"{JSON} and {JSON}", json.dumps(FIELDS | {"shop": "x"}),
     json.dumps(FIELDS | {"order": 48213})],
)  # fmt: skip
def test_what_is_not_one_object_of_the_four_strings_is_none(text: str) -> None:
    assert found_in(text) is None
