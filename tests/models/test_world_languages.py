"""Tarvic and Olune: languages with words and an order of their own, and sentences of one split."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.models.training.tokenizer import LITTLE_WORDS
from labkit.models.world import languages
from labkit.models.world.languages import LANGUAGES, OLUNE, TARVIC, Language, Meaning
from labkit.models.world.lexicon import split_of

SAID = Meaning("fox", "small", "finds", "key", "old", "river")


def test_the_two_orders() -> None:
    t, o = TARVIC, OLUNE
    assert SAID.english == "The small fox finds the old key near the river."
    assert SAID.tarvic == (
        f"{t['fox']} {t['small']} {t['key']} {t['old']} ko {t['river']} ta {t['finds']}."
    )
    assert SAID.olune == (
        f"{o['finds']} el {o['small']} {o['fox']} el {o['old']} {o['key']} ni {o['river']}."
    )
    short = Meaning("fox", "", "finds", "bread", "", "")
    assert short.english == "The fox finds the bread."
    assert short.tarvic == f"{t['fox']} {t['bread']} ko {t['finds']}."


def test_the_words_of_the_languages_are_different_and_no_english() -> None:
    assert len(set(languages.WORDS)) == len(languages.WORDS)
    assert not set(languages.WORDS) & {*languages.ENGLISH, *LITTLE_WORDS.split("|")}


def _english_of(text: str, language: Language) -> str:
    """Back to English by the rules of the docstring: independent of how `Meaning` writes it."""
    words = {word: english for english, word in (TARVIC if language == "Tarvic" else OLUNE).items()}
    told = text.strip(".").split()
    if language == "Tarvic":
        verb = words[told.pop()]
        place = f" near the {words[told[-2]]}" if told[-1] == "ta" else ""
        nouns = told[: told.index("ko")]
        nouns_english = [words[word] for word in nouns]
        subject_length = 2 if nouns_english[1] in languages.ADJECTIVES else 1
        split = [nouns_english[:subject_length][::-1], nouns_english[subject_length:][::-1]]
    else:
        verb = words[told.pop(0)]
        place = f" near the {words[told[-1]]}" if told[-2] == "ni" else ""
        phrases = " ".join(told).split(" ni ")[0].removeprefix("el ").split(" el ")
        split = [[words[word] for word in phrase.split()] for phrase in phrases]
    subject, thing = (" ".join(words_) for words_ in split)
    return f"The {subject} {verb} the {thing}{place}."


@given(st.integers(0, 10_000), st.sampled_from(LANGUAGES))
def test_a_translation_can_be_read_back(seed: int, language: Language) -> None:
    asked = languages.translation(random.Random(seed), language, "test")
    english = asked.prompt.removeprefix("English: ").split("\n")[0]
    assert _english_of(asked.answer, language) == english
    assert asked.prompt == f"English: {english}\n{language}: "
    assert split_of(english) == "test"


@given(st.integers(0, 10_000))
def test_documents_hold_sentences_of_the_train_split_only(seed: int) -> None:
    text = languages.document(random.Random(seed)).text
    for line in text.splitlines():
        head, _, rest = line.partition(": ")
        if head == "English":
            assert split_of(rest) == "train"
        elif head not in LANGUAGES:  # running text
            language: Language = "Tarvic" if f" {languages.KO} " in line else "Olune"
            said = [_english_of(part + ".", language) for part in line.strip(".").split(". ")]
            assert {split_of(english) for english in said} == {"train"}
            assert 3 <= len(said) <= 6


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_sentence_is_the_same_in_all_three(split: str) -> None:
    english, tarvic, olune = languages.sentence(random.Random(3), split)  # type: ignore[arg-type]
    assert _english_of(tarvic, "Tarvic") == _english_of(olune, "Olune") == english
