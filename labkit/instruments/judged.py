"""Prompts with a judge that is not the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Items:
    """Prompts, and whether a completion of the i-th is right: `is_right(i, text)`; `answers` are
    the right ones where each prompt has one."""

    prompts: list[str]
    is_right: Callable[[int, str], bool]
    answers: tuple[str, ...] = ()
