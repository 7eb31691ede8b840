"""The learner of each piece, told by its place.

The outermost folder below what was given decides, since a learner chooses the names inside their
own folder and their file's, but not their folder's:

    alice/05_temperature.ipynb                         alice
    05_temperature/alice/work.ipynb                    alice   (a lesson's name is nobody's)
    submitted/alice/ps1/05_temperature.ipynb           alice   (nbgrader)
    alice/submitted/bob/05_temperature.ipynb           alice
    section1/bob/…, section2/bob/…                     bob (section1), bob (section2)
    Jane Doe_123_assignsubmission_file_/05….ipynb      Jane Doe (123)

Without a folder, the file's name. Folders that are not a learner's but hold several are opened:
those that are called so (names.py), one around all the others, and folders side by side of which
most hold several learners' work. Where nothing tells, a name is guessed; whoever reads on must not
take two pieces with a guessed name for one person's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from labkit.classroom.intake.lessons import lesson_in_name
from labkit.classroom.intake.names import (
    ASIDE,
    from_lms,
    in_file_name,
    is_group,
    is_hidden,
    is_instead,
    is_work,
    names_nobody,
    stem,
    words_of,
)

SUBMITTED = (
    "submitted"  # nbgrader's; each folder in it is a learner's, those beside it are nobody's
)
BESIDE_SUBMITTED = {"autograded", "feedback", "release", "source"}

Parts = tuple[str, ...]  # the folders below what was given, then the file; "" in an empty folder


@dataclass(frozen=True)
class Owner:
    """A learner: the name as it is written, and the folder that is theirs (or the name, in a folder
    of files). `group` are the parts of the class that they are in, such as ("section1",)."""

    name: str
    home: Parts
    group: Parts = ()
    guessed: bool = False


@dataclass
class Folder:
    """A folder: its files, those further in, and the places of all of them in the whole list."""

    files: list[tuple[int, str]] = field(default_factory=list)
    folders: dict[str, Folder] = field(default_factory=dict)
    all: list[int] = field(default_factory=list)


def owners_of(
    paths: Sequence[Parts], fallback: str, lessons: Collection[str], root: str = ""
) -> list[Owner | None]:
    """The learner of each path below one root, None for what is nobody's.

    `root` is what the root is called; `fallback` is the learner where nothing else tells, "" where
    nothing does.
    """
    sorting = Sorting(lessons, root)
    sorting.open(tree(paths), (), ())
    sorting.guess(fallback)
    found = [sorting.owners.get(place) for place in range(len(paths))]
    one_home = len({owner.home for owner in found if owner}) == 1  # and may hold a whole class
    return [replace(owner, guessed=True) if owner and one_home else owner for owner in found]


def tree(paths: Iterable[Parts]) -> Folder:
    """The folders and files of these paths."""
    root = Folder()
    for place, (*above, file) in enumerate(paths):
        folder = root
        folder.all.append(place)
        for name in above:
            folder = folder.folders.setdefault(name, Folder())
            folder.all.append(place)
        folder.files.append((place, file))
    return root


class Sorting:
    """Finds the owners of all that lies below one root."""

    def __init__(self, lessons: Collection[str], root: str = "") -> None:
        self.lessons = lessons
        self.root = root
        self.topics = {word for lesson in lessons for word in words_of(lesson)}
        self.owners: dict[int, Owner] = {}
        self.unnamed: list[tuple[int, Parts, str]] = []
        self.doubtful: list[tuple[Folder, Owner]] = []

    def open(self, folder: Folder, path: Parts, group: Parts) -> None:
        """A folder that holds several learners' work, or may."""
        for place, file in folder.files:
            self.take_file(place, file, folder, (path, group))
        opened = () if (self.root, *path)[-1] == SUBMITTED else self.classes_in(folder)
        for name, inner in folder.folders.items():
            if SUBMITTED in folder.folders and name in BESIDE_SUBMITTED:
                continue
            if learner := from_lms(name):
                self.own(inner, Owner(learner, (*path, learner), group))
            elif names_nobody(name, self.lessons):
                self.open_nobodys_folder(inner, (*path, name), group)
            elif name in opened:
                only_folder = len(opened) == 1 and len(folder.folders) == 1
                self.open(inner, (*path, name), group if only_folder else (*group, name))
            else:
                self.own(inner, Owner(name, (*path, name), group))

    def open_nobodys_folder(self, folder: Folder, path: Parts, group: Parts) -> None:
        """A folder with a usual name. One that holds nobody's work may be a learner's after all."""
        before = len(self.owners)
        self.open(folder, path, (*group, path[-1]) if is_group(path[-1]) else group)
        if len(self.owners) == before and not self.holds_work(folder):
            self.doubtful.append((folder, Owner(path[-1], path, group, guessed=True)))

    def own(self, folder: Folder, owner: Owner) -> None:
        """All of it is one learner's."""
        self.owners |= dict.fromkeys(folder.all, owner)

    # Files

    def take_file(self, place: int, file: str, folder: Folder, at: tuple[Parts, Parts]) -> None:
        """A file beside learners' folders, or in a folder of files."""
        path, group = at
        if not file or is_hidden(file):
            return
        if name := self.name_in(file, folder):
            self.owners[place] = Owner(name, (*path, name), group)
        else:
            self.unnamed.append((place, path, file))

    def name_in(self, file: str, folder: Folder) -> str:
        """The learner in a file's name; "" where it names nobody, or only may."""
        named = in_file_name(file, self.lessons)
        if named is not None:
            return named
        handed = is_work(file) or (is_instead(file) and self.is_like_those_beside(folder))
        return stem(file) if handed and self.is_own_name(file) else ""

    def is_own_name(self, file: str) -> bool:
        """Whether a file's name without a lesson in it may be a learner's."""
        words = set(filter(str.isalpha, words_of(stem(file))))
        about_lessons = bool(words) and words <= self.topics
        return not about_lessons and not names_nobody(stem(file), self.lessons)

    def is_like_those_beside(self, folder: Folder) -> bool:
        """Whether a file that is no notebook lies among files that are called as people are."""
        beside = any(
            is_work(file) and in_file_name(file, self.lessons) is None and self.is_own_name(file)
            for file in files_in(folder)
        )
        return beside and not folder.folders

    def guess(self, fallback: str) -> None:
        """Name what has no name yet: like the root, if that is not a whole class."""
        a_class = bool(self.owners)
        for folder, owner in self.doubtful:
            if not a_class and fallback:
                self.own(folder, Owner(fallback, (), guessed=True))
            elif owner.name.casefold() not in ASIDE:
                self.own(folder, owner)
        for place, path, file in self.unnamed:
            renamed = ".ipynb" in file.casefold() and not is_work(file)
            if place in self.owners:
                continue
            if not a_class and fallback:
                home = (*path, file) if renamed else ()
                self.owners[place] = Owner(fallback, home, guessed=True)
            elif renamed or is_work(file):
                name = path[-1] if path else stem(file)
                self.owners[place] = Owner(name, (*path, file), guessed=True)

    # What folders hold

    def classes_in(self, folder: Folder) -> Collection[str]:
        """The folders in this one that hold several learners' work each, instead of one's."""
        within = {
            name: inner
            for name, inner in folder.folders.items()
            if not names_nobody(name, self.lessons) and self.is_handed_in(inner)
        }
        if any(map(from_lms, folder.folders)) or self.are_learners_files(folder.files):
            return ()
        if len(within) == 1:
            return [name for name, inner in within.items() if self.may_be_class(inner)]
        return within if self.are_classes(within.values()) else ()

    def are_classes(self, folders: Collection[Folder]) -> bool:
        """Whether none is clearly one learner's, and at least half are clearly several's."""
        several = sum(map(self.is_class, folders))
        one_learners = any(self.is_one_learners(folder) for folder in folders)
        return several > 0 and not one_learners and 2 * several >= len(folders)

    def are_learners_files(self, files: Sequence[tuple[int, str]]) -> bool:
        """Whether files say that learners' work lies side by side in their folder."""
        named = [file for _, file in files if is_work(file)]
        plain = [file for file in named if self.is_own_name(file)]
        by_lesson = any(in_file_name(file, self.lessons) for file in named)
        zips = any(file.casefold().endswith(".zip") for file in plain)
        return by_lesson or zips or len(plain) > 1

    def may_be_class(self, folder: Folder) -> bool:
        """Whether the only folder of all holds several learners' work: it need not be clear."""
        within = self.members(folder)
        return self.is_class(folder) or (len(within) > 1 and not self.loose(folder))

    def is_class(self, folder: Folder) -> bool:
        """Whether a folder clearly holds several learners' work: of one lesson, or by an LMS."""
        within = self.members(folder)
        times = Counter(about for abouts in within.values() for about in abouts)
        shared = any(count > 1 for count in times.values())
        return shared or any(map(from_lms, [*folder.folders, *files_in(folder)]))

    def is_one_learners(self, folder: Folder) -> bool:
        """Whether a folder has work directly in it that names nobody."""
        return bool(self.loose(folder)) and not self.is_class(folder)

    def loose(self, folder: Folder) -> list[str]:
        """The work that lies in a folder itself and names nobody else."""
        return [
            file
            for file in files_in(folder)
            if is_work(file) and not in_file_name(file, self.lessons)
        ]

    def members(self, folder: Folder) -> dict[str, set[str]]:
        """Who may have work in a folder, each with the lessons or the names of their files."""
        found: dict[str, set[str]] = {}
        for file in files_in(folder):
            zip_of = stem(file) if is_work(file) and file.casefold().endswith(".zip") else ""
            named = in_file_name(file, self.lessons)
            if named or (named is None and zip_of and self.is_own_name(file)):
                found.setdefault(named or zip_of, set()).add(self.about(file) if named else "")
        for name, inner in folder.folders.items():
            if not names_nobody(name, self.lessons) or from_lms(name):
                if self.is_handed_in(inner):
                    found.setdefault(name, set()).update(self.all_about(inner))
            elif name != SUBMITTED:
                part = f"{name}/" if is_group(name) else ""
                for member, about in self.members(inner).items():
                    found.setdefault(part + member, set()).update(about)
        return found

    def about(self, file: str) -> str:
        """The lesson in a file's name, else its name."""
        return lesson_in_name(stem(file), self.lessons) or stem(file)

    def all_about(self, folder: Folder) -> Iterator[str]:
        """What each telling file in and below a folder is about."""
        yield from (self.about(file) for file in files_in(folder) if self.is_telling(file))
        for inner in folder.folders.values():
            yield from self.all_about(inner)

    def is_handed_in(self, folder: Folder) -> bool:
        """Whether something in or below a folder looks like a hand-in, of whatever kind."""
        return any(map(self.is_telling, files_in(folder))) or any(
            map(self.is_handed_in, folder.folders.values())
        )

    def holds_work(self, folder: Folder) -> bool:
        """Whether a notebook or an archive lies in or below a folder."""
        return any(map(is_work, files_in(folder))) or any(
            map(self.holds_work, folder.folders.values())
        )

    def is_telling(self, file: str) -> bool:
        """Whether a file is work, or is called like it."""
        return bool(
            is_work(file) or ".ipynb" in file.casefold() or lesson_in_name(file, self.lessons)
        )


def files_in(folder: Folder) -> list[str]:
    """The names of the files in a folder."""
    return [file for _, file in folder.files]


def named_apart(owners: Iterable[Owner]) -> dict[Owner, str]:
    """The name of each, with what tells their groups apart where two of one name are in several."""
    groups: dict[str, set[Parts]] = {}
    known = list(dict.fromkeys(owners))
    for owner in known:
        groups.setdefault(owner.name, set()).add(owner.group)
    return {owner: f"{owner.name}{label(owner.group, groups[owner.name])}" for owner in known}


def label(group: Parts, groups: Collection[Parts]) -> str:
    """The parts of one group that not all of them have: " (section1)"."""
    own = [part for part in group if not all(part in other for other in groups)]
    return f" ({', '.join(own)})" if own else ""


def are_learners(folders: Iterable[Folder], lessons: Collection[str]) -> bool:
    """Whether folders that were given side by side are a learner's each, rather than a class's."""
    sorting, folders = Sorting(lessons), list(folders)
    several = sum(map(sorting.is_class, folders))
    one_learners = any(map(sorting.is_one_learners, folders))
    many = any(len(sorting.members(folder)) > 1 for folder in folders)
    return not many or (one_learners and 2 * several < len(folders))


def holds_class(folder: Folder, lessons: Collection[str]) -> bool:
    """Whether a folder on its own holds several learners' work."""
    return Sorting(lessons).may_be_class(folder)
