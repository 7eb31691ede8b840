"""The process that grades: trusted, it holds the checks; learners' code runs in its zygote's jail.

Takes one submission after another from a pipe, as a line of JSON and the notebook's bytes, and
answers each with a line of JSON. One is started afresh where none can be forked from a warm
process.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import cache
from importlib import import_module
from typing import BinaryIO

from labkit import forking
from labkit.classroom.intake import Notebook, Unreadable, lesson_of, read_notebook
from labkit.classroom.replies import (
    Failed,
    Fault,
    Hello,
    Kept,
    Mark,
    Marked,
    Problem,
    Reply,
    Request,
    Started,
    line_of,
)
from labkit.classroom.settings import Settings, known_lessons
from labkit.grading import Challenge, fingerprints
from labkit.grading.checks.outcome import Outcome, Verdict
from labkit.grading.plain_text import plain_lines, without_places
from labkit.grading.source import cells
from labkit.grading.transports.launching import ZygoteError
from labkit.grading.transports.remote import Limits, Work, Zygote
from labkit.grading.tries import Tries
from labkit.paths import PACKAGE, lessons_dir

WARM = (
    *("torch", "torch._dynamo"),
    *("numpy", "transformers", "transformers.generation.logits_process"),
)


class Grader:
    """Grades notebooks, one at a time."""

    def __init__(self, settings: Settings, zygote: Zygote) -> None:
        self.settings = settings
        self.zygote = zygote
        self.lessons = known_lessons()

    def grade(self, data: bytes, file: str, seed: int) -> Kept:
        """The marks of one notebook, or the problem for which it has none."""
        try:
            notebook = read_notebook(data)
            lesson = self.settings.lesson or lesson_of(notebook, file, self.lessons)
            if lesson is None:
                raise Unreadable(
                    "Nothing in it says which lesson it is: name the lesson with --lesson."
                )
        except Unreadable as error:
            return Problem(str(error), seed)
        return self.mark(notebook, lesson, seed)

    def mark(self, notebook: Notebook, lesson: str, seed: int) -> Marked:
        """Every challenge of the lesson, each within limits of its own."""
        from labkit.challenges import challenges_of

        challenges = challenges_of(lesson)
        seconds = max(challenge.limit_seconds for challenge in challenges.values())
        work = Work(notebook.cells, notebook.prose, statements_of(lesson))
        tries = Tries(self.zygote, work, list(challenges), Limits(seconds=seconds))
        with closing(tries):
            marks = [mark_of(tries.verdict(each, seed), each) for each in challenges.values()]
        return Marked(lesson, checks_of(lesson), tuple(marks), tuple(tries.notes), seed)


@cache
def statements_of(lesson: str) -> frozenset[str]:
    """The fingerprints of the lesson's own statements, as learners get them."""
    path = lessons_dir() / f"{lesson}.ipynb"
    if not path.is_file():  # a lesson whose notebook is not built yet
        return frozenset()
    return cells.fingerprints(read_notebook(path.read_bytes()).cells)


def mark_of(verdict: Verdict, challenge: Challenge) -> Mark:
    """What is kept of a verdict. The case may be shown: under another seed others are asked."""
    return Mark(
        challenge=challenge.name,
        title=challenge.title,
        outcome=verdict.outcome,
        points=challenge.points if verdict.outcome is Outcome.PASS else 0,
        worth=challenge.points,
        message=shown(verdict.message),
        line=shown(verdict.line or ""),
        case=shown(verdict.case or ""),
        seconds=round(verdict.seconds, 3),
    )


def shown(text: str) -> str:
    """Words that a learner had a hand in, fit for any page; no folder of this machine in them."""
    return plain_lines(without_places(text))


def checks_of(lesson: str) -> str:
    """The fingerprint of a lesson's checks: every file of its package of challenges."""
    folder = PACKAGE / "challenges" / lesson.split("_", 1)[1]
    return fingerprints.of_files(folder.glob("*.py"), folder)


def hello_of(zygote: Zygote, settings: Settings) -> Hello:
    """What this process says first."""
    level = zygote.isolation.level
    if settings.trusted and "trusted" not in level:
        level = f"{level} (trusted)"
    return Hello(level, fingerprints.of_package())


# The process


def serve(reader: BinaryIO, writer: BinaryIO, grader: Grader) -> None:
    """Say hello, then answer one submission after another until the pipe ends, or a fault."""
    with suppress(BrokenPipeError):  # whoever asked is gone
        send(writer, hello_of(grader.zygote, grader.settings))
        while header := reader.readline():
            asked = Request(**json.loads(header))
            reply = grade_or_fault(grader, reader.read(asked.size), asked.file, asked.seed)
            send(writer, reply)
            if isinstance(reply, Fault):
                break


def grade_or_fault(grader: Grader, data: bytes, file: str, seed: int) -> Reply:
    """A reply, or the fault that prevents one; it ends this process, whose zygote may be lost.

    No new zygote is forked here: it would inherit the checks.
    """
    try:
        return grader.grade(data, file, seed)
    except Exception as error:
        return Fault(f"{type(error).__name__}: {error}")


def send(writer: BinaryIO, said: Hello | Failed | Started | Reply) -> None:
    """One line, at once."""
    writer.write(line_of(said))
    writer.flush()


def main(words: Sequence[str]) -> None:
    """A worker on its own standard input and output; what else is printed goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    settings = Settings(**json.loads(words[0]))
    warm_up()
    try:
        with Zygote(trusted=settings.trusted, imports=WARM) as zygote:
            serve(reader, writer, Grader(settings, zygote))
    except ZygoteError as error:
        send(writer, Failed(str(error)))


def warm_up() -> None:
    """Load what learners' code and the checks will use, on one thread: what has more can't be
    forked. No challenge is among it."""
    forking.warm_up(WARM)
    import_module("torch").set_num_threads(1)
