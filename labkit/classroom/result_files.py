"""Files that a command leaves behind: written whole, and never in the place of what was there.

A name that is taken keeps its owner's work: what lay there and differs stays beside the new file,
under its own date.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from itertools import count
from pathlib import Path

from labkit.whole_files import drafted

LONGEST_NAME = 200  # bytes; file systems take 255, and a date or .journal may come to it


class NotWritable(Exception):
    """Nothing can be written there; the message says why and what to do."""


def check_file(path: Path) -> None:
    """NotWritable where no file of this name can be made; makes none."""
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise NotWritable(f"the name {path.name[:20]}… is too long; give a shorter one")
    if os.path.isdir(path):
        raise NotWritable(f"{path} is a folder; give the name of a file in it")
    if not os.path.isdir(path.absolute().parent):
        raise NotWritable(f"there is no folder {path.parent}; make it first")
    check_folder(path.absolute().parent)


def check_folder(folder: Path) -> None:
    """Make the folder where there is none; NotWritable where nothing can be written into it."""
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise NotWritable(f"{folder} is a file; give the name of a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = error.strerror or error
        raise NotWritable(f"nothing can be written to {folder} ({why}); give another") from None


def write_result(path: Path, data: bytes) -> Path | None:
    """The data under its final name once it is on the disk, never half of it.

    Returns where that lies now which was there before; None where nothing was, or the very same.
    """
    if holds(path, data):
        return None
    with drafted(path, data):
        return keep_earlier(path)


def holds(path: Path, data: bytes) -> bool:
    """Whether the file has this content already."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def keep_earlier(path: Path) -> Path | None:
    """Put the date of what lies there into its name; None where nothing lies there."""
    if not os.path.lexists(path):
        return None
    date = datetime.fromtimestamp(path.lstat().st_mtime).strftime("%Y-%m-%d-%H%M%S")
    for number in count(1):
        again = f"-{number}" if number > 1 else ""
        kept = path.with_name(f"{path.stem}.{date}{again}{path.suffix}")
        if not os.path.lexists(kept):
            break
    return path.rename(kept)
