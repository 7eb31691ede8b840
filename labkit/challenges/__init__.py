"""The challenges of each lesson: one module per topic, with a tuple CHALLENGES."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from labkit.grading import Challenge
from labkit.paths import nearest


def challenges_of(lesson_id: str) -> dict[str, Challenge]:
    """The challenges of a lesson by name, in the lesson's order."""
    topic = lesson_id.split("_", 1)[1] if lesson_id[:1].isdigit() else lesson_id
    if topic not in topics():
        raise LookupError(f"There are no challenges for {lesson_id!r}: {nearest(topic, topics())}")
    challenges = import_module(f"{__name__}.{topic}").CHALLENGES
    return {challenge.name: challenge for challenge in challenges}


def find_challenge(lesson_id: str, name: str) -> Challenge:
    """One challenge by name; an unknown name is answered with the nearest ones."""
    known = challenges_of(lesson_id)
    if name not in known:
        raise LookupError(f"{lesson_id} has no challenge {name!r}: {nearest(name, known)}")
    return known[name]


def topics() -> list[str]:
    """Every topic that has challenges."""
    return sorted(module.name for module in iter_modules(__path__))
