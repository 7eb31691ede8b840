"""Lesson 03 in a real model: a table about people whom nobody knows, in eight formats."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from labkit.estimates import mean_of_few
from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.real.subject import MODEL, columns, loaded
from labkit.instruments import formats
from labkit.instruments.formats import Records, TableQuestion
from labkit.instruments.real.accepting import says
from labkit.models import complete_after

SETS = 8  # of one solved question before the table
TABLES, ROWS = 12, 4  # for each set


def look_up(format: str, sets: int = SETS) -> dict[str, float]:
    """The share of cells that the model finds, with the interval over sets; what picking a row of
    the right column would give; and the tokens of a table, by its tokenizer."""
    asked = [questions(each) for each in range(sets)]
    right = [
        fmean(is_right(q, text) for q, text in zip(some, answers(some, format, each), strict=True))
        for each, some in enumerate(asked)
    ]
    every = [q for some in asked for q in some]
    lengths = [len(loaded()[1](written(q, format)).input_ids) for q in every]
    return columns(mean_of_few("right", right)) | {
        "guess": fmean(chance(q) for q in every),
        "tokens": fmean(lengths),
    }


def questions(each: int) -> list[TableQuestion]:
    """One about each table of a set."""
    return formats.table_questions(TABLES, ROWS, f"real {each}")


def answers(asked: Sequence[TableQuestion], format: str, each: int) -> list[str]:
    """What the model says after one solved question in the same format."""
    (shown,) = formats.table_questions(1, ROWS, f"shown {each}")
    before = f"{prompt(shown, format)} {shown.answer}\n\n"
    prompts = [prompt(q, format) for q in asked]
    (said,) = complete_after(*loaded(), [before], [prompts], max_new_tokens=10)
    return said


def prompt(question: TableQuestion, format: str) -> str:
    """The table, and the question under it."""
    return f"{written(question, format)}\n{question.question.rstrip()}"


def written(question: TableQuestion, format: str) -> str:
    """The table alone."""
    return formats.write(question.records, format, table)


def table(records: Records, form: str) -> str:
    """CSV or Markdown of flat records whose cells are plain words."""
    rows = [list(records[0]), *(list(record.values()) for record in records)]
    if form == "csv":
        return "\n".join(",".join(row) for row in rows)
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def is_right(question: TableQuestion, text: str) -> bool:
    """Whether a text names the cell, and no other cell of its column before it."""
    return says(text, [question.answer], {*column_of(question)} - {question.answer})


def column_of(question: TableQuestion) -> list[str]:
    """The cells among which the right one stands."""
    (name,) = {
        key for row in question.records for key, cell in row.items() if cell == question.answer
    }
    return [str(row[name]) for row in question.records]


def chance(question: TableQuestion) -> float:
    """How often a row picked at random has the right cell."""
    cells = column_of(question)
    return cells.count(question.answer) / len(cells)


EXPERIMENTS = (
    Experiment(
        "real-formats",
        "cells that SmolLM2-135M-Instruct finds in a small table, by the format of the table",
        grid(format=formats.FORMATS),
        look_up,
        minutes=8,
        cheap={"format": "CSV", "sets": 1},
        within={"right": 0.25, "right_low": 1.0, "right_high": 1.0, "guess": 1e-6, "tokens": 1e-6},
        model=MODEL,
    ),
)
