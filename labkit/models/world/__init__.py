"""The made-up region that the bundled models know, and the corpus written about it from a seed."""

from labkit.models.world.corpus import (
    BASE_MIX,
    FACTS_MIX,
    PAIRS_MIX,
    READING_MIX,
    RECALL_MIX,
    documents,
    words,
)
from labkit.models.world.document import Document, Part, Question
from labkit.models.world.entities import Fact, World, closed_book

__all__ = [
    "BASE_MIX",
    "FACTS_MIX",
    "PAIRS_MIX",
    "READING_MIX",
    "RECALL_MIX",
    "Document",
    "Fact",
    "Part",
    "Question",
    "World",
    "closed_book",
    "documents",
    "words",
]
