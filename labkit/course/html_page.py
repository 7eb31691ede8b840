"""The whole course's progress as one HTML page that needs nothing else: to keep or to hand in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from labkit.course.standing import Standing

STYLE = """\
:root { color-scheme: light dark }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }
table { border-collapse: collapse; width: 100% }
:is(th, td) { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #7d8590 }
"""
COLUMNS = ("Lesson", "Questions answered", "Challenges passed", "Hints used", "Last opened")


def page(standings: Sequence[Standing]) -> str:
    """The page as a string."""
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    rows = "".join(row(standing) for standing in standings)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Progress: AI Model Engineering</title><style>{STYLE}</style></head>"
        "<body><main><h1>Progress</h1>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></main></body></html>\n"
    )


def row(standing: Standing) -> str:
    lesson, *others = cells(standing)
    data = "".join(f"<td>{escape(cell)}</td>" for cell in others)
    return f'<tr><th scope="row">{escape(lesson)}</th>{data}</tr>'


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
