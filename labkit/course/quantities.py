"""Numbers as people write them, compare them and read them.

Learners type "0,41" or "41%"; lessons measure numpy and torch scalars; both are compared with what
was expected. A point is always the decimal mark; a comma is one only where it can't separate
thousands: 57,344 could be two numbers and is asked for again. Numbers are compared as decimals, so
that 0.4 is within 0.1 of 0.3, as on paper.
"""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal
from typing import Any

LONGEST_NUMBER = 64
LARGEST = 10**300
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
# One comma with three digits behind it: 57,344 is a decimal to some and a whole number to others.
DECIMAL_OR_THOUSANDS = re.compile(r"([+-]?[1-9][0-9]{0,2}),([0-9]{3}(?:[eE].*)?)")
MORE_DIGITS = re.compile(r"[\s.,'’_]*[0-9]")  # behind a number: marks between thousands, or another
KINDS = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "a number",
    "NoneType": "nothing",
    "str": "text",
}
LIKE_MINUS = str.maketrans({"−": "-", "–": "-"})


class Unreadable(ValueError):
    """An answer that can't be read, with what to type instead; it uses up no attempt."""


def read_number(typed: Any, unit: str = "") -> float:
    """The number that a learner typed, with decimal point or comma and the question's own unit.

    Unreadable where it is no number, has another unit, or could be two different numbers.
    """
    if isinstance(typed, int | float) and not isinstance(typed, bool):
        typed = repr(float(typed)) if abs(typed) < LARGEST else "a number beyond 1e300"
    if not isinstance(typed, str):
        raise Unreadable(f"Expected a number, got {kind_of(typed)}.")
    if len(typed) > LONGEST_NUMBER:
        raise Unreadable(f"That is {len(typed)} characters long; type one number, such as 0.41.")
    text = typed.translate(LIKE_MINUS).strip()
    if not text:
        raise Unreadable("Type a number first.")
    number = NUMBER.match(text)
    if number is None:
        raise Unreadable(
            f"Can't read {typed.strip()!r} as a number; type one such as 0.41 or 1e-3."
        )
    check_one_number(text, number)
    check_unit(text[number.end() :].strip(), unit)
    return finite(number.group(), typed)


def check_one_number(text: str, number: re.Match[str]) -> None:
    """Unreadable where a mark may separate thousands: it is unclear which number was meant."""
    if MORE_DIGITS.match(text, number.end()):
        raise Unreadable(
            f"Can't read {text!r} as one number; type it with a point for decimals and nothing "
            "between thousands, such as 1234.5."
        )
    if either := DECIMAL_OR_THOUSANDS.fullmatch(number.group()):
        decimal, whole = ".".join(either.groups()), "".join(either.groups())
        raise Unreadable(
            f"{number.group()} may be {decimal} or {whole}; type the one that you mean, with a "
            "point for decimals and nothing between thousands."
        )


def check_unit(found: str, unit: str) -> None:
    """Only the question's unit may follow the number."""
    if found and comparable(found) != comparable(unit):
        wanted = f"a number in {unit}" if unit else "a number without a unit"
        raise Unreadable(f"Can't read {found!r} after the number; this question wants {wanted}.")


def comparable(unit: str) -> str:
    """A unit in a form that ignores case and which of the two signs for micro it has."""
    return unicodedata.normalize("NFKC", unit).casefold()


def finite(digits: str, typed: str) -> float:
    value = float(digits.replace(",", "."))
    if not math.isfinite(value):
        raise Unreadable(f"{typed.strip()} is too large to be compared.")
    return value


def is_within(value: float, centre: float, tolerance: float) -> bool:
    """|value - centre| <= tolerance for the numbers as they are written; never for NaN or inf."""
    if not all(map(math.isfinite, (value, centre, tolerance))):
        return False
    return abs(exact(value) - exact(centre)) <= exact(tolerance)


def exact(value: float) -> Decimal:
    return Decimal(repr(float(value)))


def as_number(value: Any) -> float:
    """A measured value as a float: a Python number, or a numpy or torch scalar of any shape."""
    item = getattr(value, "item", None)
    try:
        number = item() if callable(item) else value
        if isinstance(number, str | bytes):
            raise TypeError
        return float(number)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"expected one number, got {describe(value)}") from None


def describe(value: Any) -> str:
    """What a value is, in a few words: its kind, and its shape where it has one."""
    shape = getattr(value, "shape", None)
    return kind_of(value) if shape is None else f"{kind_of(value)} of shape {tuple(shape)}"


def kind_of(value: Any) -> str:
    """The type of a value as a learner calls it."""
    name = type(value).__name__
    return KINDS.get(name) or f"{'an' if name[:1].casefold() in 'aeiou' else 'a'} {name}"


def digits_for(tolerance: float) -> int:
    """How many decimals show half a `tolerance`: 2 for 0.05 and for 0.1, none for 3."""
    if not math.isfinite(tolerance) or tolerance <= 0:
        return 3
    return min(12, max(0, -math.floor(math.log10(tolerance / 2))))


def shown(value: float, tolerance: float) -> str:
    """A number with as many decimals as its tolerance gives meaning to."""
    return f"{value:.{digits_for(tolerance)}f}"
