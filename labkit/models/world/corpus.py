"""The corpus: an endless, seeded stream of documents of all kinds in given shares."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from labkit.models.world import ideas, knowledge, messages, passages, programs, tables
from labkit.models.world.document import Document
from labkit.models.world.entities import World

MAKERS: dict[str, Callable[[World, random.Random], Document]] = {
    "biography": knowledge.biography,
    "question": knowledge.questions,
    "chat": knowledge.chat,
    "passage": passages.document,
    "table": tables.document,
    "program": lambda world, rng: programs.document(rng),
    "idea": lambda world, rng: ideas.ideas(rng),
    "story": lambda world, rng: ideas.story(rng),
    "classification": lambda world, rng: messages.document(rng),
}

BASE_MIX: dict[str, float] = {
    "biography": 20, "question": 24, "chat": 6, "passage": 10, "table": 4,
    "program": 14, "idea": 8, "story": 8, "classification": 6,
}  # fmt: skip

# Facts are what takes longest to learn; the rest stays in, or it would be forgotten.
FACTS_MIX: dict[str, float] = {
    "biography": 47, "question": 93, "chat": 21, "passage": 9, "table": 3,
    "program": 29, "idea": 7, "story": 5, "classification": 5,
}  # fmt: skip


def documents(world: World, seed: int, mix: Mapping[str, float] = BASE_MIX) -> Iterator[Document]:
    """Documents without end; `mix` gives each kind's weight among the documents (not tokens)."""
    rng = random.Random(f"corpus {seed}")
    kinds, weights = list(mix), list(mix.values())
    while True:
        kind = rng.choices(kinds, weights)[0]
        yield MAKERS[kind](world, rng)
