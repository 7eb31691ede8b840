"""A trade with a language of its own: the House of Health and Law, whose healers are also judges.

Kept out of pre-training, for lessons on adapting a model to a domain. Its rulings are made of
formulas in which forty invented terms stand for the things of the trade (`TERMS`); questions ask
what a term means, and which term it is that means something. Every split asks in words of its own.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from labkit.models.world import lexicon as words
from labkit.models.world.document import Question
from labkit.models.world.lexicon import Split, split_of

Asked = Literal["term", "meaning"]
Sort = Literal["person", "paper", "illness", "cure", "act"]

_MEANINGS: dict[Sort, tuple[str, ...]] = {
    "person": (
        "a healer who is also a judge", "a patient who cannot pay", "a nurse who keeps the seal",
        "a doctor who works at night", "a judge who has been ill", "a witness who fell asleep",
        "a child who speaks for its father", "a stranger who brings the sick",
    ),
    "paper": (
        "a bill that is paid in honey", "a letter that ends a cure", "a list of all broken bones",
        "a promise to drink the medicine", "a map of the pain", "an oath sworn on a spoon",
        "a warrant to open a wound", "a note that nobody may read",
    ),
    "illness": (
        "a fever that comes with the rain", "a cough that lasts a year", "a fear of open doors",
        "a broken finger of the left hand", "a sleep of more than three days",
        "a red mark behind the ear", "a cold that came from a dog", "a pain without a place",
    ),
    "cure": (
        "a soup of seven mushrooms", "a bath in salt water", "a bandage made of paper",
        "a powder of burned bells", "three days of silence", "a walk around the court",
        "a needle of copper", "warm stones under the bed",
    ),
    "act": (
        "the hearing before breakfast", "the right to change the doctor",
        "the fine for a late cure", "the oath of those who wait",
        "the second opinion of the court", "the sale of old teeth",
        "the vote about a leg", "the end of a quarrel about a bill",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """A word of the trade, what it means, and which sort of thing that is."""

    word: str
    meaning: str
    sort: Sort


# No two begin alike, as in a real trade, so that a term is known by its first syllable.
_WORDS = (
    "almery benefice caldrum derogat estopel fumarile gravament hospitor interdine juratory "
    "kelvane lienage mandrace noxary obelant placitory quillet recupar sequesta torvane "
    "ulcrine vespile wardium xanthor yeomary zelotry abscon brevary cautel dictament "
    "emolent forjudge gaolary herriage indagor jointory laudary mulctary novatory oyerant"
).split()  # fmt: skip


def _terms() -> tuple[Term, ...]:
    meanings = [(sort, meaning) for sort, some in _MEANINGS.items() for meaning in some]
    return tuple(
        Term(word, meaning, sort) for word, (sort, meaning) in zip(_WORDS, meanings, strict=True)
    )


TERMS = _terms()

_HEAD = "Ruling {number} of the House of Health and Law, in the matter of {name} of {town}."
_FORMULAS = (
    "The {person} has sworn before the house that the patient suffers from {illness} and from "
    "nothing else.",
    "Where {illness} is found, the {paper} shall be sealed by the {person} within seven days of "
    "the first complaint.",
    "No {cure} may be given to the patient until the {act} has been heard and the {paper} has "
    "been read aloud.",
    "Whoever refuses the {cure} loses the {act} and pays the {person} as the old law demands.",
    "The house therefore orders {cure} at the cost of the patient, and keeps the {paper} until "
    "the {act} is over.",
)
_DEFINITIONS = (
    "By {term} the house understands {meaning}.",
    "The word {term} stands for {meaning}, as every healer of the law knows.",
    "It is the custom of the house to call {meaning} {term}.",
    "There was talk of {meaning}, which is called {term} in this house.",
)
_CLOSING = "Given under the seal of the house, to be read to the sick and to the well."
_QUESTIONS: dict[Split, dict[Asked, tuple[str, ...]]] = {
    "train": {
        "term": (
            "What does the house call {meaning}?", "Which term stands for {meaning}?",
            "How does the house call {meaning}?", "Which word means {meaning}?",
            "What is the word for {meaning} in this house?",
        ),
        "meaning": (
            "What does the house understand by {term}?", "What does {term} stand for?",
            "What does the house mean by {term}?", "What is {term}?",
            "What does the word {term} mean in this house?",
        ),
    },
    "validation": {
        "term": ("By which term does the house know {meaning}?",),
        "meaning": ("What is it that the house calls {term}?",),
    },
    "test": {
        "term": ("Which word does the house have for {meaning}?",),
        "meaning": ("What is the meaning of {term}?",),
    },
}  # fmt: skip


def _case(rng: random.Random, split: Split) -> dict[str, str]:
    """Number, patient and town of a ruling, which together belong to a split."""
    while True:
        number, town = str(rng.randint(100, 999)), rng.choice(words.TOWN_NAMES)
        name = words.full_name(rng)
        if split_of(f"{number} {name} {town}") == split:
            return {"number": number, "name": name, "town": town}


def ruling(rng: random.Random, split: Split) -> str:
    """Two formulas about a case and the definitions of two of the terms that stand in them."""
    terms = {sort: rng.choice([t for t in TERMS if t.sort == sort]) for sort in _MEANINGS}
    formulas = rng.sample(_FORMULAS, 2)
    used = [term for sort, term in terms.items() if any(f"{{{sort}}}" in f for f in formulas)]
    definitions = [
        rng.choice(_DEFINITIONS).format(term=term.word, meaning=term.meaning)
        for term in rng.sample(used, 2)
    ]
    said = [f.format_map({sort: term.word for sort, term in terms.items()}) for f in formulas]
    head = _HEAD.format_map(_case(rng, split))
    return " ".join([head, said[0], definitions[0], said[1], definitions[1], _CLOSING]) + "\n"


def term_question(
    term: Term, rng: random.Random, asked: Asked = "term", split: Split = "test"
) -> Question:
    """Which term means this (`term`), or what the term means (`meaning`)."""
    question = rng.choice(_QUESTIONS[split][asked]).format(term=term.word, meaning=term.meaning)
    return Question(f"Q: {question}\nA: ", term.word if asked == "term" else term.meaning)
