"""A lesson's challenges in use: checked, hinted at, solved, used in the cells that follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit.course.catalog import Lesson
from labkit.course.progress import ProgressLog
from labkit.course.quantities import describe
from labkit.grading.source import solutions

if TYPE_CHECKING:
    from labkit.grading import Challenge, Verdict

Function = Callable[..., Any]
TRIES_BEFORE_SOLUTION = 3


class NotAFunction(TypeError):
    """Something other than a function was given; the message says what to give instead."""


class Workbench:
    """The challenges of one lesson, with what the log knows of them."""

    def __init__(self, lesson: Lesson, log: ProgressLog) -> None:
        self.lesson = lesson
        self.log = log
        self._passed: dict[str, Function] = {}

    def challenge(self, function: Any, call: str) -> Challenge:
        """The challenge that a function answers, by its name."""
        from labkit.challenges import find_challenge

        name = getattr(function, "__name__", None)
        if not callable(function) or not isinstance(name, str):
            raise NotAFunction(self.what_to_give(function, call))
        return find_challenge(self.lesson.id, name)

    def what_to_give(self, given: Any, call: str) -> str:
        known = solutions.names(self.lesson.id)
        example = given if isinstance(given, str) and given in known else next(iter(known), "...")
        return (
            f"It was given {describe(given)}. Give it the function itself, without quotes or "
            f"brackets: `lab.{call}({example})`."
        )

    def check(self, function: Any) -> Verdict:
        """Check a function and record the outcome."""
        from labkit.grading import Outcome, check

        challenge = self.challenge(function, "check")
        verdict = check(challenge, function)
        passed = verdict.outcome == Outcome.PASS
        self._passed.pop(challenge.name, None)
        if passed:
            self._passed[challenge.name] = function
        payload = {
            "message": verdict.message,
            "case": verdict.case,
            "mistake": verdict.mistake,
            "line": verdict.line,
        }
        points = challenge.points if passed else 0
        outcome = str(verdict.outcome)
        self.log.record(self.lesson.id, challenge.name, "check", outcome, points, payload)
        return verdict

    def hint(self, function: Any) -> tuple[str, list[str]]:
        """The next hint: its title and what it says, about the last mistake first."""
        challenge = self.challenge(function, "hint")
        name, ladder = challenge.name, challenge.hints
        given = len(self.log.events(self.lesson.id, name, "hint"))
        level = min(given, len(ladder) - 1)
        said = [*self.opening(challenge), ladder[level]]
        if level == len(ladder) - 1:
            said.append(f"That was the last hint. {self.way_to_solution(name)}")
        self.log.record(self.lesson.id, name, "hint", payload={"level": level})
        return f"Hint {level + 1} of {len(ladder)} for {name}", said

    def opening(self, challenge: Challenge) -> list[str]:
        """What a hint begins with: how to begin, or the mistake found since the last hint."""
        name = challenge.name
        events = self.log.events(self.lesson.id, name)
        since = [e for e in events if e.kind in ("check", "hint")][-1:]
        if not since or since[0].outcome == "not attempted":
            return [
                f"To begin, make `{name}` return anything at all and run `lab.check({name})`: it "
                "says what is missing. Its docstring holds an example to try by hand."
            ]
        found = since[0].payload.get("mistake")
        return [mistake.hint for mistake in challenge.mistakes if mistake.name == found]

    def solution(self, function: Any) -> tuple[str, str | None]:
        """The challenge's name, and the reference answer's source where it is open by now."""
        name = self.challenge(function, "solution").name
        if not self.is_open(name):
            return name, None
        self.log.record(self.lesson.id, name, "solution")
        return name, solutions.source(self.lesson.id, name)

    def is_open(self, name: str) -> bool:
        """The reference answer opens after a pass, or after enough tries."""
        checks = self.log.events(self.lesson.id, name, "check")
        return any(check.outcome == "pass" for check in checks) or self.tries_left(name) == 0

    def tries_left(self, name: str) -> int:
        return max(0, TRIES_BEFORE_SOLUTION - self.log.attempts(self.lesson.id, name))

    def way_to_solution(self, name: str) -> str:
        """What is left to do before the reference answer opens."""
        if self.is_open(name):
            return f"`lab.solution({name})` shows the reference answer."
        left = self.tries_left(name)
        tries = f"{left} more tr{'y' if left == 1 else 'ies'}"
        return f"`lab.solution({name})` opens after a pass, or after {tries} with `lab.check`."

    def use(self, function: Any) -> tuple[Function, str]:
        """The learner's function if this version of it passed its check, else the reference."""
        name = self.challenge(function, "use").name
        if name in self._passed and self._passed[name] is function:
            return function, f"Using your `{name}`."
        return solutions.reference(self.lesson.id, name), (
            f"Using the reference `{name}`: yours has not passed `lab.check({name})` yet."
        )
