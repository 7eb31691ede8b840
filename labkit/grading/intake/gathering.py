"""From the paths on a command line to every notebook below them, each with its learner.

A zip that is given itself holds a class; a zip found in a folder or in another zip holds the work
of one learner, whose name is the zip's, whatever stands inside.
"""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from labkit.grading.intake.archives import fault_of, is_bomb, open_zip
from labkit.grading.intake.contents import MAX_LEARNERS_ZIP, inner_zip
from labkit.grading.intake.files import open_plain
from labkit.grading.intake.found import MAX_NOTEBOOK, Found, NothingFound, Unreadable
from labkit.grading.intake.learners import Parts, name_learners
from labkit.grading.plain_text import plain_line

MAX_NOTEBOOKS = 100  # of one learner
SKIPPED = {"__MACOSX", "__pycache__"}
OTHER_ARCHIVES = {".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz"}


@dataclass(frozen=True)
class Piece:
    """Something that may be graded: a file, or a member of a zip, not named after a learner yet."""

    parts: Parts
    path: Path
    members: tuple[int, ...] = ()
    problem: str = ""

    @property
    def kind(self) -> str:
        return PurePosixPath(self.parts[-1]).suffix.casefold()

    def found(self, learner: str, within: str = "", around: Parts = ()) -> Found:
        """The piece with its learner; `within` are the places in the zips around it, `around` the
        parts of the learner's zip that it lies in."""
        where = plain_line(": ".join(filter(None, [str(self.path), within])))
        file = plain_line(self.parts[-1])
        below = plain_line(": ".join("/".join(parts) for parts in (around, self.parts) if parts))
        return Found(learner, self.path, where, file, self.members, self.problem, below)


def gather(paths: Iterable[str], lessons: Collection[str] = ()) -> list[Found]:
    """Every notebook below these files, folders, zips and globs, by learner; NothingFound if none.

    `lessons` are the ids that may stand in a file's name, such as 05_temperature.
    """
    given = [path for pattern in paths for path in expand(pattern)]
    found = [
        one for root, pieces in groups(given) for one in with_learners(root, list(pieces), lessons)
    ]
    once = {(os.path.abspath(one.path), one.members): one for one in reversed(found)}
    if not once:
        raise NothingFound(f"No notebook (.ipynb) and no zip was found in {', '.join(paths)}.")
    return sorted(once.values(), key=lambda one: (one.learner, one.where))


def expand(pattern: str) -> list[Path]:
    """A path as it is, or what a glob matches; NothingFound if there is neither."""
    if os.path.lexists(pattern):
        return [Path(pattern)]
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        raise NothingFound(f"There is nothing at {pattern}. Expected notebooks, folders or zips.")
    return [Path(match) for match in matches]


# Groups: everything that is named below one root


def groups(given: Sequence[Path]) -> Iterator[tuple[str, Iterable[Piece]]]:
    """A root's name and its pieces: all single files together, each folder, each zip."""
    files = [path for path in given if not is_folder(path) and not is_zip(path)]
    if files:
        root = Path(os.path.commonpath([os.path.abspath(path.parent) for path in files]))
        yield root.name, (piece_at(path, root) for path in files if is_given_work(path))
    for path in given:
        if is_folder(path):
            yield path.resolve().name, in_folder(path)
        elif is_zip(path):
            yield path.stem, in_zip(path)


def is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def is_zip(path: Path) -> bool:
    return path.suffix.casefold() == ".zip"


def is_work(name: str) -> bool:
    """Whether a file is a notebook or an archive; hidden files and copies of editors are not."""
    kind = PurePosixPath(name).suffix.casefold()
    return not name.startswith(".") and kind in {".ipynb", ".zip", *OTHER_ARCHIVES}


def is_given_work(path: Path) -> bool:
    """Whether a file that was named is to have a row; a link has one, which says so."""
    return is_work(path.name) or path.is_symlink()


def piece_at(path: Path, root: Path) -> Piece:
    """A file below a root; one that is reached through a link is a piece with that problem."""
    parts = Path(os.path.abspath(path)).relative_to(root).parts
    steps = [root.joinpath(*parts[: count + 1]) for count in range(len(parts))]
    linked = any(step.is_symlink() for step in steps)
    return Piece(parts, path, problem="It is reached by a link, which is not followed." * linked)


def in_folder(root: Path) -> Iterator[Piece]:
    """The notebooks and archives below a folder, in order; linked folders are not entered."""
    closed: list[OSError] = []
    for folder, inner, files in os.walk(root, onerror=closed.append):
        inner[:] = sorted(name for name in inner if not is_skipped(name))
        linked = [name for name in inner if Path(folder, name).is_symlink()]
        for name in sorted([*linked, *filter(is_work, files)]):
            path = Path(folder, name)
            yield Piece(path.relative_to(root).parts, path, problem=fault_at(path))
    for error in closed:
        path = Path(str(error.filename))
        yield Piece(
            path.relative_to(root).parts or (path.name,), path, problem=f"{error.strerror}."
        )


def is_skipped(folder: str) -> bool:
    return folder.startswith(".") or folder in SKIPPED


def fault_at(path: Path) -> str:
    return "It is a link, and links are not followed." if path.is_symlink() else ""


def in_zip(path: Path) -> Iterator[Piece]:
    """The notebooks and archives in the zip of a class; the zip itself if it can't be read."""
    try:
        with open_plain(path) as file, open_zip(file) as archive:
            yield from pieces_in(archive, path)
    except Unreadable as error:
        yield Piece((path.name,), path, problem=str(error))


def pieces_in(archive: zipfile.ZipFile, path: Path, around: tuple[int, ...] = ()) -> list[Piece]:
    """What may be graded in an open zip, each with what speaks against it."""
    return [
        Piece(parts, path, (*around, place), fault_of(member, bound_for(parts[-1])))
        for place, member in enumerate(archive.infolist())
        if not member.is_dir() and (parts := member_parts(member)) and is_work(parts[-1])
        if not any(is_skipped(part) for part in parts[:-1])
    ]


def member_parts(member: zipfile.ZipInfo) -> Parts:
    """The folders and the file in a member's name."""
    return tuple(part for part in PurePosixPath(member.filename).parts if part not in ("/", ".."))


def bound_for(name: str) -> int:
    return MAX_LEARNERS_ZIP if PurePosixPath(name).suffix.casefold() == ".zip" else MAX_NOTEBOOK


# From pieces to what was found


def with_learners(root: str, pieces: list[Piece], lessons: Collection[str]) -> Iterator[Found]:
    """The pieces of one root with their learners; zips are replaced by their notebooks."""
    names = name_learners([piece.parts for piece in pieces], root, lessons)
    for piece, learner in zip(pieces, names, strict=True):
        within = "/".join(piece.parts) if piece.members else ""
        if piece.kind == ".zip" and not piece.problem:
            yield from in_learners_zip(piece, learner, within)
        elif piece.kind in OTHER_ARCHIVES:
            problem = f"A {piece.kind} archive is not read: unpack it, or ask for a zip."
            yield replace(piece, problem=problem).found(learner, within)
        else:
            yield piece.found(learner, within)


def in_learners_zip(piece: Piece, learner: str, within: str) -> Iterator[Found]:
    """The notebooks in one learner's zip, or the one reason why it is not read."""
    try:
        inner = learners_notebooks(piece)
    except Unreadable as error:
        yield replace(piece, problem=str(error)).found(learner, within)
        return
    for notebook in inner:
        inside = ": ".join(filter(None, [within, "/".join(notebook.parts)]))
        yield notebook.found(learner, inside, piece.parts)


def learners_notebooks(piece: Piece) -> list[Piece]:
    """The notebooks in a learner's zip; Unreadable where it has none, too many, or is a bomb."""
    with open_plain(piece.path) as file:
        archive = open_zip(file)
        for place in piece.members:
            archive = inner_zip(archive, archive.infolist()[place])
        inner = pieces_in(archive, piece.path, piece.members)
        infos = archive.infolist()
    notebooks = [one for one in inner if one.kind == ".ipynb"]
    if not notebooks:
        raise Unreadable("The zip holds no notebook (a zip in it is not opened).")
    if len(notebooks) > MAX_NOTEBOOKS:
        raise Unreadable(f"It holds {len(notebooks):,} notebooks; {MAX_NOTEBOOKS} is the most.")
    if is_bomb([infos[one.members[-1]] for one in notebooks if not one.problem]):
        raise Unreadable("It would unpack to far more than its size: a zip bomb, so not read.")
    return notebooks
