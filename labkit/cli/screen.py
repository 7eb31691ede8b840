"""Progress on screen: one line that is rewritten in a terminal, a line now and then in a log."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

SECONDS_BETWEEN_LINES = 10.0


class Screen:
    """`step` says what begins, `status` how far it is, `done` what it came to, in a new line;
    `clear` leaves none."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.rewrites = self.stream.isatty()
        self.open_line = ""
        self.last = ""
        self.last_print = time.monotonic()

    def step(self, text: str) -> None:
        """A new line that stays."""
        self._close()
        print(text, file=self.stream, flush=True)
        self.last_print = time.monotonic()

    def status(self, text: str) -> None:
        """How far it is; in a log at most one line every few seconds."""
        if self.rewrites:
            line = text[: shutil.get_terminal_size().columns - 1]
            self.stream.write("\r" + line.ljust(len(self.open_line)))
            self.stream.flush()
            self.open_line = line
        elif text != self.last and time.monotonic() - self.last_print >= SECONDS_BETWEEN_LINES:
            self.last = text
            self.step(text)

    def done(self, text: str) -> None:
        """What the step came to; replaces the status line."""
        self.clear()
        self.step(text)

    def clear(self) -> None:
        """Take the status line away."""
        if self.open_line:
            self.stream.write("\r" + " " * len(self.open_line) + "\r")
            self.stream.flush()
            self.open_line = ""

    def _close(self) -> None:
        if self.open_line:
            self.stream.write("\n")
            self.open_line = ""


def megabytes(count: float) -> str:
    """`318_400_000` → "318 MB"."""
    return f"{count / 1e6:,.0f} MB"
