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

if TYPE_CHECKING:
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

    try:
        lessons = chosen(args.lessons)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    failed = False
    for lesson in lessons:
        try:
            print(f"{lesson.id}: {check(lesson) if args.check else build(lesson)}")
        except (LessonError, NotebookError) as error:
            failed = True
            print(error, file=sys.stderr)
    return 1 if failed else 0


def chosen(names: list[str]) -> tuple[Lesson, ...]:
    """The lessons of these names; all of the course's when there is none, or "all"."""
    from labkit.course.catalog import find_lesson, lessons

    if not names or names == ["all"]:
        return lessons()
    return tuple(find_lesson(name) for name in names)


def build(lesson: Lesson) -> str:
    """Run the lesson's text and write its notebook; returns what to say about it."""
    from labkit import paths
    from labkit.course import notebooks
    from labkit.course.execution import execute, kernel_env

    notebook = notebooks.to_notebook(lesson)
    with tempfile.TemporaryDirectory(prefix="labkit-build-") as folder:
        env = kernel_env(Path(folder), strict=True)
        for swap in ("LABKIT_MODEL", "LABKIT_DEVICE"):  # the course shows its own model's figures
            env.pop(swap, None)
        try:
            run = execute(notebook, Path(folder), env, progress(lesson.id), lesson=lesson.id)
        finally:
            clear_progress()
        private = (folder, str(paths.course_root()), str(Path.home()))
        content = notebooks.to_bytes(notebooks.strip(notebook, lesson.id, private))
    path = built_path(lesson)
    same = path.is_file() and path.read_bytes() == content
    if not same:
        notebooks.write(path, content)
    size = f"{len(content) / 1e3:.0f} kB"
    return f"{len(run.cells)} cells in {run.seconds:.1f} s, {size}, {'same' if same else 'written'}"


def check(lesson: Lesson) -> str:
    """Compare the notebook with the text, running nothing; raises NotebookError where they part."""
    from labkit.course import notebooks

    path = built_path(lesson)
    again = f"\n  Run: labkit build {lesson.id}"
    if not path.is_file():
        raise notebooks.NotebookError(f"{lesson.id}: {path.name} is not built yet.{again}")
    built = notebooks.read(path)
    difference = notebooks.first_difference(built, notebooks.to_notebook(lesson))
    if difference:
        raise notebooks.NotebookError(
            f"{lesson.id}: the notebook differs from the text, first in {difference}.{again}"
        )
    if notebooks.to_bytes(notebooks.strip(built, lesson.id)) != path.read_bytes():
        raise notebooks.NotebookError(
            f"{lesson.id}: {path.name} was run or saved by hand: it holds counts, timings or "
            f"widget state.{again}"
        )
    return "up to date"


def built_path(lesson: Lesson) -> Path:
    """Where a lesson's notebook stands: beside its text."""
    return lesson.path.with_suffix(".ipynb")


def progress(lesson_id: str) -> OnCell:
    """One line on a terminal that says which cell runs; silent where stderr is a file."""

    def show(index: int, total: int, line: str) -> None:
        if sys.stderr.isatty():
            words = f"{lesson_id}  cell {index + 1} of {total}  {line}"
            print(f"\r\x1b[K{words}", end="\r", file=sys.stderr, flush=True)

    return show


def clear_progress() -> None:
    """Wipe the line that `progress` left, so that what follows starts on an empty one."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
