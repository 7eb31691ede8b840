"""A lesson's file of claims held against its cells, its text and its questions, for the build.

Each raises ClaimsError with file, line and field of everything that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labkit.course.catalog import Lesson
from labkit.course.claims import ClaimsError, expectations_of, source_of
from labkit.course.standing import question_ids
from labkit.course.yaml_source import read_text
from labkit.paths import nearest

Place = tuple[str, ...]  # from the file's root to what is wrong


def check_used(lesson: Lesson, claims: Iterable[str], figures: Iterable[str]) -> None:
    """Refuse what a run of the lesson did not use: a claim without a cell, a text of no figure."""
    expectations = expectations_of(lesson)
    unclaimed = expectations.claims.keys() - {*claims}
    undrawn = expectations.figures.keys() - {*figures}
    refuse(lesson, {("claims", name): "no cell claims it" for name in unclaimed})
    refuse(lesson, {("figures", name): "no cell draws it" for name in undrawn})


def check_rests(lesson: Lesson, text: str) -> None:
    """Refuse a claim that nothing rests on or whose tolerance has no reason, a sentence that stands
    nowhere, and a question that the quiz lacks.

    text  the lesson's Markdown; alternative texts and questions are looked through as well
    """
    expectations = expectations_of(lesson)
    figures = expectations.figures.values()
    questions = read_text(lesson.quiz) if lesson.quiz.is_file() else ""
    said, known = in_one_line(" ".join([text, *figures, questions])), question_ids(lesson)
    wrong: dict[Place, str] = {}
    for name, claim in expectations.claims.items():
        if not (claim.sentence or claim.question):
            wrong["claims", name] = "which sentence rests on it, or which question does it answer?"
        elif not claim.tolerance:
            wrong["claims", name] = "tolerance: why does it hold on other machines?"
        if claim.sentence and in_one_line(claim.sentence) not in said:
            wrong["claims", name, "sentence"] = "stands nowhere in text, figures or quiz"
        if claim.question and claim.question not in known:
            wrong["claims", name, "question"] = f"not in the quiz; {nearest(claim.question, known)}"
    refuse(lesson, wrong)


def in_one_line(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


def refuse(lesson: Lesson, wrong: Mapping[Place, str]) -> None:
    """Raise for these, in the order of their lines."""
    if not wrong:
        return
    source = source_of(lesson)
    found = sorted((source.walk(at)[0], f"{'.'.join(at)}: {said}") for at, said in wrong.items())
    raise ClaimsError("\n".join(source.line_of(*each) for each in found))
