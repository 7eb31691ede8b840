"""How far a learner has come, worked out from the progress log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.course.catalog import Lesson
from labkit.course.event_store import Event
from labkit.course.progress import ProgressLog
from labkit.course.quiz import load_quiz
from labkit.grading.source.solutions import names


@dataclass(frozen=True)
class Standing:
    """One lesson: the outcome of each question and challenge (None: never tried)."""

    lesson: Lesson
    questions: dict[str, str | None]
    challenges: dict[str, str | None]
    hints: int
    points: float
    last_opened: str | None

    @property
    def answered(self) -> int:
        """Questions that have an answer, right or wrong."""
        return sum(outcome is not None for outcome in self.questions.values())

    @property
    def right(self) -> int:
        """Questions that were once answered right, and predictions that were made."""
        return sum(outcome in ("pass", "committed") for outcome in self.questions.values())

    @property
    def passed(self) -> int:
        """Challenges that once passed."""
        return sum(outcome == "pass" for outcome in self.challenges.values())

    @property
    def steps(self) -> int:
        """Questions and challenges together."""
        return len(self.questions) + len(self.challenges)

    @property
    def taken(self) -> int:
        """How many of the steps are done: questions answered and challenges passed."""
        return self.answered + self.passed

    @property
    def state(self) -> str:
        """One of "open" (never opened), "begun", "done" (no step is left)."""
        if self.steps and self.taken == self.steps:
            return "done"
        return "begun" if self.taken or self.last_opened else "open"


def standing_in(lesson: Lesson, log: ProgressLog) -> Standing:
    """Where a learner stands in a lesson."""
    events = log.events(lesson.id)
    answers = [event for event in events if event.kind == "answer"]
    checks = [event for event in events if event.kind == "check"]
    opened = [event.time for event in events if event.kind == "opened"]
    return Standing(
        lesson,
        questions=outcomes(question_ids(lesson), answers),
        challenges=outcomes(names(lesson.id), checks),
        hints=sum(event.kind == "hint" for event in events),
        points=sum(best_points([*answers, *checks]).values()),
        last_opened=opened[-1] if opened else None,
    )


def question_ids(lesson: Lesson) -> Sequence[str]:
    """The lesson's questions; a lesson may have none."""
    if not lesson.quiz.is_file():
        return ()
    return [question.id for question in load_quiz(lesson.quiz).questions]


def outcomes(items: Iterable[str], events: Sequence[Event]) -> dict[str, str | None]:
    """The last outcome of each item; a pass is never lost."""
    found: dict[str, str | None] = dict.fromkeys(items)
    for event in events:
        if event.item in found and found[event.item] != "pass":
            found[event.item] = event.outcome
    return found


def best_points(events: Iterable[Event]) -> dict[str, float]:
    """The most that each item has earned."""
    best: dict[str, float] = {}
    for event in events:
        best[event.item] = max(best.get(event.item, 0.0), event.points or 0.0)
    return best
