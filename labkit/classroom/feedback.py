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
from itertools import count
from pathlib import Path

from markupsafe import Markup, escape

from labkit.classroom.replies import Fault, Marked
from labkit.classroom.result_files import write_result
from labkit.classroom.run import Graded, Report, told_apart
from labkit.course.cards import OUTCOMES
from labkit.course.catalog import find_lesson
from labkit.course.rendering import render
from labkit.grading import fingerprints
from labkit.grading.plain_text import plain_line, plain_lines, without_places

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
    """The whole page of one learner: lesson by lesson, in the order of the challenges."""
    return render(
        "feedback.html",
        name=plain_line(learner),
        work=sorted(work, key=lambda one: (one.lesson, one.found.where)),
        outcomes=OUTCOMES,
        heading=heading,
        problem_of=problem_of,
        sum_of=sum_of,
        plain_line=plain_line,
        prose=prose,
        text=text,
    )


def problem_of(one: Graded) -> str:
    """Why a notebook has no marks; nothing where it has."""
    if isinstance(one.reply, Marked):
        return ""
    return FAULT if isinstance(one.reply, Fault) else one.problem


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


def prose(words: str) -> Markup:
    """Text with `code` in it and no other Markdown, since a learner's own words may be in it."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text(words)))).replace("\n", "<br>"))


def text(words: str) -> str:
    """Words of anybody's, to be escaped: they tell no place of this machine."""
    return plain_lines(without_places(words))
