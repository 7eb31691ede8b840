"""Sums and differences of two numbers below 100, one on a line: `37 + 58 = 95`."""

from __future__ import annotations

import random
from dataclasses import dataclass

from labkit.models.world.document import Document, Part, Question
from labkit.models.world.lexicon import Split, split_of

LIMIT = 100


@dataclass(frozen=True)
class Sum:
    """One task. In a difference the larger number comes first, so no answer is negative."""

    left: int
    sign: str
    right: int

    @property
    def answer(self) -> int:
        return self.left + self.right if self.sign == "+" else self.left - self.right

    @property
    def split(self) -> Split:
        """Fixed by the two numbers alone: their sums in both orders and their difference."""
        small, large = sorted((self.left, self.right))
        return split_of(f"{small} and {large}")

    def question(self) -> Question:
        return Question(f"{self.left} {self.sign} {self.right} = ", str(self.answer))


def draw_sum(rng: random.Random, split: Split) -> Sum:
    while True:
        left, sign, right = rng.randrange(LIMIT), rng.choice("+-"), rng.randrange(LIMIT)
        if sign == "-" and left < right:
            left, right = right, left
        found = Sum(left, sign, right)
        if found.split == split:
            return found


def question(rng: random.Random, split: Split) -> Question:
    return draw_sum(rng, split).question()


def document(rng: random.Random) -> Document:
    """Three to eight lines."""
    parts: list[Part] = []
    for _ in range(rng.randint(3, 8)):
        parts += question(rng, "train").document("arithmetic").parts
    return Document("arithmetic", tuple(parts))
