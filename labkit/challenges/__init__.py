"""The challenges of each lesson: a package per topic, and in it a file per challenge.

Which a lesson has, and in what order, says solutions/NN_topic.py: one public function for each.
The file of the same name here holds its `challenge`; others beside it hold what several share.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from labkit.grading import Challenge
from labkit.grading.source import solutions
from labkit.paths import nearest


def challenges_of(lesson_id: str) -> dict[str, Challenge]:
    """The challenges of a lesson by name, in the lesson's order (LookupError if there are none)."""
    lesson = solutions.lesson_of(lesson_id)
    return {name: load(lesson, name) for name in solutions.names(lesson)}


def find_challenge(lesson_id: str, name: str) -> Challenge:
    """One challenge by name; an unknown name is answered with the nearest ones."""
    lesson = solutions.lesson_of(lesson_id)
    known = solutions.names(lesson)
    if name not in known:
        raise LookupError(f"{lesson} has no challenge {name!r}: {nearest(name, known)}")
    return load(lesson, name)


def load(lesson: str, name: str) -> Challenge:
    """A challenge that is known to be there, by its lesson's id."""
    found: Challenge = import_module(module_of(lesson, name)).challenge
    return found


def module_of(lesson: str, name: str) -> str:
    """The dotted name of the module that holds a challenge; nothing is imported."""
    return f"{__name__}.{lesson.split('_', 1)[1]}.{name}"


def topics() -> list[str]:
    """Every topic that has challenges."""
    return sorted(module.name for module in iter_modules(__path__) if module.ispkg)
