"""What has been graded so far, kept beside the result file until that is written whole.

One JSON line per submission, on the disk before the next one counts. A killed run leaves at most
one torn line, which is cut off; so the next run goes on, and grades nothing twice. A lock file
beside it says on every system that a run is at work, and is let go however that ends.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from labkit.classroom.replies import Entry, Kept, entry_from, line_of

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"


class InUse(Exception):
    """Another run writes the same result file."""


class Journal:
    """A context manager; `path` None keeps nothing. Replies are found by their key.

    Entering it raises InUse where another run is at work on that path.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.replies: dict[str, Kept] = {}
        self.finished = False

    def __enter__(self) -> Journal:
        if self.path is not None:
            self.claim = claimed(self.path)
            try:
                self.open(self.path)
            except BaseException:
                self.claim.release()
                raise
        return self

    def open(self, path: Path) -> None:
        """Take in what an earlier run has kept; what it could not finish is cut off."""
        self.file = path.open("a+b")
        self.file.seek(0)
        self.replies, whole = read_entries(self.file.read())
        self.file.truncate(whole)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.path is not None:
            self.file.close()
            if self.finished:
                self.path.unlink(missing_ok=True)
                with suppress(OSError):  # where a file that is open can't go, as on Windows
                    lock_of(self.path).unlink()
            self.claim.release()

    def add(self, key: str, reply: Kept) -> None:
        """Keep a reply; it is on the disk when this returns."""
        self.replies[key] = reply
        if self.path is not None:
            self.file.write(line_of(Entry(key, reply)))
            self.file.flush()
            os.fsync(self.file.fileno())

    def remove(self) -> None:
        """The result is written: the journal is not needed any more, and goes when it is left."""
        self.finished = True


def lock_of(path: Path) -> Path:
    """The lock file of a journal, beside it."""
    return path.with_name(f"{path.name}{LOCK}")


def claimed(path: Path) -> BaseFileLock:
    """The lock of a journal, for one run at a time; it ends with the process, however that ends.

    Raises InUse where another run has it.
    """
    from filelock import FileLock, Timeout

    claim = FileLock(lock_of(path))
    try:
        claim.acquire(timeout=0)
    except Timeout:
        raise InUse(f"Another labkit grade is at work on {path}: wait for it to end.") from None
    return claim


def read_entries(data: bytes) -> tuple[dict[str, Kept], int]:
    """The replies of whole lines, and how many bytes those lines take."""
    whole = data.rfind(b"\n") + 1
    replies = {}
    for line in data[:whole].splitlines():
        with suppress(ValueError):  # a damaged line costs its own submission a second grading
            entry = entry_from(line)
            replies[entry.key] = entry.entry
    return replies, whole
