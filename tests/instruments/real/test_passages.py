"""Passages for a model of the real world: solved questions before them, and a fair judge."""

from __future__ import annotations

from labkit.instruments.context.haystacks import rival_haystacks
from labkit.instruments.real.passages import SHOWN, demonstrations, names, read
from labkit.models import complete
from labkit.models.zoo import load_bundled


def test_demonstrations_differ_and_never_show_what_is_asked() -> None:
    sets = [demonstrations(seed) for seed in range(8)]
    assert len(set(sets)) == 8 and sets[0] == demonstrations(0)
    assert all(text.count("\nA: ") == SHOWN and text.endswith("\n\n") for text in sets)
    asked = {
        p for seed in range(8) for s in rival_haystacks(4, 3, 4, seed=seed) for p in s.passages
    }
    assert not [passage for passage in asked for text in sets if passage in text]


def test_a_model_gets_the_text_after_the_solved_questions_or_the_question_alone() -> None:
    model, tokenizer = load_bundled("draft")
    stacks, shown = rival_haystacks(2, 3, 2, seed=5), demonstrations(0, 1)
    for with_text in (True, False):
        said = read(model, tokenizer, stacks, shown, with_text=with_text)
        prompts = [
            f"{shown}{stack.text if with_text else ''}{question.strip()}"
            for stack in stacks
            for question in stack.questions
        ]
        expected = complete(model, tokenizer, prompts, max_new_tokens=10)
        assert [text for texts in said for text in texts] == [text for (text,) in expected]


def test_a_value_counts_where_it_is_named_first_alone_or_in_the_plural() -> None:
    others = ["goat", "cat", "Lekelmia"]
    assert names(" a goat.", "goat", others) and names("goats", "goat", others)
    assert names("It is Lekelmia, I think", "Lekelmia", others)
    assert not names("a cat, not a goat", "goat", others)
    assert not names("goatherd", "goat", others) and not names("", "goat", others)
    assert names(" turtles", "turtle", ["turtle"])
