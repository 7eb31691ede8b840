"""A batch of submissions from their files to rows and feedback: `labkit grade`.

What has been graded is kept in a journal (grading_journal.py) under a key made of the notebook's
bytes and of everything else that a mark rests on, so an interrupted run is taken up where it
stopped, and equal notebooks are graded once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from labkit.course.grading_journal import Journal
from labkit.course.grading_pool import Job
from labkit.course.grading_rows import Row, in_order
from labkit.course.grading_worker import Reply, Settings, known_lessons
from labkit.grading import fingerprints
from labkit.grading.intake import Contents, Found, Unreadable, lesson_in_name

ERROR = "error"


@dataclass(frozen=True)
class Graded:
    """One submission and what came of it: `reply` has marks, or a problem in words.

    `lesson` is the one that is asked for, or that the file's name tells; "" where neither is.
    """

    found: Found
    lesson: str
    submission: str
    reply: Reply

    @property
    def problem(self) -> str:
        """Why there are no marks; "" where there are some."""
        if fault := self.reply.get("fault"):
            return f"It could not be graded: {fault}. Please report it; the next run tries again."
        return str(self.reply.get("problem", ""))


@dataclass
class Report:
    """A whole batch."""

    graded: list[Graded] = field(default_factory=list)
    isolation: str = ""
    package: str = ""

    @property
    def all_read(self) -> bool:
        """Whether every submission got its marks."""
        return not any(one.problem for one in self.graded)

    def rows(self) -> list[Row]:
        """One row per learner and challenge, in order."""
        return in_order(row for one in told_apart(self.graded) for row in self.rows_of(one))

    def rows_of(self, one: Graded) -> Iterator[Row]:
        """The rows of one submission."""
        if one.problem:
            message = f"{one.found.where}: {one.problem}"
            yield self.row(one, one.lesson, "", ERROR, 0, message, 0.0, "")
            return
        for mark in one.reply["marks"]:
            said = (mark["outcome"], mark["points"], mark["message"], mark["seconds"])
            lesson, checks = one.reply["lesson"], one.reply["checks"]
            yield self.row(one, lesson, mark["challenge"], *said, checks)

    def row(
        self,
        one: Graded,
        lesson: str,
        challenge: str,
        outcome: str,
        points: float,
        message: str,
        seconds: float,
        checks: str,
    ) -> Row:
        """A row with what is the same for the whole batch."""
        about = (self.isolation, one.submission, checks, self.package)
        learner = one.found.learner
        return Row(learner, lesson, challenge, outcome, points, message, seconds, *about)


def told_apart(graded: Sequence[Graded]) -> Iterator[Graded]:
    """Submissions with learners that differ within a lesson.

    Who handed in the same bytes twice counts once. Who handed in two different notebooks of one
    lesson has both, each with the file beside the name: the instructor decides, not the grader.
    """
    groups: dict[tuple[str, str, bool], list[Graded]] = defaultdict(list)
    for one in sorted(graded, key=lambda one: (one.found.learner, one.found.where)):
        lesson = str(one.reply.get("lesson", ""))
        groups[one.found.learner, lesson, bool(one.problem)].append(one)
    for group in groups.values():
        once = list({one.submission or one.found.where: one for one in reversed(group)}.values())
        yield from once if len(once) == 1 else map(with_file, once)


def with_file(one: Graded) -> Graded:
    """The submission with its place beside the learner's name."""
    learner = f"{one.found.learner} [{one.found.where}]"
    return replace(one, found=replace(one.found, learner=learner))


class EngineError(Exception):
    """What was to grade can't; the message says why and what to do."""


class Engine(Protocol):
    """What grades: the workers of this machine, or those of a cluster."""

    @property
    def hello(self) -> Reply:
        """The isolation level and the fingerprint of labkit, the same wherever it grades."""

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Reply]]:
        """Every job with its reply, as they come."""


class Batch:
    """Grades what was found; keeps each reply in the journal before it goes on."""

    def __init__(self, found: Sequence[Found], journal: Journal, settings: Settings) -> None:
        self.found = found
        self.journal = journal
        self.settings = settings
        self.asked: dict[str, list[Graded]] = defaultdict(list)
        self.replies: dict[str, Reply] = dict(journal.entries)
        self.unread: list[Graded] = []

    def grade(self, engine: Engine, tell: Callable[[int], None] = lambda count: None) -> Report:
        """Have everything graded; `tell` hears how many more are done, as they are."""
        hello = engine.hello
        with Contents() as contents:
            for job, reply in engine.run(self.jobs(contents, hello, tell)):
                if "fault" not in reply:
                    self.journal.add(job.key, reply)
                self.replies[job.key] = reply
                tell(1)
        graded = [
            replace(one, reply=self.replies[key]) for key, who in self.asked.items() for one in who
        ]
        return Report([*self.unread, *graded], hello["isolation"], hello["package"])

    def jobs(self, contents: Contents, hello: Reply, tell: Callable[[int], None]) -> Iterator[Job]:
        """What is left to do. What can't be read, or is done or asked already, is put down."""
        for one in self.found:
            lesson = self.settings.lesson or lesson_in_name(one.file, known_lessons()) or ""
            try:
                data = contents.of(one)
            except Unreadable as error:
                self.unread.append(Graded(one, lesson, "", {"problem": str(error)}))
                tell(1)
                continue
            submission = fingerprints.of_bytes(data)
            key = self.key_of(submission, lesson, hello)
            known = key in self.asked or key in self.replies
            self.asked[key].append(Graded(one, lesson, submission, {}))
            if known:
                tell(1)
            else:
                yield Job(key, one.file, data)

    def key_of(self, submission: str, lesson: str, hello: Reply) -> str:
        """Names everything that the reply to one submission rests on."""
        asked = self.settings.lesson or ""
        return fingerprints.of_text(submission, lesson, asked, hello["package"], hello["isolation"])
