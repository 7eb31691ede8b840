"""Where things stand: the course's own folders and the learner's work folder.

Bottom of the house: standard library only, anyone may import it. The same calls work in a checkout
and in an installed wheel, where the course's files lie in `labkit/_course`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
WORK_MARKER = ".labkit-work"
LESSON_NAME = re.compile(r"(?P<number>\d\d)_(?P<topic>[a-z0-9_]+)")


def in_checkout() -> bool:
    """True in a clone of the repository, False in an installed wheel."""
    return (PACKAGE.parent / "pyproject.toml").is_file()


def course_root() -> Path:
    """The folder that holds lessons/, quizzes/ and solutions/."""
    return PACKAGE.parent if in_checkout() else PACKAGE / "_course"


def lessons_dir() -> Path:
    """Lesson texts (.py) and the notebooks built from them (.ipynb)."""
    return course_root() / "lessons"


def quizzes_dir() -> Path:
    """One YAML file of questions per lesson."""
    return course_root() / "quizzes"


def solutions_dir() -> Path:
    """One module of reference answers per lesson."""
    return course_root() / "solutions"


def work_dir() -> Path:
    """The learner's folder: their copies of the lessons and their progress. It may not exist yet.

    `$LABKIT_WORK` decides where it is set; else the nearest folder at or above the current one that
    holds the marker file; else `work/` in the checkout, or in the current folder when installed.
    """
    named = os.environ.get("LABKIT_WORK")
    if named:
        return Path(named).expanduser().absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / WORK_MARKER).is_file():
            return folder
    return (PACKAGE.parent if in_checkout() else here) / "work"


def lesson_files(folder: Path, suffix: str) -> list[Path]:
    """Of the files in a folder those that belong to a lesson, e.g. 05_temperature.py, in order."""
    return sorted(path for path in folder.glob(f"*{suffix}") if LESSON_NAME.fullmatch(path.stem))


def lesson_named(asked: str | Path, known: Iterable[str], what: str = "lesson") -> str:
    """The id that is meant: an id, a number (05 or 5), a topic, or the path of a lesson's file.

    Raises LookupError, with the ids that are nearest, where it is none of the known ones.
    """
    ids, name = sorted(known), Path(asked).stem
    for id in ids:
        number, _, topic = id.partition("_")
        if name in (id, topic) or (name.isdecimal() and int(name) == int(number)):
            return id
    raise LookupError(f"There is no {what} {str(asked)!r}: {nearest(name, ids)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence for an unknown name: the names most like it, else all that are known."""
    names = sorted(known)
    if not names:
        return "there are none yet"
    by_lower = {candidate.casefold(): candidate for candidate in names}
    close = get_close_matches(name.casefold(), by_lower, n=3, cutoff=0.5)
    if close:
        best = likeness(name, close[0])
        close = [match for match in close if likeness(name, match) > best - 0.2]
        return f"did you mean {' or '.join(by_lower[match] for match in close)}?"
    return f"known: {', '.join(names)}"


def likeness(one: str, other: str) -> float:
    """How alike two names are, from 0 to 1, upper or lower case."""
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()
