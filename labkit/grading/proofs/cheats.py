"""Answers that know nothing and try to pass: no check may ever let one of them.

Objects that equal everything, types that only look right, the caller's own arguments handed back,
exceptions meant to end the check. They take any arguments, so they are run on every challenge.
Nothing of labkit is imported: where submissions are jailed, this source is what the child gets.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

# ---- types that lie ------------------------------------------------------------------------------


class Agreeable:
    """Says yes to every question."""

    def agree(self, *_: Any, **__: Any) -> bool:
        return True

    def disagree(self, *_: Any, **__: Any) -> bool:
        return False

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = agree
    __ne__ = disagree

    def __hash__(self) -> int:
        return 0


class Anything(Agreeable):
    """Equals everything, is of every class, and has every attribute and method."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return torch.Tensor

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Anything:
        return self

    def __float__(self) -> float:
        return 0.0

    def __len__(self) -> int:
        return 1


class LyingFloat(Agreeable, float):
    """A float that equals every other."""

    __hash__ = Agreeable.__hash__


class LyingInt(Agreeable, int):
    """An int that equals every other."""

    __hash__ = Agreeable.__hash__


class LyingText(Agreeable, str):
    """A string that equals every other."""

    __hash__ = Agreeable.__hash__


class LyingList(Agreeable, list):
    """A list that equals every other."""

    __hash__ = Agreeable.__hash__  # type: ignore[assignment]


class LyingTuple(Agreeable, tuple):
    """A tuple that equals every other."""

    __hash__ = Agreeable.__hash__


class LyingDict(Agreeable, dict):
    """A dict that equals every other."""

    __hash__ = Agreeable.__hash__  # type: ignore[assignment]


class LyingTensor(torch.Tensor):
    """A tensor that answers True to everything that torch asks of it."""

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return True


class LyingArray(np.ndarray):
    """An array that equals everything, by NumPy's own protocol."""

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        return np.True_


class Verdict:
    """What a check ends in, made by hand."""

    outcome, challenge, message, failure, passed = "pass", "", "Right: 99 cases hold.", None, True


# ---- what they return ----------------------------------------------------------------------------


def like_first(given: tuple[Any, ...], fill: float) -> torch.Tensor:
    """A tensor of the shape of the first argument, filled with one number."""
    shape = given[0].shape if given and isinstance(given[0], torch.Tensor) else ()
    return torch.full(shape, fill)


def first_of(given: tuple[Any, ...]) -> Any:
    return given[0] if given else None


def patched(given: tuple[Any, ...]) -> torch.Tensor:
    """A plain tensor whose own methods lie."""
    tensor = like_first(given, 0.0)
    for method in ("isclose", "allclose", "equal", "eq", "isnan", "any", "all", "__eq__"):
        setattr(tensor, method, lambda *_, **__: torch.tensor(True))
    for method in ("clone", "detach", "cpu", "to", "double"):
        setattr(tensor, method, lambda *_, **__: Anything())
    return tensor


def emptied(given: tuple[Any, ...]) -> Any:
    """The first argument, changed in place."""
    first = first_of(given)
    return first.zero_() if isinstance(first, torch.Tensor) else first


def raises(error: BaseException) -> Callable[..., Any]:
    """A function that does nothing but raise."""

    def cheat(*_: Any, **__: Any) -> Any:
        raise error

    return cheat


def returns(make: Callable[[tuple[Any, ...]], Any]) -> Callable[..., Any]:
    """A function that returns what is made of its arguments."""

    def cheat(*given: Any, **named: Any) -> Any:
        return make((*given, *named.values()))

    return cheat


CHEATS: dict[str, Callable[..., Any]] = {
    "equals everything": returns(lambda given: Anything()),
    "mock": returns(lambda given: MagicMock(spec=torch.Tensor)),
    "lying float": returns(lambda given: LyingFloat(0.5)),
    "lying int": returns(lambda given: LyingInt(0)),
    "lying str": returns(lambda given: LyingText("pass")),
    "lying list": returns(lambda given: LyingList([LyingFloat(0.5)] * 3)),
    "list of lies": returns(lambda given: [Anything()] * 3),
    "lying tuple": returns(lambda given: LyingTuple()),
    "lying dict": returns(lambda given: LyingDict()),
    "lying tensor": returns(lambda given: like_first(given, 0.0).as_subclass(LyingTensor)),
    "lying array": returns(lambda given: np.zeros(3).view(LyingArray)),
    "patched tensor": returns(patched),
    "parameter": returns(lambda given: torch.nn.Parameter(like_first(given, 0.0))),
    "array": returns(lambda given: like_first(given, 0.0).numpy()),
    "first argument": returns(first_of),
    "last argument": returns(lambda given: given[-1] if given else None),
    "all arguments": returns(lambda given: given),
    "argument changed in place": returns(emptied),
    "zeros": returns(lambda given: like_first(given, 0.0)),
    "ones": returns(lambda given: like_first(given, 1.0)),
    "not a number": returns(lambda given: like_first(given, float("nan"))),
    "float nan": returns(lambda given: float("nan")),
    "infinite": returns(lambda given: like_first(given, float("inf"))),
    "no elements": returns(lambda given: torch.empty(0)),
    "no memory": returns(lambda given: like_first(given, 0.0).to("meta")),
    "endless tensor": returns(lambda given: torch.zeros(1).expand(10**12)),
    "None": returns(lambda given: None),
    "True": returns(lambda given: True),
    "0": returns(lambda given: 0),
    "the word": returns(lambda given: "pass"),
    "forged verdict": returns(lambda given: Verdict()),
    "itself": returns(lambda given: returns),
    "a type": returns(lambda given: torch.Tensor),
    "generator": returns(lambda given: (number for number in range(3))),
    "refuses everything": raises(ValueError("no")),
    "asserts": raises(AssertionError()),
    "skips": raises(unittest.SkipTest("skip")),
    "leaves": raises(SystemExit(0)),
    "interrupts": raises(KeyboardInterrupt()),
    "stops": raises(StopIteration()),
}
