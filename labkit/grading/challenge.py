"""A challenge: what is right, the mistakes known by name, and the hints.

It carries its own proof: `labkit verify` runs the reference, the alternatives, the untouched stub
and every mistake through the check (see verify.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labkit.grading.diagnosis import same_values
from labkit.grading.submission import Submission
from labkit.grading.transport import Reply


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give: complete, runnable, with words and a hint for it."""

    name: str
    imitation: Callable[..., Any]
    message: str
    hint: str


@dataclass(frozen=True, eq=False)
class Challenge:
    """One function that the learner writes. `alike` says when two answers are the same mistake.

    `not_allowed` are the dotted names of what does the whole task already, such as
    "tokenizers.trainers.BpeTrainer": an answer that uses one is refused (see borrowing.py).
    Python's own library, torch and NumPy may be used, but for what stands there; labkit never.
    """

    name: str
    title: str
    points: int
    check: Callable[[Submission], None]
    mistakes: tuple[Mistake, ...]
    alternatives: tuple[Callable[..., Any], ...]
    hints: tuple[str, str, str]
    limit_seconds: float = 5.0
    alike: Callable[[Reply, Reply], bool] = same_values
    not_allowed: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments, as in the stub."""
        return tuple(inspect.signature(self.mistakes[0].imitation).parameters)

    def mistake(self, name: str) -> Mistake:
        """A known mistake by its name."""
        return next(mistake for mistake in self.mistakes if mistake.name == name)
