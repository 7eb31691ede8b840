"""How long a lesson's core path takes, and what its header may promise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from nbformat import NotebookNode

from labkit.course.catalog import CatalogError, Lesson
from labkit.course.minutes import check_minutes, core_minutes
from labkit.course.notebooks import from_text

CHECKED = "# %%\nlab.check(double)\n\n"
FURTHER = "# %% [markdown]\n# # Further\n#\n# And so on.\n\n"
PATH = Path("99_fixture.py")
LESSON = Lesson("99_fixture", "99", "fixture", "Fixture", 24, (), "A small one.", (), PATH)


def lesson_of(words: int, *, challenges: int = 1, further: str = FURTHER) -> NotebookNode:
    text = f"# %% [markdown]\n# {'word ' * words}\n\n"
    asked = "# %%\nlab.ask('one')\n\n# %%\nlab.ask('two')\n\n"
    return from_text(text + CHECKED * challenges + asked + further + CHECKED, "99_fixture")


def test_words_challenges_and_questions_above_further_count() -> None:
    assert core_minutes(lesson_of(1000)) == 5 + 15 + 2 * 2
    assert core_minutes(lesson_of(1001)) == 25


def test_a_lesson_without_further_is_not_measured() -> None:
    assert core_minutes(lesson_of(1000, further="")) is None
    assert core_minutes(lesson_of(100_000, further="")) is None


def test_a_header_promises_enough_and_the_core_is_an_hour_at_most() -> None:
    check_minutes(LESSON, minutes_of(1000))
    with pytest.raises(CatalogError, match="minutes: 24, but its core takes 25"):
        check_minutes(LESSON, minutes_of(1001))
    with pytest.raises(CatalogError, match="its core takes 69 minutes, at most 60"):
        check_minutes(replace(LESSON, minutes=90), minutes_of(1000, challenges=4))


def minutes_of(words: int, challenges: int = 1) -> int:
    needed = core_minutes(lesson_of(words, challenges=challenges))
    assert needed is not None
    return needed
