"""What has been graded so far, kept beside the result file until that is written whole.

One JSON line per submission, on the disk before the next one counts. A killed run leaves at most
one torn line, which is cut off; so the next run goes on, and grades nothing twice.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

Entry = dict[str, Any]


class InUse(Exception):
    """Another run writes the same result file."""


class Journal:
    """A context manager; `path` None keeps nothing. Entries are found by their key."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}

    def __enter__(self) -> Journal:
        if self.path is not None:
            self.file = claimed(self.path)
            self.file.seek(0)
            self.entries, whole = read_entries(self.file.read())
            self.file.truncate(whole)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.path is not None:
            self.file.close()

    def add(self, key: str, entry: Entry) -> None:
        """Keep an entry; it is on the disk when this returns."""
        self.entries[key] = entry
        if self.path is not None:
            line = json.dumps({"key": key, "entry": entry}, ensure_ascii=False) + "\n"
            self.file.write(line.encode("utf-8", "replace"))
            self.file.flush()
            os.fsync(self.file.fileno())

    def remove(self) -> None:
        """The result is written, so the journal is not needed any more."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def claimed(path: Path) -> BinaryIO:
    """The open file, for one run at a time; the claim ends with the process, however it ends."""
    file = path.open("a+b")
    if os.name != "nt":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise InUse(f"Another labkit grade is at work on {path}: wait for it to end.") from None
    return file


def read_entries(data: bytes) -> tuple[dict[str, Entry], int]:
    """The entries of whole lines, and how many bytes those lines take."""
    whole = data.rfind(b"\n") + 1
    entries = {}
    for line in data[:whole].splitlines():
        try:
            record = json.loads(line)
            entries[str(record["key"])] = dict(record["entry"])
        except (ValueError, KeyError, TypeError):
            continue  # a damaged line costs its own submission a second grading, nothing else
    return entries, whole
