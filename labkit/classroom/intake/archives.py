"""Looks into a zip without ever writing a member to disk.

The bounds: members, size of each and of all together, ratio of what comes out to what went in.
Names that climb out of the zip, links, locked members and rare compressions (some take gigabytes of
memory to undo) are refused one by one; the other members stay readable.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from labkit.classroom.intake.files import MAX_DEPTH, TOO_DEEP, read_bounded, refuse_above
from labkit.classroom.intake.found import MEGABYTE, Unreadable

MAX_MEMBERS = 20_000
MAX_LIST = 8 * MEGABYTE  # of what a zip says about its members: 400 bytes for each
MAX_TOTAL = 128 * MEGABYTE  # of the notebooks in one learner's zip
MAX_RATIO = 100  # above HARMLESS; text compresses by ten, a bomb by a thousand
HARMLESS = 32 * MEGABYTE
ENTRY = b"PK\x01\x02"  # opens every entry of a zip's list
ENTRY_LENGTH = 46  # then name, extra field and comment, whose lengths are in it
IN_UTF_8 = 0x800  # the flag of a name that says so
PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DRIVE = re.compile(r"[A-Za-z]:")
# What zipfile is known to raise when it reads damaged or forged files.
DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, struct.error),
    *(ValueError, OverflowError, NotImplementedError, RuntimeError, MemoryError),
)


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """The zip in an open file; Unreadable where it is none or lists too many members."""
    bounded = BoundedList(file)
    try:
        archive = zipfile.ZipFile(cast(BinaryIO, bounded))
    except DAMAGE as error:
        raise Unreadable(f"It is no zip that can be read ({error}).") from None
    bounded.listed = True
    return archive


class BoundedList:
    """A zip's file, for zipfile, which asks for the whole list of the members in one read.

    What the zip says of their number is not believed: the list is measured and its entries are
    counted before zipfile makes an object of each.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.listed = False
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """What zipfile asks for; Unreadable where that is a list above the bounds."""
        if self.listed or size < ENTRY_LENGTH:
            return self.file.read(size)
        data = self.file.read(min(size, MAX_LIST + 1))
        starts = list(entries(data))
        if len(data) > MAX_LIST or len(starts) > MAX_MEMBERS:
            raise Unreadable(
                f"The zip lists more than {MAX_MEMBERS:,} files. Unpack it, look into it, and give "
                "the folder."
            )
        return with_true_flags(data, starts)

    def close(self) -> None:
        """Nothing: who opened the file closes it."""


def entries(data: bytes) -> Iterator[int]:
    """Where each entry of a zip's list begins, until one is cut or is none."""
    start = 0
    while data.startswith(ENTRY, start) and start + ENTRY_LENGTH <= len(data):
        yield start
        start += ENTRY_LENGTH + sum(struct.unpack_from("<3H", data, start + 28))


def with_true_flags(data: bytes, starts: list[int]) -> bytes:
    """The list without the claims that a name is UTF-8 where it is not: zipfile would give up."""
    mended = bytearray(data)
    for start in starts:
        (flags,) = struct.unpack_from("<H", data, start + 8)
        (length,) = struct.unpack_from("<H", data, start + 28)
        name = data[start + ENTRY_LENGTH : start + ENTRY_LENGTH + length]
        if flags & IN_UTF_8 and not is_utf_8(name):
            struct.pack_into("<H", mended, start + 8, flags & ~IN_UTF_8)
    return bytes(mended)


def is_utf_8(name: bytes) -> bool:
    """Whether these bytes are text in UTF-8."""
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def name_of(member: zipfile.ZipInfo) -> str:
    """A member's name, its folders parted by "/".

    Without the flag for UTF-8 zipfile reads it as code page 437; many programs write UTF-8 without
    it. Some on Windows write backslashes.
    """
    name = member.orig_filename
    if not member.flag_bits & IN_UTF_8:
        raw = name.encode("cp437", "replace")
        name = raw.decode("utf-8") if is_utf_8(raw) else name
    return name.replace("\\", "/")


def parts_of(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """The folders and the file in a member's name, none that leads upwards; () without a name.

    Those that lie too deep lose the folders in the middle.
    """
    parts = [part for part in name_of(member).split("/") if part not in ("", ".", "..")]
    return (*parts[: MAX_DEPTH - 1], *parts[MAX_DEPTH - 1 :][-1:])


def is_folder(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a folder, by its name."""
    return name_of(member).endswith("/")


def fault_of(member: zipfile.ZipInfo, most: int) -> str:
    """Why one member will not be read; "" where nothing speaks against it."""
    name = name_of(member)
    if "\0" in name or not parts_of(member):
        return "It has no name that a file can have. Ask for an ordinary zip."
    if name.startswith("/") or DRIVE.match(name) or ".." in PurePosixPath(name).parts:
        return "Its name leads out of the zip, so it is not read."
    if name.count("/") >= MAX_DEPTH:
        return TOO_DEEP
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


def head_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo, size: int) -> bytes:
    """The first bytes of a member, b"" where it can't be read."""
    if fault_of(member, MAX_TOTAL):
        return b""
    try:
        with archive.open(member) as stream:
            return stream.read(size)
    except DAMAGE:
        return b""
