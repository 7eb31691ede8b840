"""The minutes of a lesson's core path: all that stands above "# Further".

200 words a minute, quarter of an hour for a challenge, two minutes for a question (DESIGN.md).
What a header promises has to be as much, and an hour at most.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from labkit.course.catalog import CatalogError, Lesson

if TYPE_CHECKING:
    from nbformat import NotebookNode

WORDS_A_MINUTE = 200
MINUTES_A_CHALLENGE = 15
MINUTES_A_QUESTION = 2
MOST_MINUTES = 60
FURTHER = re.compile(r"^# Further$", re.MULTILINE)
CHALLENGE = re.compile(r"^lab\.check\(", re.MULTILINE)
QUESTION = re.compile(r"^lab\.ask\(", re.MULTILINE)


def core_minutes(notebook: NotebookNode) -> int | None:
    """Minutes of the core path; None where the lesson has no part called Further."""
    cells = list(notebook.cells)
    ends = [n for n, cell in enumerate(cells) if FURTHER.search(cell.source)]
    if not ends:
        return None
    core = cells[: ends[0]]
    words = sum(len(cell.source.split()) for cell in core if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in core if cell.cell_type == "code")
    asked = MINUTES_A_QUESTION * len(QUESTION.findall(code))
    built = MINUTES_A_CHALLENGE * len(CHALLENGE.findall(code))
    return math.ceil(words / WORDS_A_MINUTE + asked + built)


def check_minutes(lesson: Lesson, needed: int) -> None:
    """CatalogError where a lesson promises fewer minutes than its core takes, or takes too many."""
    if needed > MOST_MINUTES:
        raise CatalogError(f"{lesson.id}: its core takes {needed} minutes, at most {MOST_MINUTES}")
    if lesson.minutes < needed:
        said = f"minutes: {lesson.minutes}, but its core takes {needed}"
        raise CatalogError(f"{lesson.path.name}: {said}")
