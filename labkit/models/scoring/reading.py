"""Passages: does the model read, and does it take the value of the right entity?"""

from __future__ import annotations

import random

from labkit.models.world import World, passages
from labkit.models.world.document import Question


def reading_questions(world: World, n: int, count: int, seed: int = 0) -> list[Question]:
    """`n` questions with `count` passages about entities that no training text contains."""
    rng = random.Random(f"reading {seed}")
    return [passages.reading(world, rng, count, "test") for _ in range(n)]
