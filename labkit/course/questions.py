"""A lesson's questions in use: asked, answered, hinted at, compared with a measurement.

The handlers run on threads beside the cell that is running (ipykernel's subshells).
"""

from __future__ import annotations

import threading
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labkit.course.catalog import Lesson
from labkit.course.marking import ERROR, Comparison, Marked, compare, mark
from labkit.course.progress import ProgressLog
from labkit.course.quantities import Unreadable, as_number, read_number
from labkit.course.quiz import Predict, Question, Quiz, load_quiz

if TYPE_CHECKING:
    from labkit.widgets import QuizCard


class Questions:
    """The questions of one lesson, with what the log knows of them."""

    def __init__(self, lesson: Lesson, log: ProgressLog) -> None:
        self.lesson = lesson
        self.log = log
        self._one_hint_at_a_time = threading.Lock()

    @cached_property
    def quiz(self) -> Quiz:
        return load_quiz(self.lesson.quiz)

    def card(self, id: str) -> QuizCard:
        """A question as a live card, as the learner left it."""
        from labkit.widgets import QuizCard

        question = self.quiz[id]
        return QuizCard(
            question.public(),
            on_answer=lambda answer: self.answer(question, answer),
            on_hint=lambda: self.hint(question),
            restored=self.restored(question),
            key=self.key(id),
        )

    def key(self, id: str) -> str:
        """What a card is known by: only one card of a key is alive."""
        return f"{self.lesson.id}/{id}"

    def answer(self, question: Question, answer: Any) -> dict[str, Any]:
        """Mark and record an answer; one that can't be read is not recorded."""
        marked = self.mark(question, answer)
        if marked.outcome != ERROR:
            payload = {
                "answer": answer,
                "message": marked.message,
                "feedback": marked.feedback,
                "right": marked.right,
            }
            outcome, points = marked.outcome, marked.points
            self.log.record(self.lesson.id, question.id, "answer", outcome, points, payload)
        return {**asdict(marked), "attempts": self.log.attempts(self.lesson.id, question.id)}

    def mark(self, question: Question, answer: Any) -> Marked:
        """What an answer is worth; a prediction is fixed once it was compared."""
        if isinstance(question, Predict) and self.compared(question) is not None:
            fixed = "This was measured already, so your prediction stays as it is."
            return Marked(ERROR, 0, fixed)
        return mark(question, answer)

    def hint(self, question: Question) -> dict[str, Any]:
        """The next hint; after the last, that one again."""
        if not question.hints:
            return {"text": "This question has no hints.", "level": 0, "left": 0}
        with self._one_hint_at_a_time:
            given = len(self.log.events(self.lesson.id, question.id, "hint"))
            level = min(given, len(question.hints) - 1)
            hint = hint_at(question, level)
            if given == level:
                self.log.record(self.lesson.id, question.id, "hint", payload={"level": level})
        return hint

    def restored(self, question: Question) -> dict[str, Any] | None:
        """What the card showed last: answer and result, hints, comparison; None for a fresh one."""
        state: dict[str, Any] = {}
        last = self.log.latest(self.lesson.id, question.id, "answer")
        if last is not None:
            attempts = self.log.attempts(self.lesson.id, question.id)
            result = {"outcome": last.outcome, "points": last.points, "attempts": attempts}
            state |= {**last.payload, **result}
        given = len(self.log.events(self.lesson.id, question.id, "hint"))
        if given:
            state["hints"] = [hint_at(question, n) for n in range(min(given, len(question.hints)))]
        compared = self.compared(question)
        if compared is not None:
            state["compared"] = compared
        return state or None

    def compare(self, id: str, measured: Any, low: Any = None, high: Any = None) -> Comparison:
        """Record a measurement beside its prediction, and lock the card that shows it."""
        question = self.prediction(id)
        low, high = (None if bound is None else as_number(bound) for bound in (low, high))
        comparison = compare(question, self.predicted(question), as_number(measured), low, high)
        payload = {**asdict(comparison), "low": low, "high": high}
        self.log.record(self.lesson.id, id, "prediction", comparison.outcome, payload=payload)
        self.lock_card(id, comparison)
        return comparison

    def prediction(self, id: str) -> Predict:
        question = self.quiz[id]
        if isinstance(question, Predict):
            return question
        raise TypeError(f"{id!r} is a {question.type} question; lab.compare needs a predict one")

    def predicted(self, question: Predict) -> float | None:
        """What the learner committed to last, if anything."""
        last = self.log.latest(self.lesson.id, question.id, "answer")
        try:
            return None if last is None else read_number(last.payload.get("answer"), question.unit)
        except Unreadable:  # written by something else than this question
            return None

    def compared(self, question: Question) -> str | None:
        """What was said when the prediction was compared; None where it has not been."""
        comparisons = self.log.events(self.lesson.id, question.id, "prediction")
        said = [e.payload.get("message") for e in comparisons if e.outcome != "not predicted"]
        return said[-1] if said else None

    def lock_card(self, id: str, comparison: Comparison) -> None:
        """The live card of a compared prediction takes no other one."""
        from labkit.widgets import QuizCard

        card = QuizCard.live(self.key(id))
        if isinstance(card, QuizCard) and comparison.predicted is not None:
            card.compared(comparison.message)


def hint_at(question: Question, level: int) -> dict[str, Any]:
    """One hint as the card takes it; `left` counts those that come after it."""
    left = len(question.hints) - level - 1
    return {"text": question.hints[level], "level": level, "left": left}
