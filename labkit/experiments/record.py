"""The table of an experiment and where it comes from: a CSV file with a JSON file beside it."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.experiments.experiment import Value
from labkit.paths import nearest
from labkit.whole_files import write_whole

Row = dict[str, Value]


class RecordError(ValueError):
    """A record that can't be read, with the file and what to do."""


@dataclass(frozen=True)
class Record:
    """Rows by point and figure, and their provenance (seeds stand in the rows)."""

    rows: tuple[Row, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def where(self, **wanted: Value) -> list[Row]:
        """The rows in which every named column has this value.

        Raises LookupError for a column that there is not.
        """
        for column in wanted:
            self._must_have(column)
        return [row for row in self.rows if all(row[name] == v for name, v in wanted.items())]

    def column(self, name: str, **wanted: Value) -> list[Value]:
        """One column of those rows."""
        self._must_have(name)
        return [row[name] for row in self.where(**wanted)]

    def mean(self, name: str, **wanted: Value) -> float:
        """The mean of a figure over those rows (over seeds, say)."""
        values = [float(value) for value in self.column(name, **wanted)]
        if not values:
            raise LookupError(f"The record has no rows with {wanted}.")
        return sum(values) / len(values)

    def _must_have(self, column: str) -> None:
        columns = list(self.rows[0]) if self.rows else []
        if column not in columns:
            raise LookupError(f"The record has no column {column!r}: {nearest(column, columns)}")


def read(folder: Path, name: str) -> Record:
    """The record of an experiment in a folder; rows without a provenance are an unfinished run.

    Raises RecordError where the files are not what they should be, FileNotFoundError without them.
    """
    rows = read_rows(folder / f"{name}.csv")
    about = folder / f"{name}.json"
    try:
        return Record(tuple(rows), json.loads(about.read_text("utf-8")) if about.exists() else {})
    except ValueError as error:
        raise RecordError(f"{about} is no JSON ({error}); remove it and run again.") from error


def read_rows(file: Path) -> list[Row]:
    """The whole rows of a CSV file; a last line that was cut off is left out."""
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if not reader.fieldnames or len(set(reader.fieldnames)) < len(reader.fieldnames):
            raise RecordError(f"{file} has no line of column names; remove it and run again.")
        return [{k: _value(v) for k, v in row.items()} for row in reader if _whole(row)]


def _whole(row: Mapping[str | None, Any]) -> bool:
    return None not in row and all(value not in (None, "") for value in row.values())


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def append(file: Path, row: Row) -> None:
    """One row more, on the disk when this returns; OSError where it can't be written."""
    fresh = not (file.exists() and file.stat().st_size)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8", newline="") as stream:
        stream.write(as_csv([row], header=fresh))
        stream.flush()
        os.fsync(stream.fileno())


def write(folder: Path, name: str, record: Record) -> None:
    """Both files, each whole or as it was, the rows first; OSError where one can't be written."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / f"{name}.csv", record.rows)
    about = json.dumps(record.provenance, indent=1) + "\n"
    write_whole(folder / f"{name}.json", about)


def write_rows(file: Path, rows: Sequence[Row]) -> None:
    """The table in the place of what the file holds, whole or not at all (OSError)."""
    write_whole(file, as_csv(rows))


def as_csv(rows: Sequence[Row], header: bool = True) -> str:
    """Rows of the same columns as CSV; without any there is no header either."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    if header and rows:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
