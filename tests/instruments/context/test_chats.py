"""Prompts are cut as asked, and chats end in a question."""

from __future__ import annotations

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments.context import chats
from labkit.models import load_model

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def base() -> Loaded:
    return load_model("base")


@pytest.mark.parametrize(("rule", "kept"), [("head", "c d e"), ("tail", "a b c")])
def test_a_cut_keeps_as_many_tokens_as_there_is_room(base: Loaded, rule: str, kept: str) -> None:
    tokenizer = base[1]
    text = "a b c d e"
    budget = len(tokenizer(kept, add_special_tokens=False)["input_ids"])
    assert chats.cut(tokenizer, text, budget, rule) == kept
    assert chats.cut(tokenizer, text, 100, rule) == text


def test_a_cut_middle_leaves_both_ends(base: Loaded) -> None:
    tokenizer = base[1]
    text = "".join(f"Line {i}.\n" for i in range(40))
    short = chats.cut(tokenizer, text, 31, "middle")
    assert len(tokenizer(short, add_special_tokens=False)["input_ids"]) <= 31
    assert short.startswith("Line 0.\n") and short.endswith("Line 39.\n")
    with pytest.raises(ValueError, match="at least 2"):
        chats.cut(tokenizer, text, 1, "middle")


def test_a_chat_ends_in_a_new_question_that_its_system_prompt_answers() -> None:
    for chat in chats.chats(10, passages_each=3, turns=5):
        system, *turns, question = chat.messages
        assert system["role"] == "system" and question["role"] == "user"
        assert [message["role"] for message in turns] == ["user", "assistant"] * 5
        assert chat.answer in system["content"]
        assert all(turn["content"] != question["content"] for turn in turns)


def test_messages_are_counted_as_they_are_rendered(base: Loaded) -> None:
    chat = chats.chats(1, passages_each=2, turns=3)[0]
    count = chats.message_counter(base[1])
    prompt = chats.prompt_of(chat.messages)
    whole = len(base[1](prompt, add_special_tokens=False)["input_ids"])
    assert sum(map(count, chat.messages)) == whole
    assert prompt.endswith("\nA: ")


def test_a_chat_that_fits_is_answered_and_one_without_its_question_is_not(base: Loaded) -> None:
    some = chats.chats(8, passages_each=2, turns=1)
    whole = chats.ask_chats(*base, some, chats.cutting(base[1], "head"), 500)
    cut = chats.ask_chats(*base, some, chats.cutting(base[1], "tail"), 20)
    assert sum(hit for (hit,) in whole) >= 7
    assert not any(hit for (hit,) in cut)


def test_an_unknown_rule_is_answered_with_the_nearest(base: Loaded) -> None:
    with pytest.raises(LookupError, match="did you mean middle"):
        chats.cut(base[1], "text", 10, "midle")
