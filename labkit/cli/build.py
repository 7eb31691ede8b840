"""Build the notebooks from the lesson texts: lessons/NN_topic.py becomes NN_topic.ipynb, executed.

Building twice gives the same bytes. With --check nothing is run: it only says whether each notebook
still has the sources of its text, and no trace of a run by hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.cli.screen import Screen

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from labkit.course.catalog import Lesson
    from labkit.course.execution import OnCell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """LESSON... and --check."""
    parser.add_argument(
        "lessons", nargs="*", metavar="LESSON", help="05_temperature, temperature or 05; none: all"
    )
    parser.add_argument(
        "--check", action="store_true", help="run nothing; fail where a notebook is out of date"
    )


def main(args: argparse.Namespace) -> int:
    """Build or check the lessons asked for; 0 when all is well."""
    from labkit.course.execution import LessonError
    from labkit.course.notebooks import NotebookError
    from labkit.course.yaml_source import SourceError

    try:
        lessons = chosen(args.lessons)
    except (LookupError, SourceError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    screen, failed = Screen(sys.stdout), False
    for lesson in lessons:
        try:
            screen.done(f"{lesson.id}: {check(lesson) if args.check else build(lesson, screen)}")
        except (LessonError, NotebookError, SourceError) as error:
            failed = True
            screen.done(f"{lesson.id}: {'out of date' if args.check else 'not built'}")
            print(error, file=sys.stderr)
    return 1 if failed else 0


def chosen(names: list[str]) -> tuple[Lesson, ...]:
    """The lessons of these names; all of the course's when there is none, or "all"."""
    from labkit.course.catalog import find_lesson, lessons

    if not names or names == ["all"]:
        return lessons()
    return tuple(find_lesson(name) for name in names)


def build(lesson: Lesson, screen: Screen) -> str:
    """Run the lesson's text and write its notebook; returns what to say about it."""
    from labkit import paths
    from labkit.course import notebooks
    from labkit.course.claim_checks import check_used
    from labkit.course.execution import execute, kernel_env
    from labkit.fetched import CACHE
    from labkit.whole_files import write_whole

    notebook = notebooks.to_notebook(lesson)
    check_names(lesson, notebook)
    with tempfile.TemporaryDirectory(prefix="labkit-build-", ignore_cleanup_errors=True) as folder:
        env = kernel_env(Path(folder), strict=True)
        for swap in ("LABKIT_MODEL", "LABKIT_DEVICE"):  # the course shows its own model's figures
            env.pop(swap, None)
        env[CACHE] = folder  # no fetched model: a notebook is the same wherever it is built
        show = cell_on(screen, lesson.id)
        ran = execute(notebook, Path(folder), env, show, lesson=lesson.id)
        drawn = notebooks.named_in(notebook, "lab.alt")
        check_used(lesson, claimed_in(lesson, Path(folder)), drawn)
        private = (folder, str(paths.course_root()), str(Path.home()))
        content = notebooks.to_bytes(notebooks.strip(notebook, lesson.id, private))
    same = lesson.notebook.is_file() and lesson.notebook.read_bytes() == content
    if not same:
        write_whole(lesson.notebook, content)
    size = f"{len(content) / 1e3:.0f} kB"
    return f"{len(ran.cells)} cells in {ran.seconds:.1f} s, {size}, {'same' if same else 'written'}"


def check_names(lesson: Lesson, notebook: NotebookNode) -> None:
    """The claims and figures that cells name are in the lesson's file of claims, every figure there
    is drawn, and what a claim rests on is said. (Claims made in loops show when it is run.)"""
    from labkit.course.claim_checks import check_rests, check_used
    from labkit.course.claims import expectations_of
    from labkit.course.minutes import check_minutes, core_minutes
    from labkit.course.notebooks import NotebookError, markdown_in, named_in
    from labkit.course.number_checks import check_numbers

    expectations, drawn = expectations_of(lesson), named_in(notebook, "lab.alt")
    unknown = named_in(notebook, "lab.claim") - expectations.claims.keys()
    unknown |= drawn - expectations.figures.keys()
    if unknown:
        raise NotebookError(f"{lesson.claims.name} lacks what cells name: {sorted(unknown)}")
    check_used(lesson, expectations.claims, drawn)
    check_rests(lesson, markdown_in(notebook))
    check_numbers(lesson, notebook)
    if (needed := core_minutes(notebook)) is not None:  # a lesson with a part for further reading
        check_minutes(lesson, needed)


def claimed_in(lesson: Lesson, work: Path) -> set[str]:
    """The names of the claims that a run of the lesson recorded."""
    from labkit.course.progress import ProgressLog

    log = ProgressLog(work / "progress.sqlite")
    return {event.item for event in log.events(lesson=lesson.id, kind="claim")}


def check(lesson: Lesson) -> str:
    """Compare the notebook with the text, running nothing; raises NotebookError where they part."""
    from labkit.course import notebooks

    again = f"\n  Run: labkit build {lesson.id}"
    if not lesson.notebook.is_file():
        raise notebooks.NotebookError(f"{lesson.id}: {lesson.notebook.name} is missing.{again}")
    built = notebooks.read(lesson.notebook)
    check_names(lesson, built)
    difference = notebooks.first_difference(built, notebooks.to_notebook(lesson))
    if difference:
        raise notebooks.NotebookError(
            f"{lesson.id}: the notebook differs from the text, first in {difference}.{again}"
        )
    if notebooks.to_bytes(notebooks.strip(built, lesson.id)) != lesson.notebook.read_bytes():
        raise notebooks.NotebookError(
            f"{lesson.id}: {lesson.notebook.name} was run or saved by hand: it holds counts, "
            f"timings or widget state.{again}"
        )
    return "up to date"


def cell_on(screen: Screen, lesson_id: str) -> OnCell:
    """What shows on the screen which cell of a lesson runs."""

    def show(index: int, total: int, line: str) -> None:
        screen.status(f"{lesson_id}: cell {index} of {total - 1}  {line}")

    return show
