"""Files written whole: a file holds its old content or all of the new, never half.

Bottom of the house: standard library only, anyone may import it, also before there is an
environment.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DRAFT = ".labkit-draft"  # how the names of drafts begin; what a killed process leaves behind


def write_whole(path: Path, content: bytes | str) -> None:
    """Replace the content of a file (text as UTF-8) in one step.

    A link is followed; a pipe or a terminal is written to directly.
    Raises OSError where that fails; the file is then as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    with drafted(Path(os.path.realpath(path)), data):
        pass


@contextmanager
def drafted(path: Path, data: bytes) -> Iterator[None]:
    """Within the block the data is on the disk under another name; at the end it takes the file's.

    Raises OSError where it can't be written; then, and where the block raises, the draft is removed
    and nothing has changed.
    """
    draft = path.with_name(f"{DRAFT}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):  # a new file has the rights that the user's umask gives
            draft.chmod(path.stat().st_mode & 0o777)
        yield
        os.replace(draft, path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(draft):
            raise OSError(
                error.errno, error.strerror, str(path)
            ) from error  # the user knows no draft
        raise
    keep_name(path.parent)


def keep_name(folder: Path) -> None:
    """Make the new name survive a power cut, on systems that offer this."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
