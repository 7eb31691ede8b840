"""What the build refuses of a lesson's claims, with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.course.catalog import Lesson
from labkit.course.claim_checks import check_rests, check_used
from labkit.course.claims import ClaimsError

CLAIMS = """claims:
  facts right:
    around: 1.0
    within: 0.02
    sentence: Facts are
      right.
    question: how-many
    tolerance: counted
figures:
  curve: It falls.
"""
QUIZ = """lesson: 99_fixture
questions:
  - {id: how-many, type: number, prompt: "How many?", answer: 2, tolerance: 0, concepts: [x]}
"""


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    monkeypatch.setattr("labkit.paths.course_root", lambda: tmp_path)
    for folder, name, text in (
        ("lessons", "99_fixture.claims.yaml", CLAIMS), ("quizzes", "99_fixture.yaml", QUIZ)
    ):  # fmt: skip
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text, encoding="utf-8")
    path = tmp_path / "lessons" / "99_fixture.py"
    return Lesson("99_fixture", "99", "fixture", "Fixture", 5, (), "A small one.", (), path)


def test_what_no_cell_uses_is_named(lesson: Lesson) -> None:
    check_used(lesson, ["facts right"], ["curve"])
    with pytest.raises(ClaimsError, match=r"yaml:2: claims\.facts right: no cell claims it"):
        check_used(lesson, [], ["curve"])
    with pytest.raises(ClaimsError, match=r"yaml:10: figures\.curve: no cell draws it"):
        check_used(lesson, ["facts right"], [])


def test_a_sentence_stands_in_text_figures_or_quiz(lesson: Lesson) -> None:
    check_rests(lesson, "So it is. Facts\nare right.")
    with pytest.raises(ClaimsError, match=r"yaml:5: claims\.facts right\.sentence: stands nowhere"):
        check_rests(lesson, "Facts are wrong.")
    lesson.claims.write_text(CLAIMS.replace("Facts are\n      right.", "It falls."))
    check_rests(lesson, "")
    lesson.claims.write_text(CLAIMS.replace("Facts are\n      right.", "How many?"))
    check_rests(lesson, "")


def test_a_question_is_in_the_quiz(lesson: Lesson) -> None:
    lesson.claims.write_text(CLAIMS.replace("how-many", "how-much"))
    with pytest.raises(ClaimsError, match="question: not in the quiz; did you mean how-many"):
        check_rests(lesson, "Facts are right.")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("    sentence: Facts are\n      right.\n    question: how-many\n", "which sentence rests"),
        ("    tolerance: counted\n", "why does it hold on other machines"),
    ],
)
def test_a_claim_is_there_for_something(lesson: Lesson, lines: str, said: str) -> None:
    lesson.claims.write_text(CLAIMS.replace(lines, ""))
    with pytest.raises(ClaimsError, match=rf"yaml:2: claims\.facts right: .*{said}"):
        check_rests(lesson, "Facts are right.")


def test_a_lesson_without_claims_is_fine(lesson: Lesson) -> None:
    lesson.claims.unlink()
    check_used(lesson, [], [])
    check_rests(lesson, "")
