"""Takes in what others hand in: finds notebooks in files, folders, globs and zips, reads each.

Everything is taken as hostile. Links are not followed, nothing is written to disk, no size is
believed, and what can't be read is kept as a `Found` with its problem in words, so that one bad
submission never stops the others.
"""

from __future__ import annotations

from labkit.classroom.intake.contents import Contents
from labkit.classroom.intake.found import Found, NothingFound, Unreadable
from labkit.classroom.intake.gathering import gather
from labkit.classroom.intake.lessons import lesson_in_name, lesson_of
from labkit.classroom.intake.notebook import Notebook, read_notebook

__all__ = [
    "Contents",
    "Found",
    "Notebook",
    "NothingFound",
    "Unreadable",
    "gather",
    "lesson_in_name",
    "lesson_of",
    "read_notebook",
]
