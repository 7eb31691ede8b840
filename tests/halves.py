"""The reference answers of a small course with one lesson, 01_halves."""

from __future__ import annotations

SOLUTIONS = '''\
"""Reference answers of lesson 01."""

from __future__ import annotations

import math
import os.path as where
from fractions import Fraction

TWO = 2
UNUSED: int = math.floor(3.5)


def _divide(value: float) -> float:
    return value / TWO


def double(value: float) -> float:
    """Twice the value."""
    return math.fsum([value, value])


def half(value: float) -> float:
    """Half the value."""
    return _divide(value)
'''
