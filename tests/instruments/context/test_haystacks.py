"""Haystacks hold what they promise, and are asked as they should be."""

from __future__ import annotations

import re

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments.context import haystacks
from labkit.instruments.context.haystacks import Haystack
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
    stacks = haystacks.rival_haystacks(passages, 24, asked)
    for stack in stacks:
        assert len(stack.passages) == passages == stack.text.count("\n")
        assert len(stack.needles) == len(stack.questions) == len(stack.answers) == asked
        for needle, answer in zip(stack.needles, stack.answers, strict=True):
            assert answer in stack.passages[needle]
    assert {needle for stack in stacks for needle in stack.needles} == set(range(passages))


def test_the_same_seed_gives_the_same_haystacks_and_another_gives_others() -> None:
    assert haystacks.rival_haystacks(3, 5, 1) == haystacks.rival_haystacks(3, 5, 1)
    assert haystacks.rival_haystacks(3, 5, 1) != haystacks.rival_haystacks(3, 5, 1, seed=1)


@pytest.mark.parametrize("asked", [0, 4])
def test_more_questions_than_passages_are_refused(asked: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 to all of them"):
        haystacks.rival_haystacks(3, 1, asked)


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


@pytest.mark.parametrize("likeness", haystacks.LIKENESS)
def test_distractors_are_as_like_the_needle_as_was_asked(likeness: str) -> None:
    for stack in haystacks.haystacks_by_likeness(likeness, 6, 12):
        assert len(stack.needles) == 2
        for needle, question, answer in zip(
            stack.needles, stack.questions, stack.answers, strict=True
        ):
            assert answer in stack.passages[needle]
            others = [text for i, text in enumerate(stack.passages) if i != needle]
            told = {tells(text, relation_of(question)) for text in others}
            assert told == {likeness == "same relation"}, (question, others)


def test_an_unknown_likeness_is_answered_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean other kind"):
        haystacks.haystacks_by_likeness("other kinds", 4, 1)
    with pytest.raises(ValueError, match="at least 2"):
        haystacks.haystacks_by_likeness("other kind", 1, 1)


def test_asking_gives_what_complete_gives(base: Loaded) -> None:
    stacks = haystacks.rival_haystacks(2, 6, 2)
    prompts = [stack.text + question for stack in stacks for question in stack.questions]
    answers = [answer for stack in stacks for answer in stack.answers]
    texts = complete(*base, prompts, max_new_tokens=12)
    flat = [hit for row in haystacks.ask(*base, stacks) for hit in row]
    assert flat == [exact_match(t, answer) for (t,), answer in zip(texts, answers, strict=True)]


def test_what_is_not_shown_cannot_be_answered(base: Loaded) -> None:
    stacks = haystacks.rival_haystacks(1, 10, 1)
    assert sum(hit for (hit,) in haystacks.ask(*base, stacks)) >= 9
    blind = haystacks.ask(*base, stacks, shown=lambda text: "There is nothing to read.\n")
    assert sum(hit for (hit,) in blind) <= 4


def test_intervals_know_that_questions_about_one_text_belong_together() -> None:
    together = haystacks.accuracy("x", [[True] * 10, [False] * 10] * 10)
    apart = haystacks.accuracy("x", [[True], [False]] * 100)
    assert together.value == apart.value == 0.5
    assert together.n == apart.n == 200
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_a_figure_without_misses_is_not_certain() -> None:
    sure = haystacks.accuracy("x", [[True, True]] * 20)
    assert sure.value == sure.high == 1 and sure.low < 0.9
    with pytest.raises(ValueError, match="at least one question"):
        haystacks.accuracy("x", [])


def test_positions_are_counted_in_their_part() -> None:
    stack = Haystack(("a", "b", "c", "d"), (0, 1, 3), ("?",) * 3, ("!",) * 3)
    first, last = haystacks.by_position([stack] * 4, [[True, True, False]] * 4, 2)
    assert (first.value, first.n) == (1.0, 8)
    assert (last.value, last.n) == (0.0, 4)
