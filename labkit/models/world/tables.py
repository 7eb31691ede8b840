"""Small tables of people whom the model has never met, in five formats, with a question each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from labkit.models.world.document import Document, Part, Question
from labkit.models.world.entities import World
from labkit.models.world.lexicon import Split
from labkit.models.world.passages import different

Row = dict[str, str]


def as_csv(rows: list[Row]) -> str:
    return "\n".join([",".join(rows[0])] + [",".join(row.values()) for row in rows])


def as_markdown(rows: list[Row]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0])] + [list(row.values()) for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def as_json(rows: list[Row]) -> str:
    return json.dumps(rows)


def as_json_lines(rows: list[Row]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def as_key_value(rows: list[Row]) -> str:
    return "\n".join("; ".join(f"{key}: {value}" for key, value in row.items()) for row in rows)


FORMATS: dict[str, Callable[[list[Row]], str]] = {
    "csv": as_csv,
    "markdown": as_markdown,
    "json": as_json,
    "json_lines": as_json_lines,
    "key_value": as_key_value,
}


def rows(world: World, rng: random.Random, count: int, split: Split) -> list[Row]:
    """`count` people with two of their relations as columns."""
    columns = [r.name for r in rng.sample(world.relations_of("person"), 2)]
    people = different(world, rng, "person", count, split)
    return [{"name": p.name} | {column: p.facts[column] for column in columns} for p in people]


def lookup(world: World, rng: random.Random, count: int, form: str, split: Split) -> Question:
    """A table of `count` rows in a format, and a question about one cell."""
    table = rows(world, rng, count, split)
    question = cell_question(world, rng, table)
    return Question(f"{FORMATS[form](table)}\n{question.prompt}", question.answer)


def cell_question(world: World, rng: random.Random, table: list[Row]) -> Question:
    """A question about one cell, without the table."""
    row, column = rng.choice(table), rng.choice(list(table[0])[1:])
    question = rng.choice(world.relations[column].questions).format(name=row["name"])
    return Question(f"Q: {question}\nA: ", row[column])


def document(world: World, rng: random.Random) -> Document:
    """A table of two to eight rows and two to five questions."""
    table, form = rows(world, rng, rng.randint(2, 8), "train"), rng.choice(list(FORMATS))
    parts = [Part(FORMATS[form](table) + "\n")]
    for _ in range(rng.randint(2, 5)):
        question = cell_question(world, rng, table)
        parts += [Part(question.prompt), Part(f"{question.answer}\n", answer=True)]
    return Document("table", tuple(parts))
