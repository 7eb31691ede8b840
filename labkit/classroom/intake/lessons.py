"""Which lesson a notebook is: by what it states, else by its functions, else by its file's name.

Cells' metadata and outputs are never asked. A lesson comes with the names of its challenges:
`{"05_temperature": ("apply_temperature", …)}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from labkit.classroom.intake.notebook import Notebook

FUNCTION = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)
Lessons = Mapping[str, Sequence[str]]


def lesson_of(notebook: Notebook, file: str, lessons: Lessons) -> str | None:
    """The lesson's id, or None where nothing tells."""
    if notebook.lesson in lessons:
        return notebook.lesson
    return lesson_by_functions(notebook, lessons) or lesson_in_name(file, lessons)


def lesson_by_functions(notebook: Notebook, lessons: Lessons) -> str | None:
    """The lesson whose challenges are defined most completely; None for a draw or for none."""
    written = {name for cell in notebook.cells for name in FUNCTION.findall(cell)}
    shares = {id: share(names, written) for id, names in lessons.items()}
    best = max(shares.values(), default=0.0)
    winners = [id for id, found in shares.items() if found == best]
    return winners[0] if best > 0 and len(winners) == 1 else None


def share(names: Sequence[str], written: set[str]) -> float:
    """How many of these names are written, from 0 to 1."""
    return len(written.intersection(names)) / len(names) if names else 0.0


def lesson_in_name(file: str, lessons: Iterable[str]) -> str | None:
    """The longest lesson id that stands in a file's name."""
    found = [id for id in lessons if beside(file, id) is not None]
    return max(found, key=len, default=None)


def beside(file: str, lesson: str) -> tuple[str, str] | None:
    """What stands before and behind a lesson's id in a name, or None where it does not stand there.

    A letter or digit right beside it makes it another word.
    """
    match = re.search(rf"(?<![A-Za-z0-9]){re.escape(lesson)}(?![A-Za-z0-9])", file)
    return (file[: match.start()], file[match.end() :]) if match else None
