"""A batch of submissions from their files to rows and feedback: `labkit grade`.

What has been graded is kept in a journal (journal.py) under a key made of the notebook's
bytes and of everything else that a mark rests on, so an interrupted run is taken up where it
stopped, and equal notebooks are graded once.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from labkit.classroom.intake import Contents, Found, Unreadable, lesson_in_name
from labkit.classroom.journal import Journal
from labkit.classroom.pool import Job
from labkit.classroom.replies import Fault, Hello, Mark, Marked, Problem, Reply
from labkit.classroom.rows import Row, in_order
from labkit.classroom.settings import Settings, known_lessons
from labkit.grading import fingerprints
from labkit.grading.checks.outcome import Outcome
from labkit.grading.plain_text import without_places

NEXT_STEP = "Please report it; the next run tries again."
SEEDS = 10**12  # far too many to record the checks under each; a spreadsheet keeps all digits


@dataclass(frozen=True)
class Graded:
    """One submission and what came of it.

    `asked` is the lesson that is asked for, or that the file's name tells; "" where neither is.
    """

    found: Found
    asked: str
    submission: str
    reply: Reply

    @property
    def lesson(self) -> str:
        """The lesson as which it was graded, or was to be; "" where that is not known."""
        return self.reply.lesson if isinstance(self.reply, Marked) else self.asked

    @property
    def problem(self) -> str:
        """Why there are no marks; "" where there are some."""
        match self.reply:
            case Fault(said):
                return f"It could not be graded: {said}. {NEXT_STEP}"
            case Problem(said):
                return said
        return ""

    @property
    def reason(self) -> str:
        """The kind of problem, to be counted; "" where there is none."""
        if self.found.missing:
            return "without a notebook"
        if isinstance(self.reply, Fault):
            return "stopped by a fault of the grader's"
        return "unreadable" if self.problem else ""

    @property
    def identity(self) -> tuple[str, ...]:
        """The same for two only where one person handed in the same bytes twice."""
        if self.found.home and self.submission:
            return self.found.home, self.submission
        return self.found.where, self.submission

    @property
    def place(self) -> str:
        """Where it lay below what was given: rows and pages go to others, so not the whole path."""
        return self.found.below or self.found.file


@dataclass
class Report:
    """A whole batch."""

    graded: list[Graded] = field(default_factory=list)
    isolation: str = ""
    package: str = ""
    seed: int = 0

    @property
    def all_read(self) -> bool:
        """Whether every submission got its marks."""
        return not any(one.problem for one in self.graded)

    def rows(self) -> list[Row]:
        """One row per learner and challenge, in order."""
        return in_order(row for one in told_apart(self.graded) for row in self.rows_of(one))

    def rows_of(self, one: Graded) -> Iterator[Row]:
        """The rows of one submission, with what is the same for the whole batch."""
        for mark in marks_of(one):
            yield Row(
                learner=one.found.learner,
                lesson=one.lesson,
                challenge=mark.challenge,
                outcome=mark.outcome,
                points=mark.points,
                message=without_places(mark.message),
                seconds=mark.seconds,
                isolation=self.isolation,
                submission=one.submission,
                checks=one.reply.checks if isinstance(one.reply, Marked) else "",
                package=self.package,
                seed=self.seed,
                case=mark.case,
            )


def marks_of(one: Graded) -> Sequence[Mark]:
    """The marks of a submission; a problem is one of no challenge, for the instructor."""
    if isinstance(one.reply, Marked):
        return one.reply.marks
    message = f"{one.place}: {one.problem}"
    return [Mark("", "", Outcome.ERROR, 0, 0, message, line="", case="", seconds=0.0)]


def told_apart(graded: Sequence[Graded]) -> Iterator[Graded]:
    """Submissions with learners that differ within a lesson.

    Who handed in the same bytes twice counts once, if it is one person for certain. Who handed in
    two different notebooks of one lesson has both, each with the file beside the name: the
    instructor decides, not the grader.
    """
    groups: dict[tuple[str, str, bool], list[Graded]] = defaultdict(list)
    for one in sorted(graded, key=lambda one: (one.found.learner, one.found.where)):
        lesson = "" if one.problem else one.lesson
        groups[one.found.learner, lesson, bool(one.problem)].append(one)
    for group in groups.values():
        once = list({one.identity: one for one in reversed(group)}.values())
        yield from once if len(once) == 1 else with_places(once)


def with_places(group: Sequence[Graded]) -> Iterator[Graded]:
    """Submissions with their places beside the learner's name, and bytes' fingerprints where even
    those are the same, as below two folders that were given; numbers where the bytes are, too."""
    places = Counter(one.place for one in group)
    times: Counter[str] = Counter()
    for one in group:
        mark = f", {one.submission[:8]}" if places[one.place] > 1 and one.submission else ""
        times[one.place + mark] += 1
        number = f", {times[one.place + mark]}" if times[one.place + mark] > 1 else ""
        learner = f"{one.found.learner} [{one.place}{mark}{number}]"
        yield replace(one, found=replace(one.found, learner=learner))


class EngineError(Exception):
    """What was to grade can't; the message says why and what to do."""


class Engine(Protocol):
    """What grades: the workers of this machine, or those of a cluster."""

    @property
    def hello(self) -> Hello:
        """The isolation level and the fingerprint of labkit, the same wherever it grades."""

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Reply]]:
        """Every job with its reply, as they come."""


class Batch:
    """Grades what was found; keeps each reply in the journal before it goes on.

    What the checks ask is drawn from one seed, a new one for each run that nobody knows before:
    what is recorded from the checks in a lesson earns nothing. It is written with the marks, and
    given again it repeats them. A run that was stopped goes on with its own.
    """

    def __init__(
        self,
        found: Sequence[Found],
        journal: Journal,
        settings: Settings,
        seed: int | None = None,
    ) -> None:
        self.found = found
        self.journal = journal
        self.settings = settings
        self.seed = seed_of_run(journal) if seed is None else seed
        self.asked: dict[str, list[tuple[Found, str, str]]] = defaultdict(list)
        self.replies: dict[str, Reply] = dict(journal.replies)
        self.unread: list[Graded] = []

    def grade(self, engine: Engine, tell: Callable[[int], None] = lambda count: None) -> Report:
        """Have everything graded; `tell` hears how many more are done, as they are."""
        hello = engine.hello
        with Contents() as contents:
            for job, reply in engine.run(self.jobs(contents, hello, tell)):
                if not isinstance(reply, Fault):
                    self.journal.add(job.key, reply)
                self.replies[job.key] = reply
                tell(1)
        graded = [
            Graded(*work, self.replies[key]) for key, same in self.asked.items() for work in same
        ]
        return Report([*self.unread, *graded], hello.isolation, hello.package, self.seed)

    def jobs(self, contents: Contents, hello: Hello, tell: Callable[[int], None]) -> Iterator[Job]:
        """What is left to do. What can't be read, or is done or asked already, is put down."""
        for one in self.found:
            lesson = self.settings.lesson or lesson_in_name(one.file, known_lessons()) or ""
            try:
                data = contents.of(one)
            except Unreadable as error:
                self.unread.append(Graded(one, lesson, "", Problem(str(error), self.seed)))
                tell(1)
                continue
            submission = fingerprints.of_bytes(data)
            key = self.key_of(submission, lesson, hello)
            known = key in self.asked or key in self.replies
            self.asked[key].append((one, lesson, submission))
            if known:
                tell(1)
            else:
                yield Job(key, one.file, data, self.seed)

    def key_of(self, submission: str, lesson: str, hello: Hello) -> str:
        """Names everything that the reply to one submission rests on."""
        asked = (self.settings.lesson or "", str(self.seed))
        where = (hello.package, hello.isolation)
        return fingerprints.of_text(submission, lesson, *asked, *where)


def seed_of_run(journal: Journal) -> int:
    """The seed of the run that was stopped; a secret one where a run begins."""
    kept = (reply.seed for reply in journal.replies.values())
    return next(kept, None) or 1 + secrets.randbelow(SEEDS)
