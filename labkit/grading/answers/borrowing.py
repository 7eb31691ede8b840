"""Says when an answer leaves its whole task to a library: what is asked for is to be written.

Read off the compiled code of the learner's own functions, as far as the answer reaches; nothing is
run. Whoever hides a name behind getattr is not found here: the jail keeps labkit's own files away,
and the rest would be as much work as the task.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from labkit.grading.answers.lines import is_learners

COURSE = "labkit"
KNOWN_ANSWERS = ("challenges", "grading")  # parts of labkit with answers that prove the checks
# `lab.check(f)` in an answer hands nothing over; the second name is its stand-in's.
SESSIONS = ("labkit.course.session.Lab", "labkit.Lab")
CLASS_MEMBERS = (FunctionType, staticmethod, classmethod, property)


def borrowed(function: Any, not_allowed: Sequence[str] = ()) -> str | None:
    """The dotted name of what an answer uses and may not; None where it uses none.

    not_allowed  dotted names; whatever belongs to labkit is never allowed
    """
    known = {name: value for name in not_allowed if (value := loaded(name)) is not None}
    for value in reached(function):
        if is_learners_function(value):
            found = named_in(value, not_allowed)
        else:
            found = of_course(value) or next((n for n, v in known.items() if v is value), None)
        if found:
            return found
    return None


def loaded(name: str) -> Any:
    """What a dotted name stands for, if its module is loaded; it is not loaded for this."""
    module, _, last = name.rpartition(".")
    return getattr(sys.modules.get(module), last, None)


def of_course(value: Any) -> str | None:
    """The dotted name of something that belongs to labkit."""
    if isinstance(value, ModuleType):
        return value.__name__ if belongs(value.__name__) else None
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or not belongs(module):
        return None
    name = f"{module}.{getattr(value, '__qualname__', type(value).__name__)}"
    return None if name.startswith(SESSIONS) else name


def belongs(module: str) -> bool:
    """Whether a module is labkit's; what stands for it in a jail has the same name."""
    package, _, rest = module.partition(".")
    return package == COURSE and rest.partition(".")[0] not in KNOWN_ANSWERS


def named_in(function: FunctionType, not_allowed: Iterable[str]) -> str | None:
    """A name in a learner's code, as a global, an attribute or an import, that may not be used."""
    space = function.__globals__
    names = {name for name in names_of(function.__code__) if not own(space.get(name))}
    if course := next(filter(belongs, names), None):
        return course
    return next((name for name in not_allowed if name.rpartition(".")[2] in names), None)


def reached(function: Any) -> Iterator[Any]:
    """The learner's functions behind an answer, and the values of others that they look up."""
    waiting, seen = [function], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        inside = parts(value)
        if inside is None or is_learners_function(value):
            yield value
        waiting += inside or []


def is_learners_function(value: Any) -> bool:
    """Whether a value is a plain function with a learner's code."""
    return isinstance(value, FunctionType) and is_learners(value.__code__.co_filename)


def own(value: Any) -> bool:
    """Whether a value is a function or class that the learner has written."""
    return is_learners_function(value) or (isinstance(value, type) and parts(value) is not None)


def parts(value: Any) -> list[Any] | None:
    """What a learner's function or class is made of; None for what is not a learner's."""
    if is_learners_function(value):
        return list(looked_up(value))
    if isinstance(value, partial):
        return [value.func]
    if isinstance(value, MethodType | staticmethod | classmethod):
        return [value.__func__]
    if isinstance(value, property):
        return [value.fget]
    kind = value if isinstance(value, type) else type(value)
    members = [item for item in vars(kind).values() if isinstance(item, CLASS_MEMBERS)]
    if any(map(is_learners_function, members)):
        return [*members, *kind.__bases__]
    return None


def looked_up(function: FunctionType) -> Iterator[Any]:
    """The values of the names that a function takes from around it."""
    space = function.__globals__
    yield from (space[name] for name in names_of(function.__code__) if name in space)
    yield getattr(function, "__wrapped__", None)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue


def names_of(code: CodeType) -> Iterator[str]:
    """The names in a code object and those inside it."""
    yield from code.co_names
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield from names_of(item)


def refusal(challenge: str, found: str) -> str:
    """What the learner is told."""
    if belongs(found):
        return (
            f"`{challenge}` is to be written by you: it uses `{found}`, which belongs to the "
            "course. Python's own library, torch and NumPy may be used."
        )
    return (
        f"`{challenge}` is to be written by you: it uses `{found}`, which does the whole task. "
        "Write it in your own lines; the rest of Python's library, torch and NumPy may be used."
    )
