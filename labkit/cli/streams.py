"""Standard output and error as every command may use them: no character makes them fail.

Terminals and files take other encodings than UTF-8 still, and names come from anywhere.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, TextIO


def settle() -> None:
    """What an encoding lacks is written as \\u2713; a stream that was closed takes all."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = io.TextIOWrapper(
            Unheard(sys.stderr.fileno(), "w", closefd=False),
            sys.stderr.encoding, "backslashreplace", line_buffering=True, write_through=True,
        )  # fmt: skip


class Unheard(io.FileIO):
    """Messages and progress bars: where nobody reads on, as after `2>&1 | head`, the work goes
    on."""

    def write(self, data: Any, /) -> int:
        """Number of bytes written, or not heard."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def is_unread(stream: TextIO) -> bool:
    """Whether a pipe's reader is gone, as after `| head`."""
    if sys.platform == "win32":
        return False
    watched = select.poll()
    watched.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))


def give_up(stream: TextIO) -> None:
    """Let what is left to write go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
