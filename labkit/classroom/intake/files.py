"""Opens a file that a stranger has put there: no links, pipes or devices, never above a bound."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from labkit.classroom.intake.found import MEGABYTE, Unreadable

MAX_DEPTH = 50  # folders in each other
TOO_DEEP = (
    f"It lies more than {MAX_DEPTH} folders deep, so it is not looked at. Ask for the notebook."
)
# A named pipe would make an ordinary open wait for ever; neither flag is known on Windows.
CAREFULLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_plain(path: Path) -> BinaryIO:
    """The file, open for reading; Unreadable where it is anything but a plain file."""
    try:
        if path.is_symlink():
            raise Unreadable("It is a link, and links are not followed: hand in the file itself.")
        handle = os.open(path, CAREFULLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise Unreadable(f"It can't be opened: {error.strerror or error}.") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Unreadable("It is no plain file (a folder, a pipe or a device).")
    return os.fdopen(handle, "rb")


def read_plain(path: Path, most: int) -> bytes:
    """A file's bytes; Unreadable above the bound, which its stated size may not hide."""
    with open_plain(path) as file:
        refuse_above(most, os.fstat(file.fileno()).st_size)
        try:
            return read_bounded(file, most)
        except OSError as error:
            raise Unreadable(f"It can't be read: {error.strerror or error}.") from None


def read_bounded(file: BinaryIO, most: int) -> bytes:
    """All that is left of a stream, if that is no more than the bound."""
    data = file.read(most + 1)
    refuse_above(most, len(data))
    return data


def head_of_file(path: Path, size: int) -> bytes:
    """The first bytes of a plain file, b"" where it can't be read."""
    try:
        with open_plain(path) as file:
            return file.read(size)
    except (Unreadable, OSError):
        return b""


def refuse_above(most: int, size: int) -> None:
    """Unreadable where a size is above the bound."""
    if size > most:
        raise Unreadable(
            f"It is larger than {most // MEGABYTE} MB. Ask for the notebook without its outputs "
            "(Kernel → Restart Kernel and Clear Outputs)."
        )
