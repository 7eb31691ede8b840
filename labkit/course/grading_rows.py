"""The rows that `labkit grade` hands to others: one per learner and challenge, as JSON or CSV.

Others build on these names: they stay. A submission that could not be graded is one row with no
challenge, the outcome "error" and a message for the instructor.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, order=True)
class Row:
    """One mark. The last three are SHA-256 fingerprints: of the notebook, the checks, labkit."""

    learner: str
    lesson: str
    challenge: str
    outcome: str
    points: float
    message: str
    seconds: float
    isolation: str
    submission: str
    checks: str
    package: str


COLUMNS = tuple(field.name for field in fields(Row))
FORMULA = ("=", "+", "-", "@", "\t")  # what a spreadsheet would compute


def in_order(rows: Iterable[Row]) -> list[Row]:
    """By learner, lesson and challenge, the same every time."""
    return sorted(rows)


def as_json(rows: Sequence[Row]) -> str:
    """A list of objects."""
    return json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """A table with a header; what a spreadsheet would take for a formula gets a quote before it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(harmless(value) for value in asdict(row).values())
    return text.getvalue()


def harmless(value: str | float) -> str | float:
    """Text that stays text, and in its row, in a spreadsheet."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")
    return f"'{text}" if text.startswith(FORMULA) else text


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the rows, as CSV where the name ends so, by way of a draft: whole or not at all."""
    text = as_csv(rows) if path.suffix.casefold() == ".csv" else as_json(rows)
    write_whole(path, text)


def write_whole(path: Path, text: str) -> None:
    """The text under its final name once it is on the disk, never half of it."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
