"""A small course of its own, with every type of question, in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit import paths
from labkit.course.progress import ProgressLog
from labkit.course.quiz import Quiz, load_quiz

LESSON = """\
# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   labkit:
#     title: Halves & <b>doubles</b>
#     minutes: 5
#     models: [base]
#     summary: Halving and doubling.
# ---

# %%
1 + 1
"""

QUIZ = """\
lesson: 01_halves
questions:
  - id: one-of-three
    type: single
    prompt: What is half of 4?
    hints: [Smaller than 4., Larger than 1.]
    explanation: 2 + 2 is 4.
    options:
      - {id: one, text: "1", feedback: That is a quarter.}
      - {id: two, text: "2", feedback: It is., correct: true}
      - {id: eight, text: "8", feedback: You doubled it.}
  - id: all-even
    type: multiple
    prompt: Which are even?
    points: 2
    options:
      - {id: three, text: "3", feedback: 3 is odd.}
      - {id: four, text: "4", feedback: 4 is even., correct: true}
      - {id: five, text: "5", feedback: 5 is odd.}
      - {id: six, text: "6", feedback: 6 is even., correct: true}
  - id: how-much
    type: number
    prompt: Half of 0.82, in percent?
    answer: 41
    tolerance: 0.5
    unit: "%"
    mistakes:
      - {answer: 0.41, tolerance: 0.005, feedback: That is the share; percent is 100 times it.}
      - {answer: 164, feedback: You doubled it.}
  - id: how-much-later
    type: predict
    prompt: What will half of it be?
    unit: "%"
    minimum: 0
    maximum: 100
    close: 5
  - id: in-a-word
    type: text
    prompt: What is one of two equal parts called?
    accept: [half, one half]
    pattern: a (full )?half
    mistakes:
      - {accept: [quarter], feedback: That is one of four.}
  - id: by-size
    type: order
    prompt: Smallest first.
    feedback: Halving makes it smaller.
    items:
      - {id: first, text: a quarter}
      - {id: second, text: a half}
      - {id: third, text: a whole}
      - {id: fourth, text: a double}
  - id: belongs-to
    type: match
    prompt: Which is half of which?
    feedback: Double the left side.
    pairs:
      - {id: a, left: "1", right: "2"}
      - {id: b, left: "2", right: "4"}
      - {id: c, left: "3", right: "6"}
  - id: it-prints
    type: code-output
    prompt: What does this print?
    code: |
      print([4 / 2, 2 / 2])
      print("done")
    answer: |
      [2.0, 1.0]
      done
    mistakes:
      - {answer: "[2, 1]\\ndone", feedback: / gives a float.}
"""


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a course with one lesson; the learner's work folder is below it."""
    for name, text in {
        "lessons/01_halves.py": LESSON,
        "quizzes/01_halves.yaml": QUIZ,
    }.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path)
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path / "work"))
    return tmp_path


@pytest.fixture
def quiz(course: Path) -> Quiz:
    return load_quiz(course / "quizzes" / "01_halves.yaml")


class Said(list[str]):
    """What a progress log told the learner."""


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def log(tmp_path: Path, said: Said) -> ProgressLog:
    return ProgressLog(tmp_path / "log" / "progress.sqlite", say=said.append)
