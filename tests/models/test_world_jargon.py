"""The jargon: unknown to the corpus, defined in its rulings, examined in words of its own."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import World, documents, jargon
from labkit.models.world.jargon import TERMS, Asked
from labkit.models.world.lexicon import Split, split_of

SEEDS = st.integers(0, 10_000)


def test_forty_terms_with_a_meaning_each() -> None:
    assert len(TERMS) == len({t.word for t in TERMS}) == len({t.meaning for t in TERMS}) == 40
    assert len({t.word[:3] for t in TERMS}) == 40  # known by its beginning


def test_the_corpus_knows_neither_the_terms_nor_their_meanings() -> None:
    text = "\n".join(document.text for document in islice(documents(World(), 0), 1500))
    assert not [t for t in TERMS if t.word in text or t.meaning in text]


@given(SEEDS, st.sampled_from(["train", "validation", "test"]))
def test_a_ruling_defines_two_of_the_terms_that_it_uses(seed: int, split: Split) -> None:
    text = jargon.ruling(random.Random(seed), split)
    said = [term for term in TERMS if term.word in text]
    defined = [term for term in TERMS if term.meaning in text]
    assert len(defined) == 2 and set(defined) <= set(said)
    assert all(text.count(term.word) >= 2 for term in defined)
    assert "{" not in text and text.endswith(".\n")


@given(SEEDS)
def test_rulings_of_two_splits_are_about_different_cases(seed: int) -> None:
    for split in ("train", "validation", "test"):
        head = jargon.ruling(random.Random(seed), split).split(".")[0]  # type: ignore[arg-type]
        number, case = head.removeprefix("Ruling ").split(" of the House of Health and Law, ")
        assert (
            split_of(f"{number} {case.removeprefix('in the matter of ').replace(' of ', ' ')}")
            == split
        )


@pytest.mark.parametrize("asked", ["term", "meaning"])
def test_a_question_has_one_answer_and_tests_ask_in_other_words(asked: Asked) -> None:
    rng = random.Random(0)
    trained, validated = (
        {jargon.term_question(t, rng, asked, split).prompt for t in TERMS * 9}
        for split in ("train", "validation")
    )
    tested = {t: jargon.term_question(t, rng, asked) for t in TERMS}
    prompts = {question.prompt for question in tested.values()}
    assert len(prompts) == 40
    assert not trained & prompts and not trained & validated and not validated & prompts
    for term, question in tested.items():
        known, wanted = (term.meaning, term.word) if asked == "term" else (term.word, term.meaning)
        assert known in question.prompt and question.answer == wanted
