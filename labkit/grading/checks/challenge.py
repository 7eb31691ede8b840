"""A challenge: what is right, the mistakes known by name, and the hints.

One file per challenge, labkit/challenges/TOPIC/NAME.py, read from top to bottom: the truth, the
check, `challenge = Challenge(...)`, then each mistake under its decorator, the other right answers
and the mutants that are as right as the reference. It carries its own proof: `labkit verify` runs
all of them through the check (see verify.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, overload

from labkit.grading.checks.diagnosis import same_values
from labkit.grading.checks.submission import Submission
from labkit.grading.source.spoiling import Spoiled
from labkit.grading.transports.transport import Reply

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give: complete, runnable, with words and a hint for it."""

    name: str
    answer: Function | Spoiled
    message: str
    hint: str

    @cached_property
    def imitation(self) -> Function:
        """The wrong answer as a function."""
        return self.answer.function() if isinstance(self.answer, Spoiled) else self.answer

    @property
    def source(self) -> str | None:
        """Its source, where it is made from the reference's."""
        return self.answer.source if isinstance(self.answer, Spoiled) else None


@dataclass(eq=False)
class Challenge:
    """One function that the learner writes. `alike` says when two answers are the same mistake.

    `not_allowed` are the dotted names of what does the whole task already, such as
    "tokenizers.trainers.BpeTrainer": an answer that uses one is refused (see borrowing.py).
    Python's own library, torch and NumPy may be used, but for what stands there; labkit never.
    """

    name: str
    title: str
    check: Callable[[Submission], None]
    points: int
    hints: tuple[str, str, str]
    limit_seconds: float = 5.0
    alike: Callable[[Reply, Reply], bool] = same_values
    not_allowed: tuple[str, ...] = ()
    mistakes: list[Mistake] = field(default_factory=list)
    alternatives: list[Function] = field(default_factory=list)
    equivalents: dict[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments, as in the stub."""
        return tuple(inspect.signature(self.mistakes[0].imitation).parameters)

    def find_mistake(self, name: str) -> Mistake:
        """A known mistake by its name."""
        return next(mistake for mistake in self.mistakes if mistake.name == name)

    @overload
    def mistake(self, name: str, message: str, *, hint: str) -> Callable[[F], F]: ...
    @overload
    def mistake(
        self, name: str, message: str, *, hint: str, answer: Function | Spoiled
    ) -> None: ...

    def mistake(
        self, name: str, message: str, *, hint: str, answer: Function | Spoiled | None = None
    ) -> Callable[[F], F] | None:
        """Register a wrong answer: the function that is decorated, or `answer`.

        Raises ValueError where the name is taken.
        """
        if any(mistake.name == name for mistake in self.mistakes):
            raise ValueError(f"{self.name} has two mistakes {name!r}: give one another name")
        if isinstance(answer, Spoiled):
            answer = answer.of(self.check.__module__.split(".")[-2], self.name)
        if answer is not None:
            self.mistakes.append(Mistake(name, answer, message, hint))
            return None

        def register(wrong: F) -> F:
            self.mistakes.append(Mistake(name, wrong, message, hint))
            return wrong

        return register

    def alternative(self, right: F) -> F:
        """Register another right answer: a decorator, or called with a function."""
        self.alternatives.append(right)
        return right

    def equivalent(self, *mutants: str, because: str) -> None:
        """Register mutants of the reference that are as right as it is, by their ids."""
        self.equivalents |= dict.fromkeys(mutants, because)
