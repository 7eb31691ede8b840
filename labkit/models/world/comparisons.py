"""Pairs of answers for a judge: a text, a question, the right answer and a wrong one.

In a hard pair both answers stand in the text and are of the asked type, so that a judge has to find
out whose value each is; that an answer occurs in the text says nothing. Either answer may come as a
bare value or wrapped in a sentence, whichever is right: length says nothing either.

A judge is tested on pairs and trained on sheets: a text with many questions, one pair of answers to
each, so that a text that is read once teaches many times.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from labkit.models.world import passages
from labkit.models.world.entities import Fact, World
from labkit.models.world.lexicon import Split

WORDINGS = (
    "The text says {value}.",
    "It is {value}, as far as I can see.",
    "If I read the text well, the answer is {value}.",
)
PASSAGES = (2, 3, 4)
QUESTIONS = 6  # on a sheet
ABOUT_ALL = 0.6  # of them ask for what every passage tells, the others for anything told
EASY = 0.2  # of the sheets' questions have a wrong answer that the text does not hold


@dataclass(frozen=True)
class Pair:
    """`prompt` ends where an answer belongs; `place` is the passage (from 0) of the right value."""

    prompt: str
    right: str
    wrong: str
    place: int
    passages: int

    def worded(self, right: str = "{value}", wrong: str = "{value}") -> Pair:
        """The same pair with each answer put into words."""
        return Pair(
            self.prompt,
            right.format(value=self.right),
            wrong.format(value=self.wrong),
            self.place,
            self.passages,
        )


@dataclass(frozen=True)
class Sheet:
    """A text and questions with a right and a wrong answer each; where `swapped`, the wrong one is
    the first of the two."""

    text: str
    questions: tuple[str, ...]
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    swapped: tuple[bool, ...]

    def filled_in(self, first: bool) -> list[str]:
        """The text, then each question and its first (or its second) answer."""
        pieces = [self.text]
        for row in zip(self.questions, self.right, self.wrong, self.swapped, strict=True):
            question, right, wrong, swapped = row
            pieces += [question, (wrong if swapped == first else right) + "\n"]
        return pieces


def pair(world: World, rng: random.Random, split: Split, hard: bool = True) -> Pair:
    """Bare values; the wrong one is a rival's from the text, or (easy) not in the text at all."""
    while True:
        count = rng.choice(PASSAGES)
        read = passages.reading(world, rng, count, split)
        others = read.candidates if hard else _absent_values(world, read)
        wrong = sorted(set(others) - {read.answer})
        if wrong:
            place = read.candidates.index(read.answer)
            return Pair(read.prompt, read.answer, rng.choice(wrong), place, count)


def _absent_values(world: World, read: passages.Reading) -> list[str]:
    """Values of the asked type that the text does not hold."""
    relation = next(r for r in world.relations.values() if read.answer in r.values)
    return [value for value in relation.values if not occurs(value, read.prompt)]


def occurs(value: str, text: str) -> bool:
    """Whether a text holds a value; a value that opens a sentence has a capital letter."""
    return value.lower() in text.lower()


def sheet(world: World, rng: random.Random, split: Split, worded: float) -> Sheet:
    """What a judge is trained on; a share `worded` of all answers are sentences."""
    kind, count = passages.any_kind(rng), rng.choice(PASSAGES)
    asked = rng.choice(world.relations_of(kind))
    entities = passages.different(world, rng, kind, count, split)
    stories = [passages.told_of(world, entity, asked, rng) for entity in entities]
    told = [fact for story in stories for fact in story]
    rivals = [fact for fact in told if fact.relation is asked]
    chosen = [rng.choice(rivals if rng.random() < ABOUT_ALL else told) for _ in range(QUESTIONS)]
    return Sheet(
        "\n".join(passages.passage(story, rng) for story in stories) + "\n",
        tuple(passages.asking(fact, rng) for fact in chosen),
        tuple(_put(fact.value, rng, worded) for fact in chosen),
        tuple(_put(_wrong_value(fact, told, rng), rng, worded) for fact in chosen),
        tuple(rng.random() < 0.5 for _ in chosen),
    )


def _wrong_value(fact: Fact, told: list[Fact], rng: random.Random) -> str:
    """A rival's value from the text, or now and then (and where there is none) one from outside."""
    held = {other.value for other in told if other.relation is fact.relation}
    rivals = sorted(held - {fact.value})
    if rivals and rng.random() >= EASY:
        return rng.choice(rivals)
    return rng.choice([value for value in fact.relation.values if value not in held])


def _put(value: str, rng: random.Random, worded: float) -> str:
    return rng.choice(WORDINGS).format(value=value) if rng.random() < worded else value
