"""A lesson as a learner meets it: `lab = Lab("05_temperature")`, and what lab does from then on.

Questions are marked, functions checked, claims held against measurements; each is recorded in the
progress log, from which cards restore themselves. A wrong answer never stops a notebook; an unknown
name does, with the nearest ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit import fetched, sharing
from labkit.course import cards, field_cards
from labkit.course.cards import Card, VerdictCard, show
from labkit.course.catalog import Lesson, find_lesson, lessons
from labkit.course.claims import expectations_of, is_strict, make_claim
from labkit.course.progress import ProgressLog
from labkit.course.questions import Questions
from labkit.course.standing import standing_in
from labkit.course.workbench import NotAFunction, Workbench

if TYPE_CHECKING:
    from labkit.widgets import QuizCard

Function = Callable[..., Any]
sharing.prepare_process()  # before anything imports torch


class Lab:
    """The session of one lesson. Making it seeds all randomness and shows where you are."""

    def __init__(self, lesson: str, *, seed: int = 0, log: ProgressLog | None = None) -> None:
        self.lesson = find_lesson(lesson)
        said = do_without(self.lesson)
        self.log = log or ProgressLog(say=show_notice)
        self.questions = Questions(self.lesson, self.log)
        self.workbench = Workbench(self.lesson, self.log)
        self.expectations = expectations_of(self.lesson)
        prepare(seed)
        self.log.record(self.lesson.id, self.lesson.id, "opened")
        show(cards.lesson_card(self.lesson, standing_in(self.lesson, self.log)))
        if said:
            show(cards.line_card(said))

    def __repr__(self) -> str:
        return f"Lab({self.lesson.id!r})"

    def ask(self, id: str) -> QuizCard:
        """A question as a card; the answer you gave last is there again."""
        return self.questions.card(id)

    def compare(self, id: str, measured: Any, low: Any = None, high: Any = None) -> None:
        """Show a measurement, with its interval, beside your prediction, which is fixed by it."""
        comparison = self.questions.compare(id, measured, low, high)
        show(cards.comparison_card(self.questions.prediction(id), comparison))

    def check(self, function: Function) -> VerdictCard | Card:
        """Check your function: right, not yet (with the mistake), stopped, or not attempted."""
        try:
            return cards.verdict_card(self.workbench.check(function))
        except NotAFunction as error:
            return cards.message_card("lab.check needs a function", str(error), tone="warn")

    def hint(self, function: Function) -> Card:
        """The next of three hints; it speaks to the mistake that was found last."""
        try:
            title, said = self.workbench.hint(function)
        except NotAFunction as error:
            return cards.message_card("lab.hint needs a function", str(error), tone="warn")
        return cards.message_card(title, *said)

    def solution(self, function: Function) -> Card:
        """The reference answer, after a pass or three tries."""
        try:
            name, code = self.workbench.solution(function)
        except NotAFunction as error:
            return cards.message_card("lab.solution needs a function", str(error), tone="warn")
        if code is None:
            return cards.message_card("Not open yet", self.workbench.way_to_solution(name))
        return cards.code_card(f"Reference answer: {name}", code)

    def use(self, function: Function) -> Function:
        """Your function when it passed its check, else the reference; says which.

        What is no function is returned as it is, with a word on what to give.
        """
        try:
            chosen, said = self.workbench.use(function)
        except NotAFunction as error:
            show(cards.message_card("lab.use needs a function", str(error), tone="warn"))
            return function
        show(cards.line_card(said))
        return chosen

    def claim(self, name: str, value: Any) -> None:
        """Show a measured number beside the one that the text states, which stands in the lesson's
        file of claims."""
        claim = make_claim(name, value, self.expectations.claim(name, self.lesson.claims.name))
        self.log.record(self.lesson.id, name, "claim", claim.verdict, payload=claim.payload())
        show(cards.claim_card(claim))
        if is_strict() and claim.holds is False:
            raise AssertionError(str(claim))

    def alt(self, figure: str) -> str:
        """What a figure shows, in words for whoever can't see it; from the lesson's claims file."""
        return self.expectations.figure(figure, self.lesson.claims.name)

    def progress(self) -> Card:
        """What you have done in this lesson so far."""
        return cards.progress_card(standing_in(self.lesson, self.log))

    def map(self) -> Card:
        """The map of the field: all lessons by what their technique changes."""
        return field_cards.map_card(lessons())

    def goals(self) -> Card:
        """What you may want, and the lesson that gives it."""
        return field_cards.goals_card(lessons())


def prepare(seed: int) -> None:
    """Seeds random, numpy and torch, which compute on what is free of the machine; imported here,
    because a course knows no torch."""
    load = sharing.Load()
    from labkit.instruments import seeding, threads

    seeding.seed_everything(seed)
    threads.share_processors(load)


def do_without(lesson: Lesson) -> str | None:
    """Puts the course's own model back where $LABKIT_MODEL asks for one that the lesson can't work
    with, for this process; what there is to say about it."""
    name = os.environ.get("LABKIT_MODEL", "")
    known = fetched.MODELS.get(name)
    reason = lesson.without.get((known and known.original_of) or name)
    if reason is None:
        return None
    del os.environ["LABKIT_MODEL"]
    return f"This lesson does without {name} ({reason}); it goes on with the bundled model."


def show_notice(message: str) -> None:
    """What the progress log has to say, in the cell that is running."""
    show(cards.notice_card("About your progress", message))
