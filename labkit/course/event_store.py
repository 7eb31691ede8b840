"""Events in an SQLite file: appended, selected, set aside when damaged.

A connection is opened for each operation, in the thread and process that needs it (about a
millisecond), so nothing is shared between subshell threads, kernels and forked kernels.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, TypeVar

BUSY_SECONDS = 10.0
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
CANT_WRITE = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
}
COLUMNS = "uuid, time, lesson, item, kind, outcome, points, payload"
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    uuid TEXT PRIMARY KEY, time TEXT NOT NULL, lesson TEXT NOT NULL, item TEXT NOT NULL,
    kind TEXT NOT NULL, outcome TEXT, points REAL, payload TEXT NOT NULL)
"""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Event:
    """One thing that happened, and when (UTC, ISO 8601)."""

    uuid: str
    time: str
    lesson: str
    item: str
    kind: str
    outcome: str | None
    points: float | None
    payload: dict[str, Any]


class Damaged(sqlite3.DatabaseError):
    """The file is there and is no sound SQLite database."""


class EventStore:
    """The file at `path`, which need not exist; `on_damage(damage, kept_as)` hears of a bad one."""

    def __init__(self, path: Path, on_damage: Callable[[Exception, Path], None]) -> None:
        self.path = path
        self.on_damage = on_damage
        self._sound_inode: int | None = None

    def append(self, events: Sequence[Event]) -> None:
        """Write all of them or none; one that is there already is not written twice."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._on_sound_file(lambda: self._insert(events))

    def select(self, wanted: Mapping[str, str]) -> list[Event]:
        """The events whose columns have the wanted values, oldest first."""
        if not self.path.is_file():
            return []
        return self._on_sound_file(lambda: self._read(wanted))

    def reset(self, lesson: str | None = None) -> Path | None:
        """Empty it, or take one lesson out; returns the backup made before, None for no file."""
        if not self.path.is_file():
            return None
        backup = beside(self.path, "backup")
        with self._connection() as connection, transaction(connection):
            connection.execute(SCHEMA)
            copy_database(self.path, backup)
            if lesson is None:
                connection.execute("DELETE FROM events")
            else:
                connection.execute("DELETE FROM events WHERE lesson = ?", (lesson,))
        return backup

    def _insert(self, events: Sequence[Event]) -> None:
        rows = [(*astuple(event)[:-1], encode(event.payload)) for event in events]
        with self._connection() as connection, transaction(connection):
            connection.execute(SCHEMA)
            connection.executemany("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?,?,?)", rows)

    def _read(self, wanted: Mapping[str, str]) -> list[Event]:
        try:
            with self._connection() as connection:
                return rows_of(connection, wanted)
        except sqlite3.OperationalError as error:
            if code_of(error) not in CANT_WRITE:
                raise
        # Even reading a WAL database writes beside it, unless it is declared not to change.
        with closing(sqlite3.connect(f"{self.path.as_uri()}?immutable=1", uri=True)) as connection:
            return rows_of(connection, wanted)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one operation; raises Damaged where the file is not sound."""
        with closing(sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None)) as connection:
            use_wal(connection)
            self._examine(connection)
            yield connection

    def _examine(self, connection: sqlite3.Connection) -> None:
        """Once per file: by itself SQLite finds damage only when it gets to that part."""
        inode = inode_of(self.path)
        if inode != self._sound_inode:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise Damaged(found)
            self._sound_inode = inode

    def _on_sound_file(self, operation: Callable[[], Result]) -> Result:
        """Run it; where the file is damaged, set that aside and run it once more on a new one."""
        inode = inode_of(self.path)
        try:
            return operation()
        except sqlite3.DatabaseError as error:
            if not isinstance(error, Damaged) and code_of(error) not in DAMAGE:
                raise
            aside = set_aside(self.path, inode)
            if aside is not None:
                self.on_damage(error, aside)
            return operation()


def use_wal(connection: sqlite3.Connection) -> None:
    """Write ahead, so that readers and a writer don't wait for each other.

    Where the file system can't (some network drives), SQLite keeps its rollback journal, which is
    as safe: it answers with that mode, or with a locking error before it has changed anything.
    """
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if code_of(error) != sqlite3.SQLITE_PROTOCOL:
            raise
        connection.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; begins as a writer, so that it can't lose a race half-way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


def rows_of(connection: sqlite3.Connection, wanted: Mapping[str, str]) -> list[Event]:
    """The matching events in the order in which they were written."""
    connection.text_factory = lambda stored: stored.decode(errors="replace")
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
        return []
    where = " AND ".join(f"{column} = ?" for column in wanted) or "1"
    query = f"SELECT {COLUMNS} FROM events WHERE {where} ORDER BY rowid"
    connection.row_factory = sqlite3.Row
    rows = map(dict, connection.execute(query, tuple(wanted.values())))
    return [Event(**(row | {"payload": decode(row["payload"])})) for row in rows]


def encode(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, default=str)


def decode(stored: str) -> dict[str, Any]:
    """A payload that something else wrote over is shown as it is, rather than losing the rest."""
    try:
        payload = json.loads(stored)
    except ValueError:
        payload = None
    return payload if isinstance(payload, dict) else {"unreadable": stored}


def copy_database(path: Path, copy: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def set_aside(path: Path, inode: int | None) -> Path | None:
    """Rename a damaged database and what belongs to it; returns its new name, or None where
    another kernel has done so: one at a time, since a new one may stand there right after."""
    from filelock import FileLock  # here, since it takes long to import and is hardly ever needed

    with FileLock(f"{path}.lock"):
        if inode_of(path) != inode:
            return None
        aside = beside(path, "damaged")
        for tail in ("-wal", "-shm"):  # first: after the rename below they are a new database's
            with suppress(FileNotFoundError):
                Path(f"{path}{tail}").rename(f"{aside}{tail}")
        return path.rename(aside)


def beside(path: Path, what: str) -> Path:
    """A name next to the file that says what it is and when it was made, and is not yet taken."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    first = f"{path.name}.{what}-{stamp}"
    names = chain([first], (f"{first}-{number}" for number in count(2)))
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def inode_of(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; -1 for an error of the Python module's own."""
    code = getattr(error, "sqlite_errorcode", -1)
    return code if code < 0 else code & 0xFF
