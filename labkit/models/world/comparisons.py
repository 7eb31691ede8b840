"""Pairs of answers for a judge: a text, a question, the right answer and a wrong one.

In a hard pair both answers stand in the text and are of the asked type, so that a judge has to find
out whose value each is; that an answer occurs in the text says nothing. Either answer may come as a
bare value or wrapped in a sentence, whichever is right: length says nothing either.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from labkit.models.world import passages
from labkit.models.world.entities import World
from labkit.models.world.lexicon import Split

WORDINGS = (
    "The text says {value}.",
    "It is {value}, as far as I can see.",
    "If I read the text well, the answer is {value}.",
)
PASSAGES = (2, 3, 4)
EASY = 0.2  # of the training pairs have a wrong answer that the text does not hold


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


def worded_pair(world: World, rng: random.Random, split: Split) -> Pair:
    """What a judge is trained on: mostly hard pairs, each answer bare or in words by a coin."""
    found = pair(world, rng, split, hard=rng.random() >= EASY)
    right, wrong = (rng.choice(WORDINGS) if rng.random() < 0.5 else "{value}" for _ in range(2))
    return found.worded(right, wrong)
