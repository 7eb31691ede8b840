"""Numbers of the prose that no claim, citation or setting covers are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat import NotebookNode

from labkit.course.catalog import Lesson
from labkit.course.claims import ClaimsError
from labkit.course.notebooks import from_text
from labkit.course.number_checks import check_numbers

CLAIMS = """claims:
  right:
    around: 0.9
    within: 0.1
    sentence: Of 1,000 answers 90 % are right.
figures:
  curve: It falls to 90 %.
"""
SOURCES = """sources:
  he-2025: {title: T, authors: He et al. (Lab), year: 2025, id: a,
    taken: {99_fixture: &fact {where: p, says: x, checked: true}}}
  liu-2024: {title: T, authors: Liu, year: 2024, id: b, taken: {99_fixture: *fact}}
  hu-2021: {title: T, authors: Hu et al., year: 2021, id: c, taken: {98_other: *fact}}
"""
QUIZ = """lesson: 99_fixture
questions:
  - id: how-many
    type: number
    prompt: How many of 77?
    answer: 2
    tolerance: 0
    concepts: [x]
    mistakes: [{answer: 3, tolerance: 0, feedback: "Not 3, for 2 is all."}]
    explanation: It is 2.
"""
CODE = '# %%\nitems = fact_items(240)\nprint("top-k 20", 2, 3)\n'


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    monkeypatch.setattr("labkit.paths.course_root", lambda: tmp_path)
    for name, text in {
        "lessons/99_fixture.claims.yaml": CLAIMS,
        "lessons/sources.yaml": SOURCES,
        "quizzes/99_fixture.yaml": QUIZ,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = tmp_path / "lessons" / "99_fixture.py"
    return Lesson("99_fixture", "99", "fixture", "Fixture", 5, (), "A small one.", (), path)


def saying(words: str) -> NotebookNode:
    lines = "\n".join(f"# {line}".rstrip() for line in words.splitlines())
    return from_text(f"# %% [markdown]\n{lines}\n\n{CODE}", "99_fixture")


@pytest.mark.parametrize(
    "words",
    [
        "Of 1,000 answers 90 % are right.",
        "We ask 240 questions, and keep 20 tokens.",
        "They found 47 of 80 ([He 2025](https://example.org/he)).",
        "47 of 80 (He et\nal., table 3), or 41 (Liu 2024).",
        "`temperature=0.7` and $p = 0.35$, with 95 % intervals:\n\n1. First.\n2. Second.",
        "Qwen3 and layer3, SmolLM2-135M-Instruct and GPT-4-1106-preview.",
        "## Here and at 7 B\n\nNothing.",
    ],
)
def test_a_covered_number_is_fine(lesson: Lesson, words: str) -> None:
    check_numbers(lesson, saying(words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("It takes 17 steps.", "99_fixture.py: 17 in 'It takes 17 steps.'"),
        ("Up to 0.35 of it.", "0.35 in"),
        ("Liu says 44.", "44 in"),
        ("From 46-48 on.", "46 in"),
        ("In another lesson 45 (Hu et al. 2021).", "45 in"),
        ("Cited ([x](https://x.org)): 5.\n\nNot cited: 6.", "6 in 'Not cited: 6.'"),
    ],
)
def test_an_uncovered_number_is_named(lesson: Lesson, words: str, said: str) -> None:
    with pytest.raises(ClaimsError) as error:
        check_numbers(lesson, saying(words))
    assert said in str(error.value) and "no claim, citation or setting" in str(error.value)


def test_figures_and_answers_are_prose_too(lesson: Lesson) -> None:
    lesson.claims.write_text(CLAIMS.replace("falls to 90 %", "falls to 44 %"))
    with pytest.raises(ClaimsError, match=r"44 in 'It falls to 44 %\.'"):
        check_numbers(lesson, saying("Fine."))
    lesson.claims.write_text(CLAIMS)
    lesson.quiz.write_text(QUIZ.replace("It is 2.", "It is 2, as 55 say."))
    with pytest.raises(ClaimsError, match="55 in"):
        check_numbers(lesson, saying("Fine."))
