"""Reads the bytes of what was found; the zip of a class stays open between its notebooks."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from labkit.classroom.intake.archives import open_zip, read_member
from labkit.classroom.intake.files import open_plain, read_plain
from labkit.classroom.intake.found import MAX_NOTEBOOK, MEGABYTE, Found, Unreadable

MAX_LEARNERS_ZIP = 64 * MEGABYTE


class Contents:
    """A context manager: `with Contents() as contents: contents.of(found)`."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.file: BinaryIO | None = None
        self.archive: zipfile.ZipFile | None = None

    def __enter__(self) -> Contents:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.let_go()

    def of(self, found: Found) -> bytes:
        """The notebook's bytes, at most 32 MB; Unreadable says why there are none."""
        if found.problem:
            raise Unreadable(found.problem)
        if not found.members:
            return read_plain(found.path, MAX_NOTEBOOK)
        archive = self.zip_at(found.path)
        for place in found.members[:-1]:
            archive = inner_zip(archive, member_at(archive, place))
        return read_member(archive, member_at(archive, found.members[-1]), MAX_NOTEBOOK)

    def zip_at(self, path: Path) -> zipfile.ZipFile:
        """The zip on disk, open; the one before is closed."""
        if self.path != path or self.archive is None:
            self.let_go()
            self.file = open_plain(path)
            self.archive, self.path = open_zip(self.file), path
        return self.archive

    def let_go(self) -> None:
        """Close what is open."""
        if self.archive:
            self.archive.close()
        if self.file:
            self.file.close()
        self.path = self.file = self.archive = None


def member_at(archive: zipfile.ZipFile, place: int) -> zipfile.ZipInfo:
    """A member by its place: several may have the same name."""
    members = archive.infolist()
    if place >= len(members):
        raise Unreadable("The zip has changed while it was read. Start again.")
    return members[place]


def inner_zip(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> zipfile.ZipFile:
    """A zip in a zip, in memory."""
    return open_zip(io.BytesIO(read_member(archive, member, MAX_LEARNERS_ZIP)))
