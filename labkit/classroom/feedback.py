"""A page for each learner: what was right, what was not and why, in which line of theirs.

One static file that needs nothing else: no script, no link, no outside file. It shows what
`lab.check` shows, the message, the learner's own line and the call that failed (its inputs are
drawn anew for each run), but not the reference answer. Whatever the learner has a hand in is shown
as text. A page goes to a learner: it names nobody else, and no folder of the instructor's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import count
from pathlib import Path

from labkit.classroom.replies import Fault, Mark, Marked
from labkit.classroom.result_files import write_result
from labkit.classroom.run import Graded, Report, told_apart
from labkit.course.cards import OUTCOMES
from labkit.course.catalog import find_lesson
from labkit.grading import fingerprints
from labkit.grading.plain_text import plain_line, plain_lines, without_places

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
# What Windows takes for a device.
RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[\d¹²³])(?:\..*)?", re.IGNORECASE)
LONGEST_NAME = 100  # bytes of UTF-8; a date may come to it, and some disks take 143 only
FAULT = "It could not be graded, by a fault that is not yours. Your instructor has a note of it."


@dataclass
class Pages:
    """Where the pages are, where older ones of their names lie now, and which ones failed, why."""

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def write_pages(report: Report, folder: Path) -> Pages:
    """A page for every learner of a batch, in this folder; one that fails stops no other."""
    folder.mkdir(parents=True, exist_ok=True)
    work: dict[str, list[Graded]] = defaultdict(list)
    for one in told_apart(report.graded):
        work[one.found.learner].append(one)
    names, pages = file_names(work), Pages()
    for learner in sorted(work):
        path = folder / names[learner]
        try:
            kept = write_result(path, page(learner, work[learner]).encode())
        except OSError as error:
            pages.failed.append(f"{path}: {error.strerror or error}")
            continue
        pages.written.append(path)
        pages.kept += [kept] if kept else []
    return pages


def file_names(learners: Iterable[str]) -> dict[str, str]:
    """A file name for each learner that every system takes, and that no two share."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for learner in sorted(learners):
        name = next(name for name in possible_names(learner) if name.casefold() not in taken)
        taken.add(name.casefold())
        names[learner] = f"{name}.html"
    return names


def possible_names(learner: str) -> Iterator[str]:
    """The learner's name where it can be a file's; else what is left of it, and a fingerprint."""
    name = shortened(re.sub(r"[^\w.-]+", "_", learner).strip("._-"))
    if name == learner and not RESERVED.fullmatch(name):
        yield name
    for number in count():
        mark = fingerprints.of_text(learner, *[str(number)] * bool(number))[:8]
        yield f"{name}-{mark}".lstrip("-")


def shortened(name: str) -> str:
    """The beginning of a name that takes no more bytes than a file's name may."""
    return name.encode()[:LONGEST_NAME].decode(errors="ignore")


def page(learner: str, work: Sequence[Graded]) -> str:
    """The whole page of one learner."""
    name = escape(plain_line(learner))
    lessons = sorted(work, key=lambda one: (one.lesson, one.found.where))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Feedback for {name}: AI Model Engineering</title><style>{STYLE}</style></head>"
        f"<body><main><h1>Feedback for <bdi>{name}</bdi></h1>\n"
        f"{''.join(map(lesson_part, lessons))}"
        "</main></body></html>\n"
    )


def lesson_part(one: Graded) -> str:
    """A lesson: the sum, then each challenge in the lesson's order."""
    head = f"<h2>{escape(heading(one.lesson))}</h2>\n"
    if not isinstance(one.reply, Marked):
        said = FAULT if isinstance(one.reply, Fault) else one.problem
        return f"{head}<p>{prose(said)}</p>\n"
    parts = [f"<p>{sum_of(one.reply)}</p>\n", *map(challenge_part, one.reply.marks)]
    return "".join([head, *parts, notes_part(one.reply.notes), signature(one)])


def heading(lesson: str) -> str:
    """Lesson 05: Temperature and sampling."""
    try:
        found = find_lesson(lesson)
    except LookupError:
        return f"Lesson {plain_line(lesson)}" if lesson else "A notebook of no lesson"
    return f"Lesson {found.number}: {found.title}"


def sum_of(reply: Marked) -> str:
    """How many are right, and the points."""
    right = f"{reply.right} of {len(reply.marks)} challenges are right"
    return f"{right}: {reply.points} of {reply.worth} points."


def challenge_part(mark: Mark) -> str:
    """One challenge: its outcome in words, the message, the learner's line, the failing call."""
    tone, sign, words = OUTCOMES[mark.outcome]
    points = f"{mark.points} of {mark.worth} points"
    blocks = filter(None, (mark.line, mark.case))
    shown = "".join(f'<pre tabindex="0">{text(block)}</pre>' for block in blocks)
    return (
        f'<section class="{tone}"><h3><span aria-hidden="true">{sign} </span>'
        f"{text(mark.title)} (<code>{escape(mark.challenge)}</code>): "
        f"{escape(words)}, {points}</h3><p>{prose(mark.message)}</p>{shown}"
        "</section>\n"
    )


def notes_part(notes: Sequence[str]) -> str:
    """What was left out of the notebook when it was run, and what went wrong there."""
    if not notes:
        return ""
    items = "".join(f"<li>{prose(note)}</li>" for note in notes)
    return f"<h3>About your notebook</h3><ul>{items}</ul>\n"


def signature(one: Graded) -> str:
    """Which notebook this is about: the first digits of its fingerprint, and its own name."""
    file = escape(plain_line(one.found.file))
    return f"<p>Notebook <code>{one.submission[:12]}</code>, <bdi>{file}</bdi></p>\n"


def prose(words: str) -> str:
    """Text with `code` in it and no other Markdown, since a learner's own words may be in it."""
    return CODE.sub(r"<code>\1</code>", text(words)).replace("\n", "<br>")


def text(words: str) -> str:
    """Words of anybody's as HTML: nothing in them acts, and they tell no place of this machine."""
    return escape(plain_lines(without_places(words)))
