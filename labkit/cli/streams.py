"""Standard output and error that no character makes fail.

Not every terminal or file is UTF-8, and names can hold anything.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, TextIO


def make_robust() -> None:
    """Characters that an encoding lacks are written as \\u2713; a closed stream drops its text."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = io.TextIOWrapper(
            IgnoringBrokenPipe(sys.stderr.fileno(), "w", closefd=False),
            sys.stderr.encoding, "backslashreplace", line_buffering=True, write_through=True,
        )  # fmt: skip


class IgnoringBrokenPipe(io.FileIO):
    """For messages and progress bars: when their reader has gone, as after `2>&1 | head`, the
    work continues."""

    def write(self, data: Any, /) -> int:
        """Number of bytes written, or dropped."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def reader_is_gone(stream: TextIO) -> bool:
    """Whether a pipe's reader is gone, as after `| head`."""
    if sys.platform == "win32":
        return False
    watched = select.poll()
    watched.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))


def discard_rest(stream: TextIO) -> None:
    """Drop what is left to write."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
