"""Invented words of two syllables out of few: a tokenizer soon has a token for each word."""

from __future__ import annotations

import random


def invented(kind: str, count: int, first: str, second: str) -> tuple[str, ...]:
    """`count` different words, the same in every run; `kind` is the seed.

    The syllables are the words of the strings `first` and `second`.
    """
    possible = [opening + ending for opening in first.split() for ending in second.split()]
    return tuple(random.Random(f"words of {kind}").sample(possible, count))
