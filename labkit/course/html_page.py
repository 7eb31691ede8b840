"""The whole course's progress as one HTML page that needs nothing else: to keep or to hand in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from labkit.course.rendering import render
from labkit.course.standing import Standing

COLUMNS = ("Lesson", "Questions answered", "Challenges passed", "Hints used", "Last opened")


def page(standings: Sequence[Standing]) -> str:
    """The page as a string."""
    rows = [(standing, cells(standing)) for standing in standings]
    return render("progress.html", columns=COLUMNS, rows=rows)


def cells(standing: Standing) -> tuple[str, str, str, str, str]:
    """What each column says of a lesson, here and in the terminal."""
    lesson = standing.lesson
    right = f" ({standing.right} right)" if standing.answered else ""
    return (
        f"{lesson.number} {lesson.title}",
        f"{standing.answered} of {len(standing.questions)}{right}",
        f"{standing.passed} of {len(standing.challenges)}",
        str(standing.hints),
        local_time(standing.last_opened),
    )


def local_time(utc: str | None) -> str:
    """A time of the log on the learner's own clock, to the minute."""
    if utc is None:
        return "never"
    return datetime.fromisoformat(utc).astimezone().strftime("%Y-%m-%d %H:%M")
