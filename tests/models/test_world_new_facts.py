"""New facts, which the corpus cannot know, said in its words and in others."""

from __future__ import annotations

import random
from itertools import islice

from labkit.models.world import World, documents, new_facts
from labkit.models.world.lexicon import split_of
from labkit.models.world.new_facts import NEW_FACTS

WORLD = World()


def test_there_are_enough_new_facts_about_unknown_people() -> None:
    assert len(NEW_FACTS) >= 60
    assert len({(new.name, new.relation) for new in NEW_FACTS}) == len(NEW_FACTS)
    assert not {new.name for new in NEW_FACTS} & WORLD.names
    people = {new.name for new in NEW_FACTS if new.entity.kind == "person"}
    assert {split_of(name) for name in people} == {"test"}


def test_no_training_text_speaks_of_the_new_people() -> None:
    text = "\n".join(document.text for document in islice(documents(WORLD, 0), 1500))
    people = {new.name for new in NEW_FACTS if new.entity.kind == "person"}
    assert not [name for name in people if name in text]


def test_statements_and_paraphrases_say_the_value_and_differ() -> None:
    for new in NEW_FACTS:
        said = (*new.statements, *new.paraphrases)
        assert len(set(said)) == len(said) and len(new.paraphrases) >= 3
        for sentence in said:
            assert new.name in sentence and new.value.casefold() in sentence.casefold()
            assert sentence[0].isupper() or sentence[0].isdigit()


def test_a_paraphrase_is_in_words_that_the_corpus_does_not_use() -> None:
    usual = {form for relation in WORLD.relations.values() for form in relation.statements}
    assert not usual & {form for forms in new_facts._PARAPHRASES.values() for form in forms}


def test_questions_have_the_form_of_the_closed_book() -> None:
    for new in NEW_FACTS:
        assert new.question() == new.questions[0]
        assert new.question(random.Random(0)) in new.questions
        for question in new.questions:
            assert question.prompt.startswith("Q: ") and question.prompt.endswith("?\nA: ")
            assert new.name in question.prompt and question.answer == new.value
            assert new.value not in question.prompt.split(new.name)


def test_the_passages_hold_every_fact_once() -> None:
    passages = new_facts.passages(random.Random(0))
    assert set(passages) == {new.name for new in NEW_FACTS}
    for new in NEW_FACTS:
        assert sum(sentence in passages[new.name] for sentence in new.statements) == 1
