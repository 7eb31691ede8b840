"""Whose notebook it is, from where it lies.

The outermost folder below what was given decides, since a learner chooses the names inside their
own folder and their file's, but not their folder's:

    alice/05_temperature.ipynb                         alice
    05_temperature/alice/work.ipynb                    alice   (a lesson's name is nobody's)
    submitted/alice/ps1/05_temperature.ipynb           alice   (nbgrader)
    Jane Doe_123_assignsubmission_file_/05….ipynb      Jane Doe (123)   (Moodle)

Without a folder, the file's name:

    alice_05_temperature.ipynb, 05_temperature-alice.ipynb, alice.ipynb    alice
    Jane Doe_123_assignsubmission_file_05….ipynb       Jane Doe (123)   (Moodle)
    doejane_LATE_123_456_05….ipynb                     doejane (123)    (Canvas)
    Lab 5_jdoe_attempt_2026-11-20-10-00-00_05….ipynb   jdoe             (Blackboard)

A folder around all the others is stripped first, and so is one folder that holds several files
which each name somebody: both are the class.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from labkit.grading.intake.lessons import beside, lesson_in_name

LMS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_\w+?(?:_.*)?",
        r"(?P<name>[^_]+)(?:_LATE)?_(?P<number>\d+)_\d+_.+",
        r".*?_(?P<name>[^_]+)_attempt_\d{4}(?:-\d\d){5}(?:_.*)?",
    )
)
NO_LEARNERS = {"submissions", "notebooks", "work", "files"}
# What a browser or Jupyter puts behind the name of a copy.
COPY = re.compile(r"(?:[ ._-]*(?:\(\d+\)|copy\d*|new|\d[\d-]*))+", re.IGNORECASE)
LONGEST = 80

Parts = tuple[str, ...]  # the folders below what was given, then the file


def name_learners(paths: Sequence[Parts], root: str, lessons: Collection[str]) -> list[str]:
    """The learner of each path below one root; the root's own name where nothing else tells."""
    around = common_folders(paths)
    if is_flat_class(paths, lessons):
        around = paths[0][:-1]
    fallback = around[-1] if around else root
    return [readable_name(learner_of(path[len(around) :], fallback, lessons)) for path in paths]


def common_folders(paths: Sequence[Parts]) -> Parts:
    """The folders that all paths begin with, as long as each has another folder below them."""
    shortest = min((len(path) for path in paths), default=0)
    count = 0
    while count < shortest - 2 and len({path[count] for path in paths}) == 1:
        count += 1
    return paths[0][:count] if len(paths) > 1 else ()


def is_flat_class(paths: Sequence[Parts], lessons: Collection[str]) -> bool:
    """Whether one folder holds several files, each of which names somebody else."""
    if len(paths) < 2 or len({path[:-1] for path in paths}) > 1:
        return False
    named = [in_file_name(path[-1], lessons) for path in paths]
    return all(named) and len(set(named)) == len(named)


def learner_of(parts: Parts, fallback: str, lessons: Collection[str]) -> str:
    """One learner, from the folders below the root and the file's name."""
    *folders, file = parts
    if "submitted" in folders[:-1]:
        return folders[folders.index("submitted") + 1]
    telling = [name for name in folders if says_somebody(name, lessons)]
    if telling:
        return from_lms(telling[0]) or telling[0]
    named = in_file_name(file, lessons)
    if named is None:
        return stem(file)
    return named or fallback


def says_somebody(folder: str, lessons: Collection[str]) -> bool:
    """Whether a folder can be a learner's: it is not called as a lesson, or as folders are."""
    return folder.casefold() not in NO_LEARNERS and folder not in lessons


def in_file_name(file: str, lessons: Collection[str]) -> str | None:
    """The learner in a file's name; "" where it names a lesson only, None where not even that."""
    if found := from_lms(stem(file)):
        return found
    lesson = lesson_in_name(stem(file), lessons)
    sides = beside(stem(file), lesson) if lesson else None
    if sides is None:
        return None
    before, behind = (side.strip(" ._-") for side in sides)
    return before or COPY.sub("", sides[1]).strip(" ._-") if before or behind else ""


def from_lms(name: str) -> str | None:
    """The learner in a name as Moodle, Canvas or Blackboard makes it, with their number there."""
    for pattern in LMS:
        if match := pattern.fullmatch(name):
            number = match.groupdict().get("number")
            return f"{match['name']} ({number})" if number else match["name"]
    return None


def stem(file: str) -> str:
    """A file's name without .ipynb or .zip."""
    return PurePosixPath(file).stem


def readable_name(name: str) -> str:
    """A name that can be shown: no control characters, no reversed text, not too long."""
    name = name.encode("utf-8", "replace").decode("utf-8")
    name = unicodedata.normalize("NFC", name)
    shown = (" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in name)
    return " ".join("".join(shown).split())[:LONGEST] or "unnamed"
