"""What a check takes for true is worked out apart from the answers that it is proved with."""

from __future__ import annotations

from types import FunctionType

import pytest

from labkit.challenges import challenges_of, topics

CHALLENGES = [
    pytest.param(challenge, id=name)
    for topic in topics()
    for name, challenge in challenges_of(topic).items()
]


def used_by(function):
    """The functions of a check's own module that it reaches by name, itself included."""
    space, found, waiting = function.__globals__, set(), [function]
    while waiting:
        found.add(one := waiting.pop())
        for name in names_in(one.__code__):
            value = space.get(name)
            if isinstance(value, FunctionType) and value.__module__ == function.__module__:
                waiting += {value} - found
    return found


def names_in(code):
    inside = [item for item in code.co_consts if hasattr(item, "co_names")]
    return {*code.co_names}.union(*map(names_in, inside))


def parts_of(function):
    """A function and those that it was made of: in a closure, or as a default."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return {function, *(part for part in (*cells, *defaults) if isinstance(part, FunctionType))}


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_no_alternative_is_the_checks_own_truth(challenge):
    """Nor is one made with a part of that truth: both would be wrong together."""
    alternatives = [a for a in challenge.alternatives if isinstance(a, FunctionType)]
    parts = set().union(*map(parts_of, alternatives))
    assert not {part.__name__ for part in parts & used_by(challenge.check)}
