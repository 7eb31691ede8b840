"""Grade what others hand in: notebooks, folders, zips and globs, each in a jail of its own.

labkit grade submissions/                          a table on the screen
labkit grade submissions/ --out marks.csv          a row per learner and challenge (.csv or .json)
labkit grade class.zip --feedback pages/           a page for each learner
labkit grade 'hand-ins/*/05_*.ipynb' --jobs 4      four at a time

A learner is called as their folder (alice/05_temperature.ipynb), else as their file says
(alice_05_temperature.ipynb, or what Moodle, Canvas and Blackboard make of it). With --out, a run
that was stopped goes on where it was. Exit code: 0 when all were graded, whatever their marks,
1 when one could not be read, 2 when nothing could be done.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.course.grading_journal import Journal
    from labkit.course.grading_run import Engine, Graded, Report
    from labkit.course.grading_worker import Settings
    from labkit.grading.intake import Found

KINDS = (".csv", ".json")
# One thread, or the process can't be forked; and a learner's sets in the same order every time.
SETTINGS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


class Usage(Exception):
    """What was asked for can't be done; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to grade, where to write, how many at a time."""
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="notebooks, folders, zips, globs")
    add("--out", type=Path, metavar="FILE", help="write the rows to FILE (.csv or .json)")
    add("--feedback", type=Path, metavar="DIR", help="write a page for each learner into DIR")
    add("--jobs", type=int, metavar="N", help="this many at a time (one for each processor)")
    add("--lesson", metavar="ID", help="grade all as this lesson, whatever they say they are")
    add("--trusted", action="store_true", help="I know these people: grade without a full jail")
    add("--engine", choices=("pool", "dask"), default="pool", help="this machine, or a cluster")
    add("--scheduler", metavar="ADDRESS", help="of the cluster, such as tcp://10.0.0.1:8786")


def main(args: argparse.Namespace) -> int:
    """Grade, write, and say what could not be read."""
    from labkit.course.grading_journal import InUse
    from labkit.course.grading_run import EngineError
    from labkit.grading.intake import NothingFound
    from labkit.grading.remote import ZygoteError

    if args.engine == "dask":
        need_cluster()
    try:
        check(args)
        report = grade(args)
    except (Usage, NothingFound, InUse, EngineError, ZygoteError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(closing(report), file=sys.stderr)
    return 0 if report.all_read else 1


def check(args: argparse.Namespace) -> None:
    """Usage for what can't be meant, before anything starts."""
    if args.jobs is not None and args.jobs < 1:
        raise Usage(f"--jobs must be 1 or more, got {args.jobs}")
    if args.out and args.out.suffix.casefold() not in KINDS:
        raise Usage(f"--out must end in .csv or .json, got {args.out.name!r}")
    if args.out and not args.out.absolute().parent.is_dir():
        raise Usage(f"--out: there is no folder {args.out.parent}")
    if (args.engine == "dask") != bool(args.scheduler):
        raise Usage("--engine dask and --scheduler tcp://… go together: give both or neither")
    args.lesson = lesson_named(args.lesson) if args.lesson else None


def need_cluster() -> None:
    """Go on in an environment that has dask.distributed."""
    from importlib.util import find_spec

    from labkit.cli import environment

    if find_spec("distributed") is None:
        environment.enter(sys.argv[1:], extra="cluster")


def lesson_named(asked: str) -> str:
    """The id of a lesson with challenges, by id, number or topic."""
    from labkit.course.grading_worker import known_lessons
    from labkit.paths import nearest

    for id in known_lessons():
        if asked in (id, *id.split("_", 1)):
            return id
    raise Usage(f"No lesson {asked!r} has challenges: {nearest(asked, known_lessons())}")


def grade(args: argparse.Namespace) -> Report:
    """Grade and write. The workers start first: they must not know who has handed in."""
    from labkit.course.grading_journal import Journal
    from labkit.course.grading_run import Batch
    from labkit.course.grading_worker import Settings, known_lessons
    from labkit.grading.intake import gather

    settings = Settings(args.lesson, args.trusted)
    with engine(args, settings) as workers:
        found = gather(args.paths, known_lessons())
        with Journal(journal_path(args.out)) as journal:
            with bar(found) as tell, said_if_stopped(journal):
                report = Batch(found, journal, settings).grade(workers, tell)
            write(report, args)
            journal.remove()
    return report


@contextmanager
def said_if_stopped(journal: Journal) -> Iterator[None]:
    """Tell whoever presses Ctrl-C what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        if journal.path:
            kept = f"\n{journal.path} keeps what is graded: the same command goes on from there."
            print(kept, file=sys.stderr)
        raise


@contextmanager
def engine(args: argparse.Namespace, settings: Settings) -> Iterator[Engine]:
    """What grades: processes of this machine, or a cluster."""
    if args.engine == "dask":
        from labkit.course.grading_cluster import cluster

        with cluster(settings, args.scheduler) as workers:
            yield workers
    else:
        from labkit.course.grading_pool import pool

        with pool(settings, args.jobs or processors()) as workers:
            yield workers


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def journal_path(out: Path | None) -> Path | None:
    """Beside the result file: marks.csv.journal."""
    return out.with_name(f"{out.name}.journal") if out else None


@contextmanager
def bar(found: list[Found]) -> Iterator[Callable[[int], None]]:
    """How far it is, on stderr: often in a terminal, now and then in a log."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    tqdm.monitor_interval = 0  # no thread for a bar
    often = 0.1 if sys.stderr.isatty() else 10.0
    with tqdm(total=len(found), unit="submission", file=sys.stderr, mininterval=often) as shown:

        def tell(count: int) -> None:
            shown.update(count)

        yield tell


def write(report: Report, args: argparse.Namespace) -> None:
    """The pages, and the result file or a table."""
    from labkit.course.feedback import write_pages
    from labkit.course.grading_rows import write as write_rows

    if args.feedback:
        write_pages(report, args.feedback)
    if args.out:
        write_rows(report.rows(), args.out)
    else:
        print(table(report))


def table(report: Report) -> str:
    """One line per learner and lesson: challenges passed and points, or the problem."""
    from labkit.course.grading_run import told_apart

    lines = [(one.found.learner, *result(one)) for one in told_apart(report.graded)]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in sorted(lines))


def result(one: Graded) -> tuple[str, str]:
    """The lesson, and what came of it in a few words."""
    if one.problem:
        return one.lesson, f"error: {one.problem}"
    marks = one.reply["marks"]
    right = sum(mark["outcome"] == "pass" for mark in marks)
    points, worth = (sum(mark[key] for mark in marks) for key in ("points", "worth"))
    return one.reply["lesson"], f"{right} of {len(marks)} right, {points:g} of {worth:g} points"


def closing(report: Report) -> str:
    """The last lines: how many were graded, how isolated, and what the instructor must look at."""
    bad = [one for one in report.graded if one.problem]
    lines = [f"  {one.found.learner}: {one.found.where}: {one.problem}" for one in bad]
    done = f"{len(report.graded) - len(bad)} of {len(report.graded)} submissions graded"
    head = f"{done}; isolation: {report.isolation}."
    return "\n".join([head, *(["Not graded:", *lines] if lines else [])])
