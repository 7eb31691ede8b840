"""What lies below the paths that were given, piece by piece: in folders, and in zips of classes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from labkit.classroom.intake.archives import fault_of, head_of, is_folder, open_zip, parts_of
from labkit.classroom.intake.contents import MAX_LEARNERS_ZIP, inner_zip, member_at
from labkit.classroom.intake.files import head_of_file, open_plain
from labkit.classroom.intake.found import MAX_NOTEBOOK, Found, Unreadable
from labkit.classroom.intake.learners import Parts
from labkit.classroom.intake.names import OTHER_ARCHIVES, is_hidden, kind_of
from labkit.classroom.intake.walking import SKIPPED, walk
from labkit.grading.plain_text import plain_line

HEAD = 65_536  # bytes that tell a notebook from other files


@dataclass(frozen=True)
class Piece:
    """A file, or a member of a zip, not named after a learner yet.

    parts     where it lies below what was given; the last is "" for an empty folder
    inside    the last of them that lie in a zip, for one in a zip
    members   its place in the zip's list, for a file there
    problem   why it can't be read, or looked into
    without   whether it stands for a learner without a notebook
    """

    parts: Parts
    path: Path
    inside: Parts = ()
    members: tuple[int, ...] = ()
    problem: str = ""
    without: bool = False

    @property
    def file(self) -> str:
        return self.parts[-1]

    @property
    def is_hidden(self) -> bool:
        return is_hidden(self.file)

    @property
    def is_notebook(self) -> bool:
        return not self.is_hidden and kind_of(self.file) == ".ipynb"

    @property
    def is_zip(self) -> bool:
        return not self.is_hidden and kind_of(self.file) == ".zip"

    @property
    def is_other_archive(self) -> bool:
        return not self.is_hidden and kind_of(self.file) in OTHER_ARCHIVES

    def found(self, learner: str, home: str, outer: Piece | None = None) -> Found:
        """The piece with its learner; `outer` is the learner's zip that it lies in."""
        around = [outer] if outer else []
        zips = [str(self.path), *("/".join(one.inside) for one in (*around, self))]
        where = plain_line(": ".join(filter(None, zips)))
        below = plain_line(": ".join("/".join(one.parts) for one in (*around, self)))
        file = plain_line(self.file)
        known = Found(learner, self.path, where, file, self.members, self.problem, below, home)
        return replace(known, missing=self.without)


def below(root: Path, above: Parts = ()) -> Iterator[Piece]:
    """All that lies below a folder; a folder that is empty or closed is a piece without a file."""
    for place in walk(root):
        parts = (*above, *place.path.relative_to(root).parts)
        bare = place.is_folder and not is_hidden(place.path.name)
        yield Piece((*parts, "") if bare else parts, place.path, problem=place.problem)


def given(path: Path, root: Path) -> Piece:
    """A file that was named itself; one reached through a link is a piece with a problem."""
    parts = Path(os.path.abspath(path)).relative_to(root).parts
    linked = any(root.joinpath(*parts[: count + 1]).is_symlink() for count in range(len(parts)))
    return Piece(parts, path, problem="It is reached by a link, which is not followed." * linked)


# In zips


def in_class_zip(path: Path, above: Parts = ()) -> list[Piece]:
    """All that lies in the zip of a class; Unreadable where it is none."""
    with open_plain(path) as file, open_zip(file) as archive:
        return in_archive(archive, Piece(above, path))


def in_archive(archive: zipfile.ZipFile, outer: Piece) -> list[Piece]:
    """All that lies in an open zip, each with what speaks against it."""
    folders: set[Parts] = set()
    pieces = []
    for place, member in enumerate(archive.infolist()):
        parts = parts_of(member)
        if is_folder(member) or SKIPPED & set(parts):
            folders.add(tuple(takewhile(lambda part: part not in SKIPPED, parts)))
        else:
            pieces.append(as_piece(member, place, outer))
    filled = {one.inside[:count] for one in pieces for count in range(len(one.inside))}
    empty = (parts for parts in sorted(folders - filled) if parts and before_hidden(parts) == parts)
    return pieces + [Piece((*outer.parts, *one, ""), outer.path, one) for one in empty]


def as_piece(member: zipfile.ZipInfo, place: int, outer: Piece) -> Piece:
    """A member of a zip; one in a hidden folder stands for the folder."""
    parts = parts_of(member) or ("without a name",)
    shown = before_hidden(parts)
    if shown != parts:
        return Piece((*outer.parts, *shown), outer.path, shown)
    fault = fault_of(member, bound_for(parts[-1]))
    return Piece((*outer.parts, *parts), outer.path, parts, (*outer.members, place), fault)


def before_hidden(parts: Parts) -> Parts:
    """The parts up to the first folder that is hidden."""
    hidden = (at for at, part in enumerate(parts[:-1]) if is_hidden(part))
    return parts[: next(hidden, len(parts)) + 1]


def bound_for(name: str) -> int:
    """How large a member may be: a learner's zip holds several notebooks."""
    return MAX_LEARNERS_ZIP if kind_of(name) == ".zip" else MAX_NOTEBOOK


def in_learners_zip(piece: Piece) -> tuple[list[Piece], list[zipfile.ZipInfo]]:
    """All that lies in a learner's zip, and the zip's list; Unreadable where that can't be told."""
    with open_plain(piece.path) as file:
        archive = open_zip(file)
        for place in piece.members:
            archive = inner_zip(archive, member_at(archive, place))
        return in_archive(archive, Piece((), piece.path, members=piece.members)), archive.infolist()


# What a file is that is called differently


def looks_like_notebook(piece: Piece) -> bool:
    """Whether a file begins as notebooks do, whatever it is called."""
    if piece.inside and not piece.members:
        return False
    head = head_in_zip(piece) if piece.inside else head_of_file(piece.path, HEAD)
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"cell' in head


def head_in_zip(piece: Piece) -> bytes:
    """The first bytes of a file in a zip, or in a learner's zip in it; b"" where there are none."""
    try:
        with open_plain(piece.path) as file:
            archive = open_zip(file)
            for place in piece.members[:-1]:
                archive = inner_zip(archive, member_at(archive, place))
            return head_of(archive, member_at(archive, piece.members[-1]), HEAD)
    except Unreadable:
        return b""
