"""What a gallery registers its answers with: each function under what it must come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Gallery:
    """The answers to the challenges of one lesson, by challenge."""

    def __init__(self) -> None:
        self.right_answers: dict[str, list[Callable[..., Any]]] = defaultdict(list)
        self.wrong_answers: dict[str, dict[Callable[..., Any], str | None]] = defaultdict(dict)
        self.refused_answers: dict[str, list[Callable[..., Any]]] = defaultdict(list)

    def right(self, challenge: str) -> Callable[[F], F]:
        """This answer passes."""
        return kept_by(self.right_answers[challenge].append)

    def wrong(self, challenge: str, mistake: str | None = None) -> Callable[[F], F]:
        """This one is found wrong, by this mistake; without one the general message has to do."""
        return kept_by(lambda answer: self.wrong_answers[challenge].update({answer: mistake}))

    def refused(self, challenge: str) -> Callable[[F], F]:
        """This one leaves the whole task to a library."""
        return kept_by(self.refused_answers[challenge].append)


def kept_by(keep: Callable[[Callable[..., Any]], None]) -> Callable[[F], F]:
    """A decorator that hands a function over and leaves it as it is."""

    def register(answer: F) -> F:
        keep(answer)
        return answer

    return register
