"""The challenges of each lesson: one module per topic, with a tuple CHALLENGES.

A table EQUIVALENT beside it lists the mutants that no check can find wrong: id, and the reason.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from labkit.grading import Challenge
from labkit.paths import nearest


def challenges_of(lesson_id: str) -> dict[str, Challenge]:
    """The challenges of a lesson by name, in the lesson's order."""
    challenges = import_module(module_of(lesson_id)).CHALLENGES
    return {challenge.name: challenge for challenge in challenges}


def module_of(lesson_id: str) -> str:
    """The dotted name of the module that holds a lesson's challenges; nothing is imported."""
    topic = lesson_id.split("_", 1)[1] if lesson_id[:1].isdigit() else lesson_id
    if topic not in topics():
        raise LookupError(f"There are no challenges for {lesson_id!r}: {nearest(topic, topics())}")
    return f"{__name__}.{topic}"


def find_challenge(lesson_id: str, name: str) -> Challenge:
    """One challenge by name; an unknown name is answered with the nearest ones."""
    known = challenges_of(lesson_id)
    if name not in known:
        raise LookupError(f"{lesson_id} has no challenge {name!r}: {nearest(name, known)}")
    return known[name]


def equivalents(lesson_id: str, name: str) -> dict[str, str]:
    """The mutants of a challenge's reference that are as right as it is: id and reason."""
    table: dict[str, str] = getattr(import_module(module_of(lesson_id)), "EQUIVALENT", {})
    known = challenges_of(lesson_id)
    for mutant in table:
        owner = mutant.partition(":")[0]
        if owner not in known:
            raise LookupError(f"EQUIVALENT names {mutant!r}, no challenge: {nearest(owner, known)}")
    return {mutant: reason for mutant, reason in table.items() if mutant.startswith(f"{name}: ")}


def topics() -> list[str]:
    """Every topic that has challenges."""
    return sorted(module.name for module in iter_modules(__path__))
