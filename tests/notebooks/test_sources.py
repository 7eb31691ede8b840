"""Every work that a lesson names is in lessons/sources.yaml, with where in it the fact stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labkit.course.catalog import Lesson, lessons
from labkit.course.sources import Source, load_sources
from labkit.course.yaml_source import read_text
from labkit.paths import PACKAGE

LINK = re.compile(r"https?://[^\s)>\"'`\]]+")


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return load_sources()


def links_of(lesson: Lesson) -> set[str]:
    """The addresses in a lesson's text, in its questions and in what its checks say."""
    challenges = (PACKAGE / "challenges" / lesson.topic).glob("*.py")
    files: list[Path] = [lesson.path, lesson.claims, lesson.quiz, *challenges]
    texts = [read_text(file) for file in files if file.exists()]
    found = {link.rstrip(".,;:") for text in texts for link in LINK.findall(text)}
    return {link for link in found if "localhost" not in link and "127.0.0.1" not in link}


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.id)
def test_the_sources_of_a_lesson_are_those_it_names(
    lesson: Lesson, sources: dict[str, Source]
) -> None:
    taken = {source.url: source.taken.get(lesson.id) for source in sources.values()}

    assert links_of(lesson) == {url for url, fact in taken.items() if fact and fact.linked}


def test_sources_are_those_of_lessons_that_are_there(sources: dict[str, Source]) -> None:
    known = {lesson.id for lesson in lessons()}

    assert {lesson for source in sources.values() for lesson in source.taken} <= known
    assert len({source.url or key for key, source in sources.items()}) == len(sources)
