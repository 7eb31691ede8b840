"""Files written whole: under a name stands what was there before or all that is new, never half.

Bottom of the house: standard library only, anyone may import it, also before the environment
stands.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DRAFT = ".labkit-draft"  # how the names of drafts begin; what a killed process leaves is such a one


def write_whole(path: Path, content: bytes | str) -> None:
    """Put the content (text as UTF-8) in the place of the file's, in one step.

    A link is followed, and what is no file of a disk (a pipe, a terminal) is written to as it is.
    Raises OSError where that can't be done; the earlier file is then untouched.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    with drafted(Path(os.path.realpath(path)), data):
        pass


@contextmanager
def drafted(path: Path, data: bytes) -> Iterator[None]:
    """The data lies on the disk under another name meanwhile, and takes the file's at the end.

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
            raise OSError(error.errno, error.strerror, str(path)) from error  # nobody knows drafts
        raise
    keep_name(path.parent)


def keep_name(folder: Path) -> None:
    """Have the disk remember the new name through a power cut, where a system can be asked to."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
