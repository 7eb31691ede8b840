"""Where two values differ, in words; None where they agree.

Both values are copies of exact types (see values.py), so plain comparison can be trusted.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from labkit.grading.answers.values import (
    NOT_OVER,
    Foreign,
    describe,
    dtype_name,
    number,
    shape_text,
    show,
    type_name,
)

NUMBERS = (int, float)


def difference(got: Any, expected: Any, rtol: float = 0.0, atol: float = 0.0) -> str | None:
    """The first way in which got differs from expected; tolerances are for numbers in it."""
    mismatch = kind_difference(got, expected)
    if mismatch:
        return mismatch
    if isinstance(expected, torch.Tensor):
        return tensor_difference(got, expected, rtol, atol)
    if isinstance(expected, (list, tuple)):
        return sequence_difference(got, expected, rtol, atol)
    if isinstance(expected, dict):
        return dict_difference(got, expected, rtol, atol)
    if is_number(expected):
        return number_difference(got, expected, rtol, atol)
    return None if got == expected else f"{show(got)} came back, {show(expected)} was expected"


def kind_difference(got: Any, expected: Any) -> str | None:
    """Says when a value is not even of the kind that was asked for."""
    if type(got) is type(expected) or (is_number(got) and is_number(expected)):
        return None
    wanted = describe(expected) if expected is None else type_name(type(expected))
    return wrong_kind(got, wanted)


def wrong_kind(got: Any, wanted: str) -> str:
    """The message for a result of another type; None has its own."""
    if got is None:
        return "It returned None: did you forget `return`?"
    if type(got) is Foreign:
        exactly = "" if got.what.endswith(NOT_OVER) else "exactly "
        return f"It returned {got.what}; {exactly}{wanted} was expected."
    return f"It returned {describe(got)}; {wanted} was expected."


def is_number(value: Any) -> bool:
    """An int or a float, exactly; a bool is neither."""
    return type(value) in NUMBERS


def number_difference(got: float, expected: float, rtol: float, atol: float) -> str | None:
    """Equal, both NaN, or within the tolerance."""
    if got == expected or (got != got and expected != expected):
        return None
    if near(got, expected, rtol, atol):
        return None
    return f"{number(got)} came back, {number(expected)} was expected"


def near(got: float, expected: float, rtol: float, atol: float) -> bool:
    """Within the tolerance; an int that no float can hold is near to none."""
    try:
        return math.isclose(got, expected, rel_tol=rtol, abs_tol=atol)
    except OverflowError:
        return False


def tensor_difference(
    got: torch.Tensor, expected: torch.Tensor, rtol: float, atol: float
) -> str | None:
    """Shape first, then NaN, then the place where the two lie furthest apart."""
    if got.shape != expected.shape:
        return f"It has shape {shape_text(got.shape)}; {shape_text(expected.shape)} was expected."
    if got.is_complex() != expected.is_complex():
        return (
            f"It holds {dtype_name(got.dtype)} numbers; {dtype_name(expected.dtype)} were expected."
        )
    left, right = comparable(got), comparable(expected)
    new_nans = left.isnan() & ~right.isnan()
    if new_nans.any():
        return f"It holds NaN (not a number), first {place(new_nans)}."
    apart = ~torch.isclose(left, right, rtol=rtol, atol=atol, equal_nan=True)
    if not apart.any():
        return None
    where = furthest(left, right, apart)
    values = f"{number(left[where].item())} came back, {number(right[where].item())} was expected"
    return f"{values}{at(where)}" if got.numel() > 1 else values


def comparable(tensor: torch.Tensor) -> torch.Tensor:
    """Numbers on the CPU in a type that loses nothing of float32 and of token ids."""
    return tensor.cpu().to(torch.complex128 if tensor.is_complex() else torch.float64)


def furthest(left: torch.Tensor, right: torch.Tensor, apart: torch.Tensor) -> tuple[int, ...]:
    """The index of the largest gap among the places that differ."""
    gap = torch.where(apart, (left - right).abs().nan_to_num(nan=math.inf), -1.0)
    return tuple((gap == gap.max()).nonzero()[0].tolist())


def place(mask: torch.Tensor) -> str:
    """The first true place of a mask: at [1, 3]."""
    return at(tuple(mask.nonzero()[0].tolist())).strip()


def at(index: tuple[int, ...]) -> str:
    """An index as it would be typed."""
    return f" at [{', '.join(map(str, index))}]"


def sequence_difference(got: Any, expected: Any, rtol: float, atol: float) -> str | None:
    """Length, then item by item."""
    if len(got) != len(expected):
        return f"It has {len(got)} items; {len(expected)} were expected."
    for index, (left, right) in enumerate(zip(got, expected, strict=True)):
        found = difference(left, right, rtol, atol)
        if found:
            return f"item {index}: {found}"
    return None


def dict_difference(got: Any, expected: Any, rtol: float, atol: float) -> str | None:
    """Keys, then item by item."""
    if got.keys() != expected.keys():
        return f"It has the keys {show(list(got))}; {show(list(expected))} were expected."
    for key, value in expected.items():
        found = difference(got[key], value, rtol, atol)
        if found:
            return f"key {key!r}: {found}"
    return None
