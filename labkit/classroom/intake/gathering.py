"""From the paths on a command line to every notebook below them, each with its learner.

A zip that is given itself holds a class; a zip found in a folder or in another zip holds the work
of one learner, whose name is the zip's, whatever stands inside. Every learner comes out at least
once: one who handed in no notebook as a `Found` whose problem says what is there instead.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.classroom.intake.archives import is_bomb
from labkit.classroom.intake.found import Found, NothingFound, Unreadable
from labkit.classroom.intake.learners import (
    Folder,
    Owner,
    Parts,
    are_learners,
    holds_class,
    named_apart,
    owners_of,
    tree,
)
from labkit.classroom.intake.missing import telling, without_notebook
from labkit.classroom.intake.names import (
    is_group,
    kind_of,
    name_of_root,
    names_nobody,
    readable_name,
    stem,
    told_apart,
)
from labkit.classroom.intake.pieces import (
    Piece,
    below,
    given,
    in_class_zip,
    in_learners_zip,
)
from labkit.classroom.intake.walking import expand, fixed_part

MAX_NOTEBOOKS = 100  # of one learner


@dataclass(frozen=True)
class Root:
    """What is named together: `name` is for where nothing else tells, "" where it tells nothing."""

    path: Path
    name: str
    pieces: Sequence[Piece]

    @property
    def group(self) -> Parts:
        """The part of the class that the whole root is, if it is called as one."""
        name = self.path.stem if kind_of(self.path.name) == ".zip" else self.path.name
        return (name,) if is_group(name) else ()


def gather(paths: Iterable[str], lessons: Collection[str] = ()) -> list[Found]:
    """Every notebook below these files, folders, zips and globs, by learner; NothingFound if none.

    `lessons` are the ids that may stand in a file's name, such as 05_temperature.
    """
    paths = list(paths)
    owned = [
        each for root in roots_of(existing(paths), lessons) for each in by_owner(root, lessons)
    ]
    names = shown_names(owner for _, owner, _ in owned)
    found = [
        one for root, owner, pieces in owned for one in found_of(root, owner, pieces, names[owner])
    ]
    once = {(os.path.abspath(one.path), one.members, one.where): one for one in reversed(found)}
    if not once:
        raise NothingFound(f"No notebook (.ipynb) and no zip was found in {', '.join(paths)}.")
    return numbered(sorted(once.values(), key=lambda one: (one.learner, one.where)))


def existing(patterns: Iterable[str]) -> dict[Path, Path]:
    """What paths and globs lead to, each with the folder that was named; NothingFound for nothing.

    A path leads to itself; of "hand-ins/*/05_*.ipynb" the folder is hand-ins.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for pattern in patterns:
        matches = expand(pattern)
        if not matches:
            raise NothingFound(
                f"There is nothing at {pattern}. Expected notebooks, folders or zips."
            )
        found |= {os.path.abspath(path): (path, fixed_part(pattern)) for path in matches}
    return dict(found.values())


def numbered(found: list[Found]) -> list[Found]:
    """Each with a `where` of its own: a zip may list one name twice."""
    times: Counter[str] = Counter()
    for place, one in enumerate(found):
        times[one.where] += 1
        if times[one.where] > 1:
            mark = f" ({times[one.where]})"
            found[place] = replace(one, where=one.where + mark, below=one.below + mark)
    return found


# Roots: everything that is named together


def roots_of(paths: Mapping[Path, Path], lessons: Collection[str]) -> Iterator[Root]:
    """Learners' folders, zips and files side by side together; each class; all other files."""
    files = by_parent(path for path in paths if not is_holder(path))
    for parent, those in by_parent(path for path in paths if is_holder(path)).items():
        inside = {path: pieces_at(path, (own_name(path),)) for path in those}
        if len(those) > 1 and are_learners(map(folder_of, inside.values()), lessons):
            beside = [given(path, parent) for path in files.pop(parent, [])]
            listed = [one for path in those for one in as_learners(path, inside[path], lessons)]
            yield Root(parent, "", [*listed, *beside])
        else:
            yield from (class_at(path, lessons) for path in those)
    for root, rest in together(files, paths).items():
        yield Root(root, name_of_root(root, lessons), [given(path, root) for path in rest])


def together(
    files: Mapping[Path, Sequence[Path]], paths: Mapping[Path, Path]
) -> Mapping[Path, Sequence[Path]]:
    """Files below the folder that holds all of them; each folder's apart where only a disk does."""
    rest = [path for those in files.values() for path in those]
    named = [Path(os.path.abspath(paths[path])) for path in rest]
    if len({path.anchor for path in named}) > 1:
        return files
    root = Path(os.path.commonpath(named)) if named else Path()
    return files if root == Path(root.anchor) else {root: rest}


def by_parent(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """Paths by the folder that they are in."""
    found: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        found[Path(os.path.abspath(path)).parent].append(path)
    return found


def is_holder(path: Path) -> bool:
    """Whether hand-ins lie in it: a folder that is no link, or a zip."""
    return kind_of(path.name) == ".zip" or (os.path.isdir(path) and not os.path.islink(path))


def own_name(path: Path) -> str:
    """The name of a file or a folder, of "." too."""
    return Path(os.path.abspath(path)).name


def pieces_at(path: Path, above: Parts = ()) -> list[Piece]:
    """All that lies in a folder or in the zip of a class; the zip itself if it can't be read."""
    if kind_of(path.name) != ".zip" or os.path.isdir(path):
        return list(below(path, above))
    try:
        return in_class_zip(path, above)
    except Unreadable as error:
        return [Piece(above or (path.name,), path, problem=str(error))]


def folder_of(pieces: Iterable[Piece]) -> Folder:
    """What lies in the folder or the zip that all these pieces are in."""
    return tree(piece.parts[1:] for piece in pieces if len(piece.parts) > 1)


def as_learners(path: Path, inside: list[Piece], lessons: Collection[str]) -> list[Piece]:
    """What lies in one of several folders and zips; a learner's zip is one piece."""
    if os.path.isdir(path):
        return inside or [Piece((own_name(path), ""), path)]
    return opened([Piece((path.name,), path)], lessons)


def class_at(path: Path, lessons: Collection[str]) -> Root:
    """A folder or a zip on its own: a class, or one learner's."""
    full = Path(os.path.abspath(path))
    if os.path.isdir(path):
        return Root(full, name_of_root(full, lessons), opened(pieces_at(path), lessons))
    return Root(full, "" if names_nobody(full.stem, lessons) else full.stem, pieces_at(path))


def opened(pieces: Iterable[Piece], lessons: Collection[str]) -> list[Piece]:
    """The pieces, and in place of each zip that is a class's what lies in it."""
    return [inner for piece in pieces for inner in in_place_of(piece, lessons)]


def in_place_of(piece: Piece, lessons: Collection[str]) -> list[Piece]:
    """What lies in a zip that is called as nobody is and holds several learners' work."""
    if len(piece.parts) == 1 and piece.is_zip and names_nobody(stem(piece.file), lessons):
        inside = pieces_at(piece.path, piece.parts)
        if holds_class(folder_of(inside), lessons):
            return inside
    return [piece]


# From pieces to what was found


def by_owner(root: Root, lessons: Collection[str]) -> Iterator[tuple[Root, Owner, list[Piece]]]:
    """A root's pieces by learner, each with the part of the class that they are in."""
    parts = [piece.parts for piece in root.pieces]
    owners = owners_of(parts, root.name, lessons, root.path.name)
    found: dict[Owner, list[Piece]] = defaultdict(list)
    for piece, owner in zip(root.pieces, owners, strict=True):
        if piece.problem:  # has a row in any case
            owner = owner or Owner(stem(piece.file), piece.parts, guessed=True)
        if owner:
            found[replace(owner, group=root.group + owner.group)].append(piece)
    yield from ((root, owner, pieces) for owner, pieces in found.items())


def shown_names(owners: Iterable[Owner]) -> dict[Owner, str]:
    """A name for each that can be shown, the same for two only where theirs were the same."""
    written = named_apart(owners)
    alike: dict[str, set[str]] = defaultdict(set)
    for name in written.values():
        alike[readable_name(name)].add(name)
    return {
        owner: shown if shown == name or len(alike[shown]) == 1 else told_apart(name)
        for owner, name in written.items()
        if (shown := readable_name(name))
    }


def found_of(root: Root, owner: Owner, pieces: list[Piece], learner: str) -> list[Found]:
    """All notebooks of one learner, or why there is none."""
    home = "" if owner.guessed else f"{root.path}: {'/'.join(owner.home)}"
    notebooks: list[Found] = []
    closed: list[Found] = []
    for piece in pieces:
        try:
            notebooks += [one.found(learner, home, outer) for one, outer in notebooks_in(piece)]
        except Unreadable as error:
            closed.append(replace(piece, problem=str(error)).found(learner, home))
    if any(not one.problem for one in notebooks):
        aside = tuple(f"{one.below}: {one.problem}" for one in closed)
        notebooks[0] = replace(notebooks[0], aside=aside)
        closed = []
    rows = [*notebooks, *closed] or [missing(pieces).found(learner, home)]
    return rows if len(rows) <= MAX_NOTEBOOKS or owner.guessed else [too_many(rows)]


def notebooks_in(piece: Piece) -> Iterable[tuple[Piece, Piece | None]]:
    """A notebook itself, or those in a learner's zip; Unreadable for what may hold some."""
    if piece.is_notebook:
        return [(piece, None)]
    if piece.problem:
        raise Unreadable(piece.problem)
    if piece.is_other_archive:
        raise Unreadable(
            f"A {kind_of(piece.file)} archive is not read: unpack it, or ask for a zip."
        )
    return [(one, piece) for one in learners_notebooks(piece)] if piece.is_zip else []


def learners_notebooks(piece: Piece) -> list[Piece]:
    """The notebooks in a learner's zip; Unreadable where it has too many, is a bomb or forged."""
    inner, infos = in_learners_zip(piece)
    if not all(info.filename for info in infos):
        raise Unreadable("It lists a file without a name, as no program does. Ask for another zip.")
    notebooks = [one for one in inner if one.is_notebook]
    if len(notebooks) > MAX_NOTEBOOKS:
        raise Unreadable(f"It holds {len(notebooks):,} notebooks; {MAX_NOTEBOOKS} is the most.")
    if is_bomb([infos[one.members[-1]] for one in notebooks if not one.problem]):
        raise Unreadable("It would unpack to far more than its size: a zip bomb, so not read.")
    return notebooks


def missing(pieces: Sequence[Piece]) -> Piece:
    """A piece that stands for a learner without a notebook, and says what is there."""
    most = telling(pieces)
    problem = without_notebook(pieces, "folder")
    if most.is_zip and len(pieces) == 1:
        with suppress(Unreadable):  # it could be read a moment ago
            problem = without_notebook(in_learners_zip(most)[0], "zip")
    return replace(most, members=(), problem=problem, without=True)


def too_many(found: list[Found]) -> Found:
    """One row in place of more than anybody hands in."""
    problem = f"There are {len(found):,} notebooks and archives; {MAX_NOTEBOOKS} is the most."
    return replace(found[0], problem=problem)
