"""What a learner has done: an append-only log of events in work/progress.sqlite.

An event is (uuid, time in UTC, lesson, item, kind, outcome, points, payload); `item` is the id of
a question, the name of a challenge or of a claim. Kinds, and what their payload holds:

    answer      outcome pass | fail | committed; {"answer", "message", "feedback", "right"}
    hint        {"level"}, counted from 0
    solution    the reference was shown
    check       outcome pass | fail | error | not attempted; {"message", "case", "mistake", "line"}
    claim       outcome holds | does not hold; {"value", "around", "within", "holds"}
    prediction  a measurement beside it, outcome close | off | not predicted;
                {"predicted", "measured", "low", "high", "message"}
    opened      the lesson's Lab was made

Nothing is lost. What can't be written (full disk, read-only folder) is kept in memory and written
with the next event that can be; a damaged file is set aside and a new one begun. Each is said once.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labkit import paths
from labkit.course.event_store import Event, EventStore

FILE_NAME = "progress.sqlite"
TRIES = ("pass", "fail", "error", "committed")


def say_on_stderr(message: str) -> None:
    print(message, file=sys.stderr)


class ProgressLog:
    """The log in a file, by default the learner's own; `say` tells the learner what went wrong."""

    def __init__(
        self, path: Path | str | None = None, say: Callable[[str], None] = say_on_stderr
    ) -> None:
        self.path = Path(path) if path is not None else paths.work_dir() / FILE_NAME
        self.say = say
        self._store = EventStore(self.path.absolute(), on_damage=self._say_damaged)
        self._unsaved: list[Event] = []
        self._said: set[str] = set()
        self._lock = threading.RLock()  # guards the two above

    def record(
        self,
        lesson: str,
        item: str,
        kind: str,
        outcome: str | None = None,
        points: float | None = None,
        payload: dict[str, Any] | None = None,
    ) -> Event:
        """Append an event; it is on disk when this returns, or kept in memory and said so."""
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        event = Event(str(uuid.uuid4()), now, lesson, item, kind, outcome, points, payload or {})
        with self._lock:
            self._unsaved.append(event)
            self._save()
        return event

    def events(
        self, lesson: str | None = None, item: str | None = None, kind: str | None = None
    ) -> list[Event]:
        """The events that match, oldest first."""
        asked = {"lesson": lesson, "item": item, "kind": kind}
        wanted = {name: value for name, value in asked.items() if value is not None}
        with self._lock:
            return [*self._saved(wanted), *filter(matches(wanted), self._unsaved)]

    def latest(self, lesson: str, item: str, kind: str | None = None) -> Event | None:
        """The last matching event, or None."""
        return next(reversed(self.events(lesson, item, kind)), None)

    def attempts(self, lesson: str, item: str) -> int:
        """How often an answer or a check came to a verdict; untouched stubs don't count."""
        return sum(
            event.kind in ("answer", "check") and event.outcome in TRIES
            for event in self.events(lesson, item)
        )

    def reset(self, lesson: str | None = None) -> Path | None:
        """Begin anew, in one lesson or all; returns the backup, None where nothing was stored."""
        with self._lock:
            self._save()
            return self._store.reset(lesson)

    def _save(self) -> None:
        """Write what is not yet on disk; what can't be written waits for the next time."""
        if not self._unsaved:
            return
        try:
            self._store.append(self._unsaved)
        except (sqlite3.Error, OSError) as error:
            self._say_once(
                "unsaved",
                f"Your progress can't be saved just now: {error} ({self.path}). You can go on "
                "with the lesson; what you do is kept in memory and saved as soon as possible.",
            )
        else:
            self._unsaved.clear()
            self._said.discard("unsaved")

    def _saved(self, wanted: dict[str, str]) -> list[Event]:
        try:
            return self._store.select(wanted)
        except (sqlite3.Error, OSError) as error:
            self._say_once("unread", f"Earlier progress can't be read: {error} ({self.path}).")
            return []

    def _say_damaged(self, damage: Exception, kept_as: Path) -> None:
        self._say_once(
            f"damaged {kept_as.name}",
            f"Your progress file is damaged ({damage}). It is kept as {kept_as.name} in "
            f"{kept_as.parent}, and a new one is begun: earlier answers are not shown.",
        )

    def _say_once(self, topic: str, message: str) -> None:
        if topic not in self._said:
            self._said.add(topic)
            self.say(message)


def matches(wanted: dict[str, str]) -> Callable[[Event], bool]:
    return lambda event: all(getattr(event, name) == value for name, value in wanted.items())
