"""The map of the field and the way from a goal to its lesson, as cards that link to notebooks."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.course.cards import Card
from labkit.course.catalog import Lesson
from labkit.course.field import Entry, entry_of, field_map, goals
from labkit.course.rendering import render


def map_card(lessons: Sequence[Lesson]) -> Card:
    """Every lesson of the course, those to come too, by what its technique changes."""
    areas = field_map(map(entry_of, lessons))
    lines = ["The map of the field"]
    for area, entries in areas:
        lines += [f"{area.changes}: {area.effect}", *(f"  {named(entry)}" for entry in entries)]
    return Card(render("map_card.html", areas=areas), "\n".join(lines))


def named(entry: Entry) -> str:
    return f"{entry.number} {entry.title}" + ("" if entry.lesson else " (to come)")


def goals_card(lessons: Sequence[Lesson]) -> Card:
    """What you may want, and the lesson that gives it."""
    ways = goals(map(entry_of, lessons))
    lines = [f"{goal}: {named(entry)}" for goal, entry in ways]
    return Card(render("goals_card.html", ways=ways), "\n".join(["You want", *lines]))
