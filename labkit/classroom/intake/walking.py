"""Goes through folders and globs that strangers have filled: links are not entered, depth and
number are bounded, and no step calls itself, so that no tree is too deep to be walked."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from labkit.classroom.intake.files import MAX_DEPTH, TOO_DEEP
from labkit.classroom.intake.names import is_hidden

MAX_FILES = 20_000  # in one folder and all below it
TOO_MANY = f"It holds more than {MAX_FILES:,} files, so it is not looked through. Ask for less."
LINK = "It is a link, and links are not followed."
# What no learner makes: of the system, of Python, of the programs that pack.
SKIPPED = {"__MACOSX", "__pycache__", "node_modules", "site-packages"}


@dataclass(frozen=True)
class Place:
    """A file, an empty or hidden folder, or what can't be entered (`problem` says why)."""

    path: Path
    is_folder: bool = False
    problem: str = ""


def walk(root: Path) -> Iterator[Place]:
    """Everything below a folder, in order of the names."""
    problems: list[Place] = []
    for name in names_in(root, problems):
        yield from walk_one(root / name)
    yield from problems


def walk_one(start: Path) -> Iterator[Place]:
    """What there is at a path and below; above the bounds one place with a problem."""
    waiting, count = [(start, 0)], 0
    while waiting:
        path, depth = waiting.pop()
        if place := not_entered(path, depth):
            yield place
            continue
        problems: list[Place] = []
        inner = names_in(path, problems, MAX_FILES + 1)
        yield from problems if problems or inner else [Place(path, is_folder=True)]
        count += len(inner)
        if count > MAX_FILES:
            yield Place(start, is_folder=True, problem=TOO_MANY)
            return
        waiting += [(path / name, depth + 1) for name in reversed(inner)]


def not_entered(path: Path, depth: int) -> Place | None:
    """The place of a file, or of a folder that is not looked into; None for other folders."""
    if os.path.islink(path):
        return Place(path, problem=LINK)
    if not os.path.isdir(path):
        return Place(path)
    if is_hidden(path.name):
        return Place(path, is_folder=True)
    return Place(path, is_folder=True, problem=TOO_DEEP) if depth >= MAX_DEPTH else None


def names_in(folder: Path, problems: list[Place], most: int | None = None) -> list[str]:
    """What a folder holds, in order; where it can't be looked into, that is a problem."""
    try:
        with os.scandir(folder) as found:
            names = [one.name for one in islice(found, most)]
        return sorted(name for name in names if name not in SKIPPED)
    except OSError as error:
        problems.append(Place(folder, is_folder=True, problem=f"{error.strerror or error}."))
        return []


# Globs: the standard library's calls itself for each folder in a folder, and enters links


def expand(pattern: str) -> list[Path]:
    """A path as it is, or what a glob matches, in order; [] if there is neither."""
    if os.path.lexists(pattern):
        return [Path(pattern)]
    if not glob.has_magic(pattern):
        return []
    path = Path(pattern)
    found: Iterable[Path] = [Path(path.anchor)]
    for step in path.parts[bool(path.anchor) :]:
        found = [inner for place in found for inner in matching(place, step)]
    return sorted(set(found) - {Path(path.anchor)})


def fixed_part(pattern: str) -> Path:
    """The folder before the first part of a glob that is one; of a plain path, its folder."""
    path = Path(pattern)
    if os.path.lexists(pattern):
        return path.parent
    magic = (above for above in reversed([path, *path.parents]) if glob.has_magic(str(above)))
    return next(magic, path).parent


def matching(place: Path, step: str) -> Iterator[Path]:
    """What one part of a glob leads to from a path; hidden names need a dot in the pattern."""
    if step == "**":
        yield from folders_below(place)
    elif not glob.has_magic(step):
        if os.path.lexists(place / step):
            yield place / step
    else:
        shown = [name for name in names_in(place, []) if step[0] == "." or name[0] != "."]
        yield from (place / name for name in fnmatch.filter(shown, step))


def folders_below(start: Path) -> Iterator[Path]:
    """A folder and all folders in it, as deep as is looked."""
    waiting = [(start, 0)]
    while waiting:
        folder, depth = waiting.pop()
        yield folder
        if depth < MAX_DEPTH:
            inner = (folder / name for name in names_in(folder, []) if not is_hidden(name))
            real = (one for one in inner if os.path.isdir(one) and not os.path.islink(one))
            waiting += [(one, depth + 1) for one in real]
