"""The values that may pass between a check and a learner's function.

Numbers, strings, lists, tuples, dicts and plain tensors of exact types, bounded in size and depth:
what JSON and raw bytes can carry to another process. NumPy's scalars, which careful answers come by
without asking (`np.mean`), arrive as Python's numbers. Anything else arrives as `Foreign`, its name
only, so that no object of the learner's ever gets to answer a comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch

# Far above what any challenge asks for, and little enough for a grader to hold and compare.
MAX_ELEMENTS = 1_000_000  # of one tensor; and the product of its sizes, those of 0 left out
MAX_DIMENSIONS = 64
MAX_ITEMS = 20_000  # of one list or dict
MAX_PARTS = 40_000  # of one value, at all depths
MAX_TEXT = 20_000  # characters of one string
MAX_NAME = 300  # characters of what is said of a value that does not cross
MAX_SHOWN = 4000  # characters of a value as it is shown
MAX_DEPTH = 20
MAX_INT_BITS = 4096
NOT_OVER = "more than can be handed over"
MAX_KEY_BITS = 64  # of an int that is a key of a dict
SCALARS = frozenset(
    kind
    for kind in np.sctypeDict.values()
    if issubclass(kind, np.integer | np.floating | np.bool_)
    and kind not in (np.longdouble, np.timedelta64)  # which have no equal in Python
)
DTYPES = frozenset(
    {
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.complex64, torch.complex128,
    }
)  # fmt: skip
CALLABLES = (FunctionType, BuiltinFunctionType, MethodType)  # that a check may hand over


@dataclass(frozen=True)
class Foreign:
    """Stands for a value that does not cross; says what it was."""

    what: str


class TooMany(Exception):
    """A value has more parts than may cross."""


class Room:
    """How many more parts a value may have."""

    def __init__(self, parts: int = MAX_PARTS) -> None:
        self.parts = parts

    def take(self, count: int) -> None:
        self.parts -= count
        if self.parts < 0:
            raise TooMany


def copy_value(value: Any) -> Any:
    """A copy that shares nothing with the original; parts that may not cross become Foreign."""
    try:
        return copied(value, 0, Room())
    except TooMany:
        return Foreign(f"{type_name(type(value))} of more than {MAX_PARTS:,} parts, {NOT_OVER}")
    except Exception:  # of types and tensors that can't even be asked what they are
        return Foreign("a value that can't be read")


def copied(value: Any, depth: int, room: Room) -> Any:
    """The copy of a part at this depth."""
    kind = type(value)
    if depth > MAX_DEPTH:
        return Foreign(f"a value nested deeper than {MAX_DEPTH} levels")
    if value is None or kind in (bool, float):
        return value
    if kind is Foreign:
        return Foreign(f"{value.what}"[:MAX_NAME])
    if kind is int:
        return value if value.bit_length() <= MAX_INT_BITS else Foreign(too_long(value))
    if kind is str:
        return value if len(value) <= MAX_TEXT else Foreign(too_large("str", len(value)))
    if kind is torch.Tensor:
        return copy_tensor(value)
    if kind in (list, tuple, dict):
        return copy_container(value, depth + 1, room)
    if kind in SCALARS:
        return copied(np.generic.item(value), depth, room)
    return Foreign(type_name(kind)[:MAX_NAME])


def copy_tensor(tensor: torch.Tensor) -> torch.Tensor | Foreign:
    """A plain strided copy, by the class's methods: an instance can carry others of its own."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        return Foreign(f"a tensor of another layout ({tensor.layout}, {tensor.dtype})")
    if tensor.dtype not in DTYPES:
        return Foreign(f"a {dtype_name(tensor.dtype)} tensor, which can't be handed over")
    if torch.Tensor.dim(tensor) > MAX_DIMENSIONS:
        return Foreign(f"a tensor of {torch.Tensor.dim(tensor)} dimensions, {NOT_OVER}")
    sizes = tuple(torch.Tensor.size(tensor))
    if volume(sizes) > MAX_ELEMENTS:
        return Foreign(f"a torch.Tensor of shape {shape_text(sizes)}, {NOT_OVER}")
    plain = torch.Tensor.detach(tensor)
    return torch.Tensor.clone(plain, memory_format=torch.contiguous_format)


def volume(sizes: Iterable[int]) -> int:
    """The product of a tensor's sizes, those of 0 left out: lists of a tensor without elements can
    still be many."""
    return math.prod(size for size in sizes if size)


def copy_container(value: Any, depth: int, room: Room) -> Any:
    """Lists and tuples of anything that crosses; dicts with plain keys."""
    kind = type(value)
    if len(value) > MAX_ITEMS:
        return Foreign(too_large(kind.__name__, len(value)))
    room.take(len(value))
    if kind is not dict:
        return kind(copied(item, depth, room) for item in value)
    plain = {key_of(key): item for key, item in value.items()}
    for key in plain:
        if type(key) not in (str, int, float, bool):
            return Foreign(f"dict with a key of type {type_name(type(key))}")
        if type(key) in (str, int) and not plain_key(key):
            return Foreign("dict with a key that is too large")
    return {key: copied(item, depth, room) for key, item in plain.items()}


def key_of(key: Any) -> Any:
    """A key as it crosses: NumPy's scalars as Python's."""
    return np.generic.item(key) if type(key) in SCALARS else key


def copy_arguments(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies of a call's arguments. A plain function among them (a model's stand-in) is passed on
    as it is: it is the check's own. One inside a list, or in a result, does not cross."""
    return tuple(item if type(item) in CALLABLES else copy_value(item) for item in arguments)


def plain_key(key: str | int) -> bool:
    """Whether a key is of a size that crosses."""
    return len(key) <= MAX_TEXT if isinstance(key, str) else key.bit_length() < MAX_KEY_BITS


def too_long(value: int) -> str:
    """How an int beyond the bounds is called."""
    return f"int of {value.bit_length():,} bits, {NOT_OVER}"


def too_large(kind: str, size: int) -> str:
    """How a value beyond the bounds is called."""
    return f"{kind} of {size:,} elements, {NOT_OVER}"


def type_name(kind: type) -> str:
    """torch.Tensor, numpy.ndarray, list: as a learner would write it."""
    if kind is torch.Tensor:
        return "torch.Tensor"
    module = kind.__module__.split(".")[0]
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__name__}"


def describe(value: Any) -> str:
    """The kind of a value in a few words: None, a list, float32 tensor of shape (3,)."""
    if value is None:
        return "None"
    if type(value) is Foreign:
        return value.what
    if type(value) is torch.Tensor:
        return f"a {dtype_name(value.dtype)} tensor of shape {shape_text(value.shape)}"
    return type_name(type(value))


def show(value: Any, limit: int = 24) -> str:
    """A value as it would be typed, rounded; a large tensor by shape and first elements."""
    return within(pieces(value, limit), MAX_SHOWN)


def within(parts: Iterator[str], most: int) -> str:
    """The parts as one text of at most so many characters; what lies behind is not even made."""
    text = ""
    for part in parts:
        text += part
        if len(text) > most:
            return text[: most - 1] + "…"
    return text


def pieces(value: Any, limit: int) -> Iterator[str]:
    """What show() makes of a value, from the left to the right."""
    kind = type(value)
    if kind is torch.Tensor:
        yield show_tensor(value, limit)
    elif kind is Foreign:
        yield f"<{value.what}>"
    elif kind in (int, float):
        yield number(value)
    elif kind in CALLABLES:
        yield getattr(value, "__name__", "a function")
    elif kind in (list, tuple):
        items = (pieces(item, limit) for item in value[:limit])
        yield from listed("[]" if kind is list else "()", items, len(value) > limit)
    elif kind is dict:
        pairs = (pieces_of_pair(pair, limit) for pair in islice(value.items(), limit))
        yield within(listed("{}", pairs, len(value) > limit), 200)
    else:
        yield within(iter([repr(value)]), 200)


def pieces_of_pair(pair: tuple[Any, Any], limit: int) -> Iterator[str]:
    """A key and its value."""
    yield f"{pair[0]!r}: "
    yield from pieces(pair[1], limit)


def listed(ends: str, items: Iterable[Iterator[str]], more: bool) -> Iterator[str]:
    """Items between their brackets, and whether there are more."""
    yield ends[0]
    for index, item in enumerate(items):
        yield ", " if index else ""
        yield from item
    yield f", …{ends[1]}" if more else ends[1]


def show_tensor(tensor: torch.Tensor, limit: int) -> str:
    """tensor([[0.25, 0.75]]), or the beginning of it with its shape."""
    if not tensor.numel() and tensor.dim() > 1:
        return f"tensor of shape {shape_text(tensor.shape)}, without elements"
    if tensor.numel() <= limit:
        return f"tensor({nested(tensor.tolist())})"
    start = ", ".join(number(item) for item in tensor.reshape(-1)[:4].tolist())
    return f"tensor of shape {shape_text(tensor.shape)} starting {start}, …"


def nested(items: Any) -> str:
    """Nested lists of numbers, each with at most five digits."""
    if isinstance(items, list):
        return "[" + ", ".join(nested(item) for item in items) + "]"
    return number(items)


def number(value: Any) -> str:
    """0.86681, 10000.0, 1e-05, 3, True: short and the same on every machine."""
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    if type(value) is int and len(text) > 40:
        return f"{text[:12]}… ({len(text.lstrip('-'))} digits)"
    return text + ".0" if isinstance(value, float) and text.lstrip("-").isdigit() else text


def shape_text(shape: Any) -> str:
    """(2, 5) and (3,), as Python writes a tuple."""
    return str(tuple(shape))


def dtype_name(dtype: torch.dtype) -> str:
    """float32, without the package."""
    return str(dtype).removeprefix("torch.")
