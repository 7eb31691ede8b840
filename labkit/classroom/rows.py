"""The rows that `labkit grade` hands to others: one per learner and challenge, as JSON or CSV.

Others build on these names: they stay. A submission that could not be graded is one row with no
challenge, the outcome "error" and a message for the instructor.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from labkit.classroom.result_files import write_result
from labkit.grading.checks.outcome import Outcome
from labkit.grading.plain_text import plain_lines


@dataclass(frozen=True, order=True)
class Row:
    """One mark, with SHA-256 fingerprints of the notebook, the checks and labkit, the seed of what
    was drawn to check it, and the call that failed with what was expected and what came."""

    learner: str
    lesson: str
    challenge: str
    outcome: Outcome
    points: int
    message: str
    seconds: float
    isolation: str
    submission: str
    checks: str
    package: str
    seed: int
    case: str


COLUMNS = tuple(field.name for field in fields(Row))
CSV = ".csv"
KINDS = (CSV, ".json")
# What a spreadsheet would compute, at the start of a cell: of ours, or of one that it begins after
# a semicolon, where that parts the cells and our quotes don't count.
FORMULA = re.compile(r'(^|;)(?=[\s"]*[=+\-@＝＋－＠])')


def in_order(rows: Iterable[Row]) -> list[Row]:
    """By learner, lesson and challenge, the same every time."""
    return sorted(rows)


def as_json(rows: Sequence[Row]) -> str:
    """A list of objects."""
    return json.dumps([cells(row) for row in rows], indent=1, ensure_ascii=False) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """A table with a header, every cell quoted and each row on one line."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(harmless(value) for value in cells(row).values())
    return text.getvalue()


def cells(row: Row) -> dict[str, str | float]:
    """The columns of a row; text as it can be written anywhere."""
    return {
        name: plain_lines(value) if isinstance(value, str) else value
        for name, value in asdict(row).items()
    }


def harmless(value: str | float) -> str | float:
    """Text that stays text, and in its row, in a spreadsheet: a quote stands before a formula."""
    if not isinstance(value, str):
        return value
    return FORMULA.sub(r"\1'", value.replace("\n", " "))


def write(rows: Sequence[Row], path: Path, *, excel: bool = False) -> Path | None:
    """Write the rows, as CSV where the name ends so, in UTF-8 with a mark in front for Excel.

    Returns where an earlier file of that name lies now; None where there was none.
    """
    text = as_csv(rows) if path.suffix.casefold() == CSV else as_json(rows)
    return write_result(path, text.encode("utf-8-sig" if excel else "utf-8"))
