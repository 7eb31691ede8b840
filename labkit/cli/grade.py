"""Grade what others hand in: notebooks, folders, zips and globs, each in a jail of its own.

labkit grade submissions/                          a table on the screen
labkit grade submissions/ --out marks.csv          a row per learner and challenge (.csv or .json)
labkit grade class.zip --feedback pages/           a page for each learner
labkit grade 'hand-ins/*/05_*.ipynb' --jobs 4      four at a time

A learner is called as their folder (alice/05_temperature.ipynb), else as their file says
(alice_05_temperature.ipynb, or what Moodle, Canvas and Blackboard make of it). With --out, a run
that was stopped goes on where it was. What the checks ask is drawn anew for each run, from a seed
that is written into the rows; given with --seed it repeats them. Marks or pages of an earlier run
keep their place: they are given their date as part of their name. Exit code: 0 when all were
graded, whatever their marks, 1 when one could not be read or a page not be written, 2 when nothing
could be done.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.classroom.feedback import Pages
    from labkit.classroom.intake import Found
    from labkit.classroom.journal import Journal
    from labkit.classroom.run import Engine, Graded, Report
    from labkit.classroom.settings import Settings

JOURNAL = ".journal"
MOST_LINES = 5  # about pages that could not be written


class Usage(Exception):
    """What was asked for can't be done; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to grade, where to write, how many at a time."""
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="notebooks, folders, zips, globs")
    add("--out", type=Path, metavar="FILE", help="write the rows to FILE (.csv or .json)")
    add("--excel", action="store_true", help="mark the .csv as UTF-8, which Excel needs to be told")
    add("--feedback", type=Path, metavar="DIR", help="write a page for each learner into DIR")
    add("--jobs", type=int, metavar="N", help="this many at a time (one for each processor)")
    add("--lesson", metavar="ID", help="grade all as this lesson, whatever they say they are")
    add("--trusted", action="store_true", help="I know these people: grade without a full jail")
    add("--seed", type=int, metavar="N", help="repeat a run: the seed that stands in its rows")
    add("--engine", choices=("pool", "dask"), default="pool", help="this machine, or a cluster")
    add("--scheduler", metavar="ADDRESS", help="of the cluster, such as tcp://10.0.0.1:8786")


def main(args: argparse.Namespace) -> int:
    """Grade, write, and say what could not be read."""
    from labkit.classroom.intake import NothingFound
    from labkit.classroom.journal import InUse
    from labkit.classroom.run import EngineError
    from labkit.grading.transports.launching import ZygoteError

    if args.engine == "dask":
        need_cluster()
    try:
        check(args)
        report, pages = grade(args)
    except (Usage, NothingFound, InUse, EngineError, ZygoteError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if not args.out:
        print(table(report))
    print("\n".join([closing(report), *about_files(pages)]), file=sys.stderr)
    return 0 if report.all_read and not pages.failed else 1


def check(args: argparse.Namespace) -> None:
    """Usage for what can't be meant or written, before anything starts."""
    from labkit.classroom.result_files import NotWritable, check_file, check_folder

    if args.jobs is not None and args.jobs < 1:
        raise Usage(f"--jobs must be 1 or more, got {args.jobs}")
    if args.seed is not None and not 0 <= args.seed < 2**63:
        raise Usage(f"--seed must be a number from 0 to 2^63 - 1, got {args.seed}")
    check_kind(args)
    for option, path, writable in (
        ("--out", args.out, check_file),
        ("--feedback", args.feedback, check_folder),
    ):
        try:
            if path:
                writable(path)
        except NotWritable as error:
            raise Usage(f"{option}: {error}") from None
    if (args.engine == "dask") != bool(args.scheduler):
        raise Usage("--engine dask and --scheduler tcp://… go together: give both or neither")
    args.lesson = lesson_named(args.lesson) if args.lesson else None


def check_kind(args: argparse.Namespace) -> None:
    """Usage where the result file is neither CSV nor JSON, or what is to be for Excel is no CSV."""
    from labkit.classroom.rows import CSV, KINDS

    kind = args.out.suffix.casefold() if args.out else ""
    if args.out and kind not in KINDS:
        raise Usage(f"--out must end in .csv or .json, got {args.out.name!r}")
    if args.excel and kind != CSV:
        raise Usage("--excel is about a .csv file: name it with --out, such as --out marks.csv")


def need_cluster() -> None:
    """Go on in an environment that has dask.distributed."""
    from importlib.util import find_spec

    from labkit.cli import environment

    if find_spec("distributed") is None:
        environment.enter(sys.argv[1:], extra="cluster")


def lesson_named(asked: str) -> str:
    """The id of a lesson with challenges, by id, number or topic; Usage where there is none."""
    from labkit.grading.source.solutions import lesson_of

    try:
        return lesson_of(asked)
    except LookupError as error:
        raise Usage(error.args[0]) from None


def grade(args: argparse.Namespace) -> tuple[Report, Pages]:
    """Grade and write. The workers start first: they must not know who has handed in."""
    from labkit.classroom.journal import Journal
    from labkit.classroom.run import Batch
    from labkit.classroom.settings import Settings

    settings = Settings(args.lesson, args.trusted)
    with ExitStack() as running:
        workers = running.enter_context(engine(args, settings))
        found = handed_in(args)
        with Journal(journal_path(args.out)) as journal, said_if_stopped(journal):
            with bar(found) as tell:
                report = Batch(found, journal, settings, args.seed).grade(workers, tell)
            running.close()  # the workers are gone with their memory, which pages take some of
            pages = write(report, args)
            if not pages.failed:
                journal.remove()
    return report, pages


def handed_in(args: argparse.Namespace) -> list[Found]:
    """What there is to grade, less what this command has written among it."""
    from labkit.classroom.intake import NothingFound, gather
    from labkit.classroom.settings import known_lessons

    everything = gather(args.paths, known_lessons())
    for one in everything:
        if is_result(one.path, args) and not one.problem:
            raise Usage(f"--feedback: {one.where} was handed in there; give a folder of its own")
    found = [one for one in everything if not is_result(one.path, args)]
    if not found:
        raise NothingFound(f"There are only results of earlier runs in {', '.join(args.paths)}.")
    return found


def is_result(path: Path, args: argparse.Namespace) -> bool:
    """Whether a file is a page, or the marks, journal or lock of this or an earlier run."""
    from labkit.classroom.journal import LOCK

    path = path.absolute()
    if args.feedback and path.is_relative_to(args.feedback.absolute()):
        return True
    if not args.out or path.parent != args.out.absolute().parent:
        return False
    named = path.name.startswith(f"{args.out.stem}.")
    return named and path.suffix in (args.out.suffix, JOURNAL, LOCK)


@contextmanager
def said_if_stopped(journal: Journal) -> Iterator[None]:
    """Tell whoever presses Ctrl-C, or has a full disk, what is kept."""
    try:
        yield
    except BaseException:
        if journal.path and journal.replies:
            kept = f"\n{journal.path} keeps what is graded: the same command goes on from there."
            print(kept, file=sys.stderr)
        raise


@contextmanager
def engine(args: argparse.Namespace, settings: Settings) -> Iterator[Engine]:
    """What grades: processes of this machine, or a cluster."""
    if args.engine == "dask":
        from labkit.classroom.cluster import cluster

        with cluster(settings, args.scheduler) as workers:
            yield workers
    else:
        from labkit.classroom.pool import pool

        with pool(settings, args.jobs or processors()) as workers:
            yield workers


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def journal_path(out: Path | None) -> Path | None:
    """Beside the result file: marks.csv.journal."""
    return out.with_name(f"{out.name}{JOURNAL}") if out else None


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


def write(report: Report, args: argparse.Namespace) -> Pages:
    """The result file first, for which all was done, then the pages: one that fails costs no marks.

    Usage where the result file can't be written.
    """
    from labkit.classroom.feedback import Pages, write_pages
    from labkit.classroom.rows import write as write_rows

    kept = None
    if args.out:
        try:
            kept = write_rows(report.rows(), args.out, excel=args.excel)
        except OSError as error:
            raise Usage(f"{args.out} can't be written: {error.strerror or error}.") from None
    pages = write_pages(report, args.feedback) if args.feedback else Pages()
    pages.kept[:0] = [kept] if kept else []
    return pages


def about_files(pages: Pages) -> list[str]:
    """What the instructor must know of the files: older ones that were kept, pages that failed."""
    lines = []
    if pages.kept:
        more = f" and {len(pages.kept) - 1} more" if len(pages.kept) > 1 else ""
        lines.append(f"Kept from before, under its date: {pages.kept[0]}{more}.")
    if pages.failed:
        number = len(pages.failed)
        lines.append(
            f"{number} page{'s' * (number > 1)} could not be written (the marks are all there):"
        )
        lines += [f"  {said}" for said in pages.failed[:MOST_LINES]]
        lines += ["  …"] if len(pages.failed) > MOST_LINES else []
    return lines


def table(report: Report) -> str:
    """One line per learner and lesson: challenges passed and points, or the problem."""
    from labkit.classroom.run import told_apart
    from labkit.grading.plain_text import plain_line

    graded = told_apart(report.graded)
    lines = [tuple(map(plain_line, (one.found.learner, *result(one)))) for one in graded]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in sorted(lines))


def result(one: Graded) -> tuple[str, str]:
    """The lesson, and what came of it in a few words."""
    from labkit.classroom.replies import Marked

    reply = one.reply
    if not isinstance(reply, Marked):
        return one.lesson, f"error: {one.problem}"
    right = f"{reply.right} of {len(reply.marks)} right"
    return one.lesson, f"{right}, {reply.points} of {reply.worth} points"


def closing(report: Report) -> str:
    """What the instructor must look at; in the last line what came in, and what came of it."""
    from labkit.classroom.run import told_apart

    once = list(told_apart(report.graded))
    bad = [
        f"  {one.found.learner}: {one.found.where}: {one.problem}" for one in once if one.problem
    ]
    aside = [f"  {one.found.learner}: {what}" for one in once for what in one.found.aside]
    lines = [*(["Not graded:"] * bool(bad)), *bad]
    lines += [*(["Not opened, beside notebooks that were:"] * bool(aside)), *aside]
    return "\n".join([*lines, f"{counted(report, once)}; isolation: {report.isolation}."])


def counted(report: Report, once: Sequence[Graded]) -> str:
    """How many came in, were graded, were not and why, and were left out as copies."""
    reasons = Counter(one.reason for one in once if one.reason)
    bad, copies = reasons.total(), len(report.graded) - len(once)
    said = [f"{len(once) - bad} of {len(report.graded)} submissions graded"]
    if bad:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        said.append(f"{bad} not ({why})")
    if copies:
        said.append(f"{copies} left out, the same again from the same learner")
    return ", ".join(said)
