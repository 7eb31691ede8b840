"""The map of the field: every lesson once, those to come too, and nothing typed twice."""

from __future__ import annotations

import re
from pathlib import Path

from labkit.course.catalog import lessons
from labkit.course.field import AREAS, GOALS, TO_COME, Entry, entry_of, field_map, goals
from labkit.course.field_cards import goals_card, map_card

NUMBERS = [number for area in AREAS for number in area.numbers]


def test_every_lesson_has_one_place_and_is_there_or_to_come() -> None:
    there = {lesson.number: lesson.title for lesson in lessons()}
    assert len(NUMBERS) == len(set(NUMBERS))
    assert sorted(NUMBERS) == sorted([*there, *TO_COME])
    shown = [entry for _, entries in field_map(map(entry_of, lessons())) for entry in entries]
    assert {entry.number: entry.title for entry in shown} == there | TO_COME
    assert {entry.number for entry in shown if entry.state == "to come"} == set(TO_COME)


def test_every_lesson_but_the_first_serves_a_goal() -> None:
    numbers = [lesson.number for lesson in lessons()]
    assert [entry.number for _, entry in goals(map(entry_of, lessons()))] == numbers[1:]
    assert set(GOALS) <= set(NUMBERS)


def test_a_lesson_takes_the_place_of_the_one_to_come_and_an_unknown_one_comes_last() -> None:
    entries = [Entry("42", "Beyond"), Entry("01", "Prompts"), Entry("01", "Prompts, a draft")]
    areas = field_map(entries)
    assert [entry.title for entry in areas[0][1] if entry.number == "01"] == [
        "Prompts",
        "Prompts, a draft",
    ]
    assert areas[-1][1][-1] == entries[0]


def test_the_cards_link_to_every_notebook_beside_them() -> None:
    known = lessons()
    shown = map_card(known)
    links = re.findall(r'href="([^"]+)"', shown.html)
    assert sorted(links) == [lesson.notebook.name for lesson in known]
    for lesson in known:
        assert f"{lesson.number} {lesson.title}" in shown.text
    for number, title in TO_COME.items():
        assert f"{number} {title} (to come)" in shown.text
    wanted = goals_card(known)
    assert re.findall(r'href="([^"]+)"', wanted.html) == [le.notebook.name for le in known[1:]]
    assert all(goal in wanted.text for goal in GOALS.values())


def test_what_an_author_wrote_is_escaped(course: Path) -> None:
    html = map_card(lessons()).html
    assert "Halves &amp; &lt;b&gt;doubles&lt;/b&gt;" in html and "<b>doubles" not in html
