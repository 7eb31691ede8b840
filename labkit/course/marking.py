"""Marking: is this answer right, what was the mistake, and what is it worth.

Answers come from the browser as JSON (see quiz.py for each type's form), so they can be anything.
One that can't be read isn't wrong: it is an "error" and uses up no attempt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from labkit.course.quantities import Unreadable, is_within, kind_of, read_number
from labkit.course.quiz import (
    Choice,
    CodeOutput,
    Match,
    Multiple,
    Number,
    Order,
    Predict,
    Question,
    Single,
    Text,
)

TYPOGRAPHIC = str.maketrans("‐‑‒–—−‘’“”", "------''\"\"")  # what keyboards and phones put in
LONGEST_TEXT = 500
LONGEST_OUTPUT = 5000
BESIDE_PUNCTUATION = re.compile(r"\s*([][(){},:;=])\s*")

PASS, FAIL, ERROR, COMMITTED = "pass", "fail", "error", "committed"


@dataclass(frozen=True)
class Marked:
    """The result of marking an answer.

    The message is what there is to say beyond the outcome: the explanation of a right answer, the
    name of a mistake, or nothing. `right` holds the ids of the answer's parts that are right.
    """

    outcome: str
    points: float
    message: str
    feedback: dict[str, str] = field(default_factory=dict)
    right: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """A measurement beside the prediction that was committed before it (None where none was)."""

    outcome: str  # close, off, not predicted
    measured: float
    predicted: float | None
    message: str


def mark(question: Question, answer: Any) -> Marked:
    """Mark an answer as the browser sends it."""
    try:
        return mark_readable(question, answer)
    except Unreadable as unreadable:
        return Marked(ERROR, 0, str(unreadable))


@singledispatch
def mark_readable(question: Question, answer: Any) -> Marked:
    """One function per question type; raises Unreadable."""
    raise TypeError(f"no marking for a question of type {type(question).__name__}")


@mark_readable.register
def mark_single(question: Single, answer: Any) -> Marked:
    if not isinstance(answer, str):
        raise Unreadable("Choose one option first.")
    chosen = known_ids([answer], option_ids(question))
    if answer == question.key():
        return passed(question, feedback_of(question, chosen), chosen)
    return Marked(FAIL, 0, "", feedback_of(question, chosen))


@mark_readable.register
def mark_multiple(question: Multiple, answer: Any) -> Marked:
    chosen = known_ids(ids_in_list(answer), option_ids(question))
    if not chosen:
        raise Unreadable("Choose at least one option first.")
    correct = question.correct_ids()
    hits = [id for id in chosen if id in correct]
    feedback = feedback_of(question, chosen)
    if set(chosen) == set(correct):
        return passed(question, feedback, hits)
    extras = len(chosen) - len(hits)
    points = question.points * max(0, (len(hits) - extras) / len(correct))
    return Marked(FAIL, points, what_is_off(extras, len(correct) - len(hits)), feedback, hits)


def what_is_off(extras: int, missed: int) -> str:
    """Which way a selection is wrong, without giving it away."""
    off = ["something that you chose doesn't belong"] if extras else []
    off += ["something that belongs isn't chosen"] if missed else []
    return sentence(" and ".join(off))


@mark_readable.register
def mark_number(question: Number, answer: Any) -> Marked:
    value = read_number(answer, question.unit)
    if is_within(value, question.answer, question.margin()):
        return passed(question)
    for mistake in question.mistakes:
        tolerance = question.margin() if mistake.tolerance is None else mistake.tolerance
        if is_within(value, mistake.answer, tolerance):
            return failed(mistake.feedback)
    return failed()


@mark_readable.register
def mark_predict(question: Predict, answer: Any) -> Marked:
    """Making a prediction earns the points; how close it was is said afterwards."""
    value = read_number(answer, question.unit)
    low, high = question.minimum, question.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise Unreadable(f"Predict a number {span(low, high)}{in_unit(question.unit)}.")
    committed = f"Your prediction, {value:g}{in_unit(question.unit)}, is kept. Now measure."
    return Marked(COMMITTED, question.points, committed)


@mark_readable.register
def mark_text(question: Text, answer: Any) -> Marked:
    text = readable_text(answer, LONGEST_TEXT)

    def same(forms: Iterable[str]) -> bool:
        return plain(text, question.casefold) in {plain(form, question.casefold) for form in forms}

    if same(question.accept) or fits_pattern(question, text):
        return passed(question)
    return first_mistake((same(mistake.accept), mistake.feedback) for mistake in question.mistakes)


@mark_readable.register
def mark_code_output(question: CodeOutput, answer: Any) -> Marked:
    output = printed(readable_text(answer, LONGEST_OUTPUT))
    if output == printed(question.answer):
        return passed(question)
    return first_mistake(
        (output == printed(mistake.answer), mistake.feedback) for mistake in question.mistakes
    )


@mark_readable.register
def mark_order(question: Order, answer: Any) -> Marked:
    key = question.key()
    given = known_ids(ids_in_list(answer), key)
    if len(given) != len(key):
        raise Unreadable(f"Put all {len(key)} items in order first.")
    in_place = [id for id, right in zip(given, key, strict=True) if id == right]
    if given == key:
        return passed(question, right=in_place)
    return failed(question.feedback, in_place)


@mark_readable.register
def mark_match(question: Match, answer: Any) -> Marked:
    key = question.key()
    if not isinstance(answer, dict):
        raise Unreadable(f"Match all {len(key)} pairs first.")
    lefts = known_ids(list(answer), list(key))
    known_ids(list(answer.values()), list(key.values()), may_repeat=True)
    if len(lefts) != len(key):
        raise Unreadable(f"Match all {len(key)} pairs first.")
    right = [left for left in key if answer[left] == key[left]]
    if len(right) == len(key):
        return passed(question, right=right)
    return failed(question.feedback, right)


def compare(
    question: Predict,
    predicted: float | None,
    measured: float,
    low: float | None = None,
    high: float | None = None,
) -> Comparison:
    """A measurement, with its interval where it has one, beside the prediction."""
    unit = in_unit(question.unit)
    interval = "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"
    said = f"Measured: {measured:.4g}{unit}{interval}."
    if predicted is None:
        advice = "You had not predicted it: predicting first teaches more."
        return Comparison("not predicted", measured, None, f"{said} {advice}")
    close = is_inside(predicted, low, high) or is_within(predicted, measured, question.close)
    outcome = "close" if close else "off"
    difference = f"{abs(predicted - measured):.3g}"
    margin = f"{question.close:g} counts as close" + (", and so does the interval" * bool(interval))
    message = f"{said} Your prediction is {outcome}: {difference} away ({margin})."
    return Comparison(outcome, measured, predicted, message)


def is_inside(value: float, low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low <= value <= high


def sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def passed(
    question: Question, feedback: dict[str, str] | None = None, right: list[str] | None = None
) -> Marked:
    return Marked(PASS, question.points, question.explanation.strip(), feedback or {}, right or [])


def failed(feedback: str = "", right: list[str] | None = None) -> Marked:
    return Marked(FAIL, 0, feedback, right=right or [])


def first_mistake(candidates: Iterable[tuple[bool, str]]) -> Marked:
    """A failure with the feedback of the first mistake that was recognised."""
    return failed(next((feedback for recognised, feedback in candidates if recognised), ""))


def option_ids(question: Choice) -> list[str]:
    return [option.id for option in question.options]


def feedback_of(question: Choice, chosen: list[str]) -> dict[str, str]:
    return {option.id: option.feedback for option in question.options if option.id in chosen}


def ids_in_list(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise Unreadable(f"Expected a list of choices, got {kind_of(answer)}.")
    return answer


def known_ids(given: list[Any], known: list[str], *, may_repeat: bool = False) -> list[str]:
    """The ids of an answer, each of which must be one of the question's own."""
    if len(given) > len(known) or not all(isinstance(id, str) and id in known for id in given):
        raise Unreadable("This answer doesn't belong to this question; run the cell again.")
    if not may_repeat and len(set(given)) != len(given):
        raise Unreadable("This answer names something twice; run the cell again.")
    return given


def readable_text(answer: Any, longest: int) -> str:
    if not isinstance(answer, str):
        raise Unreadable(f"Expected text, got {kind_of(answer)}.")
    if len(answer) > longest:
        raise Unreadable(f"That is {len(answer)} characters long; {longest} is the most.")
    if not answer.strip():
        raise Unreadable("Type an answer first.")
    return answer


def plain(text: str, casefold: bool) -> str:
    """Words as they are compared: one form of each character, single spaces, no final stop."""
    text = unicodedata.normalize("NFC", text).translate(TYPOGRAPHIC)
    text = " ".join(text.split()).rstrip(".")
    return text.casefold() if casefold else text


def fits_pattern(question: Text, text: str) -> bool:
    if question.pattern is None:
        return False
    flags = re.IGNORECASE if question.casefold else 0
    return re.fullmatch(question.pattern, plain(text, casefold=False), flags) is not None


def printed(output: str) -> str:
    """Output as it is compared: neither empty lines nor spaces beside punctuation count."""
    lines = (BESIDE_PUNCTUATION.sub(r"\1", " ".join(line.split())) for line in output.splitlines())
    return "\n".join(line for line in lines if line)


def span(low: float | None, high: float | None) -> str:
    if high is None:
        return f"of at least {low:g}"
    if low is None:
        return f"of at most {high:g}"
    return f"between {low:g} and {high:g}"


def in_unit(unit: str) -> str:
    """The unit as it stands after a number: 41%, 1.4 nats."""
    return unit if unit in ("", "%") else f" {unit}"
