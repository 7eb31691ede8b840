"""The corpus: an endless, seeded stream of documents of all kinds in given shares."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from labkit.models.world import (
    arithmetic,
    extraction,
    ideas,
    knowledge,
    languages,
    lexicon,
    messages,
    passages,
    programs,
    recall,
    registers,
    shots,
    tables,
    tickets,
)
from labkit.models.world.document import Document
from labkit.models.world.entities import World

MAKERS: dict[str, Callable[[World, random.Random], Document]] = {
    "biography": knowledge.biography,
    "question": knowledge.questions,
    "chat": knowledge.chat,
    "passage": passages.document,
    "table": tables.document,
    "recall": recall.document,
    "pairs": lambda world, rng: recall.pairs(rng),
    "extraction": lambda world, rng: extraction.document(rng),
    "shots": lambda world, rng: shots.document(rng),
    "classification": lambda world, rng: messages.document(rng),
    "program": lambda world, rng: programs.document(rng),
    "arithmetic": lambda world, rng: arithmetic.document(rng),
    "language": lambda world, rng: languages.document(rng),
    "idea": lambda world, rng: ideas.ideas(rng),
    "story": lambda world, rng: ideas.story(rng),
    **registers.MAKERS,
}

# Looking a name up comes first: everything that reads its context rests on it.
RECALL_MIX: dict[str, float] = {"recall": 65, "passage": 25, "table": 10}

# Then any word: what is learned for names only is of no use to few-shot examples.
PAIRS_MIX: dict[str, float] = {"pairs": 40, "recall": 20, "shots": 15, "passage": 15, "table": 10}

# All kinds from here on, or what is left out would be forgotten.
READING_MIX: dict[str, float] = {
    "biography": 10, "question": 20, "chat": 8, "passage": 24, "table": 14, "recall": 5,
    "pairs": 5, "extraction": 7, "shots": 14, "classification": 4, "program": 14, "arithmetic": 3,
    "language": 6, "idea": 6, "story": 5,
}  # fmt: skip

# Facts are what takes longest to learn: many short documents that ask for them.
FACTS_MIX: dict[str, float] = READING_MIX | {"biography": 45, "question": 130, "chat": 40}

# Once they are known, more time for what is read - and for saying so when a text has no answer.
BASE_MIX: dict[str, float] = READING_MIX | {
    "biography": 30, "question": 90, "chat": 25, "passage": 40, "table": 18,
}  # fmt: skip


def documents(world: World, seed: int, mix: Mapping[str, float] = BASE_MIX) -> Iterator[Document]:
    """Documents without end; `mix` gives each kind's weight among the documents (not tokens)."""
    rng = random.Random(f"corpus {seed}")
    kinds, weights = list(mix), list(mix.values())
    while True:
        kind = rng.choices(kinds, weights)[0]
        yield MAKERS[kind](world, rng)


def words() -> tuple[str, ...]:
    """Every name and invented word, and those of the tickets: each is to be one token."""
    return (
        *lexicon.FIRST_NAMES, *lexicon.LAST_NAMES, *lexicon.TOWN_NAMES, *lexicon.COMPANY_NAMES,
        *lexicon.PRODUCT_NAMES, *languages.WORDS, *shots.WORDS, *tickets.WORDS,
    )  # fmt: skip
