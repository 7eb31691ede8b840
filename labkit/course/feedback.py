"""A page for each learner: what was right, what was not and why, in which line of theirs.

One static file that needs nothing else: no script, no link, no outside file. It shows the message
and the learner's own line; never the case that failed, which holds what the check asks, nor the
reference answer. Whatever the learner has a hand in is shown as text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from labkit.course.cards import OUTCOMES
from labkit.course.catalog import find_lesson
from labkit.course.grading_rows import write_whole
from labkit.course.grading_run import Graded, Report, told_apart
from labkit.grading import fingerprints

STYLE = """\
:root { color-scheme: light dark }
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }
section { margin: 1rem 0; padding: .1rem 1rem; border-left: .3rem solid #7d8590 }
section.good { border-color: #1a7f37 } section.bad { border-color: #b3261e }
h3 { font-size: 1.05rem; margin: .6rem 0 .2rem } p, ul { margin: .4rem 0 }
pre { overflow-x: auto; padding: .5rem .7rem; border: 1px solid #7d8590 }
:is(code, pre) { font-family: ui-monospace, monospace; font-size: .92em }
"""
CODE = re.compile(r"`([^`\n]+)`")
RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # on Windows


def write_pages(report: Report, folder: Path) -> list[Path]:
    """A page for every learner of a batch, in this folder; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    work: dict[str, list[Graded]] = defaultdict(list)
    for one in told_apart(report.graded):
        work[one.found.learner].append(one)
    names = file_names(work)
    for learner, theirs in work.items():
        write_whole(folder / names[learner], page(learner, theirs))
    return [folder / names[learner] for learner in sorted(work)]


def file_names(learners: Iterable[str]) -> dict[str, str]:
    """A file name for each learner that every system takes, and that no two share."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for learner in sorted(learners):
        name = re.sub(r"[^\w.-]+", "_", learner).strip("._")[:60]
        if name != learner or name.casefold() in taken or RESERVED.fullmatch(name):
            name = f"{name}-{fingerprints.of_text(learner)[:8]}".lstrip("-")
        taken.add(name.casefold())
        names[learner] = f"{name}.html"
    return names


def page(learner: str, work: Sequence[Graded]) -> str:
    """The whole page of one learner."""
    title = escape(f"Feedback for {learner}")
    lessons = sorted(work, key=lambda one: (lesson_id(one), one.found.where))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}: AI Model Engineering</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>\n{''.join(map(lesson_part, lessons))}"
        "</main></body></html>\n"
    )


def lesson_id(one: Graded) -> str:
    """The lesson of a submission, "" where it is not known."""
    return str(one.reply.get("lesson", one.lesson))


def lesson_part(one: Graded) -> str:
    """A lesson: the sum, then each challenge in the lesson's order."""
    head = f"<h2>{escape(heading(lesson_id(one)))}</h2>\n"
    if one.problem:
        return f"{head}<p>{prose(one.problem)}</p>\n"
    marks = one.reply["marks"]
    parts = [f"<p>{sum_of(marks)}</p>\n", *map(challenge_part, marks)]
    return "".join([head, *parts, notes_part(one.reply["notes"]), signature(one)])


def heading(lesson: str) -> str:
    """Lesson 05: Temperature and sampling."""
    try:
        found = find_lesson(lesson)
    except LookupError:
        return f"Lesson {lesson}" if lesson else "A notebook of no lesson"
    return f"Lesson {found.number}: {found.title}"


def sum_of(marks: Sequence[dict[str, Any]]) -> str:
    """How many are right, and the points."""
    right = sum(mark["outcome"] == "pass" for mark in marks)
    points, worth = (sum(mark[key] for mark in marks) for key in ("points", "worth"))
    return f"{right} of {len(marks)} challenges are right: {points:g} of {worth:g} points."


def challenge_part(mark: dict[str, Any]) -> str:
    """One challenge: its outcome in words, the message, the learner's line."""
    tone, sign, words = OUTCOMES[mark["outcome"]]
    points = f"{mark['points']:g} of {mark['worth']:g} points"
    line = f'<pre tabindex="0">{escape(mark["line"])}</pre>' if mark["line"] else ""
    return (
        f'<section class="{tone}"><h3><span aria-hidden="true">{sign} </span>'
        f"{escape(mark['title'])} (<code>{escape(mark['challenge'])}</code>): "
        f"{escape(words)}, {points}</h3><p>{prose(mark['message'])}</p>{line}"
        "</section>\n"
    )


def notes_part(notes: Sequence[str]) -> str:
    """What was left out of the notebook when it was run, and what went wrong there."""
    if not notes:
        return ""
    items = "".join(f"<li>{prose(note)}</li>" for note in notes)
    return f"<h3>About your notebook</h3><ul>{items}</ul>\n"


def signature(one: Graded) -> str:
    """Which notebook this is about: the first digits of its fingerprint."""
    return f"<p>Notebook <code>{one.submission[:12]}</code>, {escape(one.found.file)}</p>\n"


def prose(words: str) -> str:
    """Text with `code` in it and no other Markdown, since a learner's own words may be in it."""
    return CODE.sub(r"<code>\1</code>", escape(words)).replace("\n", "<br>")
