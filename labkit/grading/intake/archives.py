"""Looks into a zip without ever writing a member to disk.

The bounds: members, size of each and of all together, ratio of what comes out to what went in.
Names that climb out of the zip, links, locked members and rare compressions (some take gigabytes of
memory to undo) are refused one by one; the other members stay readable.
"""

from __future__ import annotations

import mmap
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO

from labkit.grading.intake.files import read_bounded, refuse_above
from labkit.grading.intake.found import MEGABYTE, Unreadable

MAX_MEMBERS = 20_000
MAX_TOTAL = 128 * MEGABYTE  # of the notebooks in one learner's zip
MAX_RATIO = 100  # above HARMLESS; text compresses by ten, a bomb by a thousand
HARMLESS = 32 * MEGABYTE
ENTRY = b"PK\x01\x02"  # opens every entry of a zip's list
PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DRIVE = re.compile(r"[A-Za-z]:")
# What zipfile is known to raise when it reads damaged or forged files.
DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError),
    *(ValueError, OverflowError, NotImplementedError, RuntimeError, MemoryError),
)


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """The zip in an open file; Unreadable where it is none or lists too many members."""
    try:
        if count_entries(file) > MAX_MEMBERS:
            raise Unreadable(
                f"The zip lists more than {MAX_MEMBERS:,} files. Unpack it, look into it, and give "
                "the folder."
            )
        return zipfile.ZipFile(file)
    except DAMAGE as error:
        raise Unreadable(f"It is no zip that can be read ({error}).") from None


def count_entries(file: BinaryIO) -> int:
    """At most how many members zipfile will find; what the zip says of itself is not asked."""
    with whole(file) as data:
        count = position = 0
        while count <= MAX_MEMBERS and (position := data.find(ENTRY, position)) >= 0:
            count, position = count + 1, position + len(ENTRY)
    return count


@contextmanager
def whole(file: BinaryIO) -> Iterator[bytes | mmap.mmap]:
    """The bytes of an open file, without a copy where it lies on disk."""
    file.seek(0)
    try:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # in memory, or empty
        yield file.read()
    else:
        with data:
            yield data


def fault_of(member: zipfile.ZipInfo, most: int) -> str:
    """Why one member will not be read; "" where nothing speaks against it."""
    name = member.filename
    if name.startswith("/") or DRIVE.match(name) or ".." in PurePosixPath(name).parts:
        return "Its name leads out of the zip, so it is not read."
    if stat.S_ISLNK(member.external_attr >> 16):
        return "It is a link, and links are not followed: hand in the file itself."
    if member.flag_bits & 0x1:
        return "It is locked with a password. Ask for a zip without one."
    if member.compress_type not in PLAIN:
        return "It is packed in a rare way. Ask for an ordinary zip."
    try:
        refuse_above(most, member.file_size)
    except Unreadable as error:
        return str(error)
    return ""


def is_bomb(members: list[zipfile.ZipInfo]) -> bool:
    """Whether members would unpack to far more than they are, or to more than one may hand in."""
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    return size > MAX_TOTAL or (size > HARMLESS and size > MAX_RATIO * packed)


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """One member's bytes; Unreadable above the bound, whatever size it claims to have."""
    if fault := fault_of(member, most):
        raise Unreadable(fault)
    try:
        with archive.open(member) as stream:
            return read_bounded(stream, most)  # type: ignore[arg-type]  # a ZipExtFile reads alike
    except DAMAGE as error:
        raise Unreadable(f"The zip is damaged here ({error}).") from None
