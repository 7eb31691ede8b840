"""Labelled texts: the files, the examples that are drawn, the prompts, and what an answer names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from labkit.instruments.real.accepting import plain
from labkit.instruments.real.labels import (
    LabelledSet,
    LabelledText,
    draw_shots,
    label_in,
    label_items,
    sentiment,
    topics,
)
from labkit.models.zoo import WEIGHTS

TOPICS = ["business", "culture", "politics", "science", "sport", "weather"]
SETS = pytest.mark.parametrize("texts_of", [sentiment, topics])
OF_A_SET = st.sampled_from([sentiment(), topics()])
SEEDS = st.integers(0, 10**6)


def all_of(texts: LabelledSet) -> tuple[LabelledText, ...]:
    return texts.shown + texts.asked


def counts(texts: tuple[LabelledText, ...] | list[LabelledText]) -> dict[str, int]:
    return dict(Counter(text.label for text in texts))


# ---- the files -----------------------------------------------------------------------------------


def test_both_parts_have_as_many_of_each_label() -> None:
    assert counts(sentiment().shown) == {"positive": 40, "negative": 40}
    assert counts(sentiment().asked) == {"positive": 80, "negative": 80}
    assert counts(topics().shown) == dict.fromkeys(TOPICS, 13)
    assert counts(topics().asked) == dict.fromkeys(TOPICS, 27)


def test_hard_ones_are_a_quarter_of_each_part_and_label() -> None:
    for part, number in ((sentiment().shown, 10), (sentiment().asked, 20)):
        hard = counts([text for text in part if text.hard])
        assert hard == {"positive": number, "negative": number}
    assert not any(text.hard for text in all_of(topics()))


@SETS
def test_no_text_comes_twice_or_nearly_so(texts_of: Callable[[], LabelledSet]) -> None:
    texts = [plain(text.text) for text in all_of(texts_of())]
    assert len(texts) == len(set(texts)) == 240
    words = [set(text.split()) for text in texts]
    close = [(a, b) for a, b in combinations(words, 2) if len(a & b) > len(a | b) / 3]
    assert not close


@SETS
def test_texts_are_short_sentences_that_do_not_name_a_label(
    texts_of: Callable[[], LabelledSet],
) -> None:
    texts = all_of(texts_of())
    labels = "|".join(counts(texts))
    for text in texts:
        assert 6 <= len(text.text.split()) <= 22, text
        assert re.fullmatch(r"[A-Z].*[.!]", text.text), text
        assert not re.search(labels, text.text.casefold()), text


# ---- examples ------------------------------------------------------------------------------------


@given(OF_A_SET, st.integers(0, 78), SEEDS)
def test_examples_are_balanced_and_more_of_them_hold_the_fewer(
    texts: LabelledSet, n: int, seed: int
) -> None:
    drawn = draw_shots(texts.shown, n, seed)
    assert len(set(drawn)) == len(drawn) == n and set(drawn) <= set(texts.shown)
    numbers = [counts(drawn).get(label, 0) for label in counts(texts.shown)]
    assert max(numbers) - min(numbers) <= 1
    assert drawn == draw_shots(texts.shown, n, seed)
    assert set(draw_shots(texts.shown, n // 2, seed)) <= set(drawn)


def test_another_seed_draws_others_in_another_order() -> None:
    drawn = [tuple(draw_shots(sentiment().shown, 8, seed)) for seed in range(30)]
    assert len(set(drawn)) == 30
    assert len({tuple(text.label for text in texts) for texts in drawn}) > 10
    assert {texts[0].label for texts in drawn} == {"positive", "negative"}


@pytest.mark.parametrize("n", [-1, 5, 100])
def test_examples_that_are_not_there_are_refused(n: int) -> None:
    texts = [LabelledText("Fine.", "positive"), *sentiment().asked[-9:]]
    with pytest.raises(ValueError, match=r"'positive': 1, 'negative': 9"):
        draw_shots(texts, n, 0)


# ---- prompts -------------------------------------------------------------------------------------

FINE, POOR = LabelledText("It is fine.", "positive"), LabelledText("It is poor.", "negative")
GOOD = LabelledText("It is good.", "positive")


def test_a_plain_prompt_shows_solved_texts_and_ends_where_the_label_stands() -> None:
    items = label_items([GOOD, POOR], [FINE], names={"positive": "foo"})
    assert items.prompts == [
        "Sentence: It is fine.\nLabel: foo\n\nSentence: It is good.\nLabel:",
        "Sentence: It is fine.\nLabel: foo\n\nSentence: It is poor.\nLabel:",
    ]
    assert items.answers == ("foo", "negative")
    assert label_items([GOOD]).prompts == ["Sentence: It is good.\nLabel:"]


def test_a_chat_shows_them_as_earlier_turns() -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "base")
    (prompt,) = label_items([GOOD], [FINE, POOR], tokenizer=tokenizer).prompts
    asked = "<|user|>Label the sentence with one word: negative or positive.\n\nSentence: "
    turns = [f"{asked}It is {word}.<|end|><|assistant|>" for word in ("fine", "poor", "good")]
    assert prompt == f"{turns[0]}positive<|end|>{turns[1]}negative<|end|>{turns[2]}"


def test_names_that_no_text_here_has_are_possible_answers_too() -> None:
    items = label_items([GOOD], names={"positive": "foo", "negative": "bar"})
    assert items.is_right(0, " foo") and not items.is_right(0, " foo or bar")
    merged = label_items([GOOD, POOR], names={"positive": "text", "negative": "text"})
    assert merged.is_right(0, "text") and merged.is_right(1, "Text.")


@settings(max_examples=30)  # each judges six items by all labels
@given(OF_A_SET, st.integers(0, 8), SEEDS, st.booleans())
def test_an_item_is_right_by_its_answer_and_by_no_other(
    texts: LabelledSet, shots: int, seed: int, exchanged: bool
) -> None:
    labels = sorted(counts(texts.asked))
    names = dict(zip(labels, labels[1:] + labels[:1], strict=True)) if exchanged else {}
    asked = draw_shots(texts.asked, 6, seed)
    shown = draw_shots(texts.shown, shots, seed)
    items = label_items(asked, shown, names=names)
    for i, (text, prompt) in enumerate(zip(asked, items.prompts, strict=True)):
        assert items.answers[i] == names.get(text.label, text.label)
        right = [label for label in labels if items.is_right(i, f" {label}\n\nSentence: ")]
        assert right == [items.answers[i]]
        assert prompt.endswith(f"Sentence: {text.text}\nLabel:")
        assert [prompt.count(f"Sentence: {one.text}\n") for one in shown] == [1] * shots


# ---- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("positive", "positive"),
        (" Positive.", "positive"),
        ("NEGATIVE!", "negative"),
        ('"positive"', "positive"),
        ("**Negative**", "negative"),
        ("The label is: positive", "positive"),
        ("Label: negative\n\nSentence: It is fine.\nLabel: positive", "negative"),
        ("positive sentiment", "positive"),
        ("It's negative, clearly", "negative"),
        ("It is positive. A negative one would complain.", "positive"),
        ("...\n\n- negative", "negative"),
        ("negative/negative", "negative"),
        ("The positives win", "positive"),
        ("not negative", "negative"),  # denials are not read
        ("positive, not negative", None),
        ("Neither positive nor negative.", None),
        ("positive or negative?", None),
        ("unpositive", None),
        ("positively awful", None),
        ("negativ", None),
        ("posi tive", None),
        ("I can't say. Positive, perhaps.", None),  # only the first sentence counts
        ("neutral", None),
        ("...", None),
        ("", None),
    ],
)
def test_an_answer_names_one_label_or_none(text: str, label: str | None) -> None:
    assert label_in(text, ["positive", "negative"]) == label


@pytest.mark.parametrize(
    ("text", "labels", "label"),
    [
        ("That is incorrect.", ["correct", "incorrect"], "incorrect"),
        ("Sports", TOPICS, "sport"),
        ("Science and politics", TOPICS, None),
        ("Politics: the business of a minister", TOPICS, None),
        ("It's a 1.", ["0", "1"], "1"),
        ("10", ["0", "1"], None),
        ("Très bien", ["tres bien", "assez bien"], "tres bien"),
        ("food", ["foo", "bar"], None),
    ],
)
def test_other_labels_are_named_by_whole_words(
    text: str, labels: list[str], label: str | None
) -> None:
    assert label_in(text, labels) == label


@given(
    st.text(max_size=60), st.sampled_from(TOPICS), st.sampled_from([" ", "", '"', "*", ".", "'"])
)
def test_a_label_is_found_whatever_stands_around_or_after_it(
    after: str, label: str, sign: str
) -> None:
    assert label_in(f"{sign}{label.upper()}{sign}\n{after}", TOPICS) == label
    assert label_in(f"x{label}", TOPICS) is None
    assert label_in(after, TOPICS) in {None, *TOPICS}


def test_a_label_without_letters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['\+'\]"):
        label_in("+", ["+", "minus"])
