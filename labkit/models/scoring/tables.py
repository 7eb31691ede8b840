"""Tables about people whom the model has never met: one cell is asked for, in five formats.

The same table and question come in every format, so that formats are compared item by item. Which
format is best is decided on the validation split and measured on the test split.
"""

from __future__ import annotations

import random

from labkit.estimates import difference, known, share
from labkit.models.scoring.rows import Row, at_least
from labkit.models.scoring.subject import Subject
from labkit.models.world import tables as world_tables
from labkit.models.world.document import Question
from labkit.models.world.lexicon import Split

WANTED = {4: 0.85, 8: 0.70}  # rows of the table: share right in the best format


def tables(subject: Subject) -> list[Row]:
    """For each size the best format, and how far the worst lies behind it."""
    return [row for size in WANTED for row in rows_of_size(subject, size)]


def rows_of_size(subject: Subject, size: int) -> list[Row]:
    chosen = by_format(subject, size, "validation")
    best, *_, worst = sorted(chosen, key=lambda form: -sum(chosen[form]))
    right = by_format(subject, size, "test")
    formats = [share(form, hits) for form, hits in right.items()]
    guess = known("random row", 1 / size)
    name = f"table of {size} rows"
    gap = difference(f"{name}, best - worst ({best}, {worst})", right[best], right[worst])
    top = share(f"{name}, best format ({best})", right[best])
    return [
        at_least(WANTED[size], top, guess, *formats),
        Row(gap, "above 0", gap.low > 0, (guess, *formats)),
    ]


def by_format(subject: Subject, size: int, split: Split) -> dict[str, list[bool]]:
    """For each format, which of the same questions are answered rightly."""
    return {
        form: subject.right(look_ups(subject, size, form, split)) for form in world_tables.FORMATS
    }


def look_ups(subject: Subject, size: int, form: str, split: Split) -> list[Question]:
    """The i-th is about the same table in every format; to choose one, fewer will do."""
    count = subject.n if split == "test" else max(8, subject.n // 3)
    return [
        world_tables.lookup(subject.world, random.Random(f"{split} table {i}"), size, form, split)
        for i in range(count)
    ]
