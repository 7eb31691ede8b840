"""Haystacks hold what they promise, prompts are cut as asked, chats end in a question."""

from __future__ import annotations

import re

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments import context
from labkit.instruments.context import Haystack
from labkit.models import complete, exact_match, load_model
from labkit.models.world import World

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def base() -> Loaded:
    return load_model("base")


@pytest.mark.parametrize(("passages", "asked"), [(1, 1), (5, 5), (8, 3), (12, 6)])
def test_a_needle_tells_what_is_asked_and_every_position_has_its_turn(
    passages: int, asked: int
) -> None:
    stacks = context.rival_haystacks(passages, 24, asked)
    for stack in stacks:
        assert len(stack.passages) == passages == stack.text.count("\n")
        assert len(stack.needles) == len(stack.questions) == len(stack.answers) == asked
        for needle, answer in zip(stack.needles, stack.answers, strict=True):
            assert answer in stack.passages[needle]
    assert {needle for stack in stacks for needle in stack.needles} == set(range(passages))


def test_the_same_seed_gives_the_same_haystacks_and_another_gives_others() -> None:
    assert context.rival_haystacks(3, 5, 1) == context.rival_haystacks(3, 5, 1)
    assert context.rival_haystacks(3, 5, 1) != context.rival_haystacks(3, 5, 1, seed=1)


@pytest.mark.parametrize("asked", [0, 4])
def test_more_questions_than_passages_are_refused(asked: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 to all of them"):
        context.rival_haystacks(3, 1, asked)


NAME = r"[A-Z]\w+(?: [A-Z]\w+)?"


def relation_of(question: str) -> str:
    """The relation that a question asks for."""
    return next(
        relation.name
        for relation in World().relations.values()
        for form in relation.questions
        if re.search(re.escape(form).replace(r"\{name\}", NAME), question)
    )


def tells(text: str, relation: str) -> bool:
    """Whether a passage states this relation of anybody."""
    known = World().relations[relation]
    values = "|".join(map(re.escape, known.values))
    patterns = (
        form.replace("{name}", ".+").replace("{value}", f"({values})") for form in known.statements
    )
    return any(re.search(pattern, text) for pattern in patterns)


@pytest.mark.parametrize("likeness", context.LIKENESS)
def test_distractors_are_as_like_the_needle_as_was_asked(likeness: str) -> None:
    for stack in context.haystacks_by_likeness(likeness, 6, 12):
        assert len(stack.needles) == 2
        for needle, question, answer in zip(
            stack.needles, stack.questions, stack.answers, strict=True
        ):
            assert answer in stack.passages[needle]
            others = [text for i, text in enumerate(stack.passages) if i != needle]
            told = {tells(text, relation_of(question)) for text in others}
            assert told == {likeness == "same relation"}, (question, others)


def test_an_unknown_likeness_or_rule_is_answered_with_the_nearest(base: Loaded) -> None:
    with pytest.raises(LookupError, match="did you mean other kind"):
        context.haystacks_by_likeness("other kinds", 4, 1)
    with pytest.raises(LookupError, match="did you mean middle"):
        context.cut(base[1], "text", 10, "midle")
    with pytest.raises(ValueError, match="at least 2"):
        context.haystacks_by_likeness("other kind", 1, 1)


def test_asking_gives_what_complete_gives(base: Loaded) -> None:
    stacks = context.rival_haystacks(2, 6, 2)
    prompts = [stack.text + question for stack in stacks for question in stack.questions]
    answers = [answer for stack in stacks for answer in stack.answers]
    texts = complete(*base, prompts, max_new_tokens=12)
    flat = [hit for row in context.ask(*base, stacks) for hit in row]
    assert flat == [exact_match(t, answer) for (t,), answer in zip(texts, answers, strict=True)]


def test_what_is_not_shown_cannot_be_answered(base: Loaded) -> None:
    stacks = context.rival_haystacks(1, 10, 1)
    assert sum(hit for (hit,) in context.ask(*base, stacks)) >= 9
    blind = context.ask(*base, stacks, shown=lambda text: "There is nothing to read.\n")
    assert sum(hit for (hit,) in blind) <= 4


def test_intervals_know_that_questions_about_one_text_belong_together() -> None:
    together = context.accuracy("x", [[True] * 10, [False] * 10] * 10)
    apart = context.accuracy("x", [[True], [False]] * 100)
    assert together.value == apart.value == 0.5
    assert together.n == apart.n == 200
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_a_figure_without_misses_is_not_certain() -> None:
    sure = context.accuracy("x", [[True, True]] * 20)
    assert sure.value == sure.high == 1 and sure.low < 0.9
    with pytest.raises(ValueError, match="at least one question"):
        context.accuracy("x", [])


def test_positions_are_counted_in_their_part() -> None:
    stack = Haystack(("a", "b", "c", "d"), (0, 1, 3), ("?",) * 3, ("!",) * 3)
    first, last = context.by_position([stack] * 4, [[True, True, False]] * 4, 2)
    assert (first.value, first.n) == (1.0, 8)
    assert (last.value, last.n) == (0.0, 4)


@pytest.mark.parametrize(("rule", "kept"), [("head", "c d e"), ("tail", "a b c")])
def test_a_cut_keeps_as_many_tokens_as_there_is_room(base: Loaded, rule: str, kept: str) -> None:
    tokenizer = base[1]
    text = "a b c d e"
    budget = len(tokenizer(kept, add_special_tokens=False)["input_ids"])
    assert context.cut(tokenizer, text, budget, rule) == kept
    assert context.cut(tokenizer, text, 100, rule) == text


def test_a_cut_middle_leaves_both_ends(base: Loaded) -> None:
    tokenizer = base[1]
    text = "".join(f"Line {i}.\n" for i in range(40))
    short = context.cut(tokenizer, text, 31, "middle")
    assert len(tokenizer(short, add_special_tokens=False)["input_ids"]) <= 31
    assert short.startswith("Line 0.\n") and short.endswith("Line 39.\n")
    with pytest.raises(ValueError, match="at least 2"):
        context.cut(tokenizer, text, 1, "middle")


def test_a_chat_ends_in_a_new_question_that_its_system_prompt_answers() -> None:
    for chat in context.chats(10, passages_each=3, turns=5):
        system, *turns, question = chat.messages
        assert system["role"] == "system" and question["role"] == "user"
        assert [message["role"] for message in turns] == ["user", "assistant"] * 5
        assert chat.answer in system["content"]
        assert all(turn["content"] != question["content"] for turn in turns)


def test_messages_are_counted_as_they_are_rendered(base: Loaded) -> None:
    chat = context.chats(1, passages_each=2, turns=3)[0]
    count = context.message_counter(base[1])
    prompt = context.prompt_of(chat.messages)
    whole = len(base[1](prompt, add_special_tokens=False)["input_ids"])
    assert sum(map(count, chat.messages)) == whole
    assert prompt.endswith("\nA: ")


def test_a_chat_that_fits_is_answered_and_one_without_its_question_is_not(base: Loaded) -> None:
    chats = context.chats(8, passages_each=2, turns=1)
    whole = context.ask_chats(*base, chats, context.cutting(base[1], "head"), 500)
    cut = context.ask_chats(*base, chats, context.cutting(base[1], "tail"), 20)
    assert sum(hit for (hit,) in whole) >= 7
    assert not any(hit for (hit,) in cut)
