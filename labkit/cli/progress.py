"""Show what you have done so far: per lesson the questions answered, challenges passed, hints used.

labkit progress                  all lessons
labkit progress 05_temperature   one lesson, with each question and challenge
labkit progress --html FILE      the same as a page to keep or to hand in
labkit progress --reset [LESSON] begin anew; the log so far is kept beside it
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.course.catalog import Lesson
    from labkit.course.progress import ProgressLog
    from labkit.course.standing import Standing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lesson", nargs="?", help="one lesson, such as 05_temperature or 05")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page to FILE")
    parser.add_argument("--reset", action="store_true", help="begin anew; keeps a backup")


def main(args: argparse.Namespace) -> int:
    """The exit code: 0, or 2 where a lesson is unknown or a file can't be written."""
    from labkit.course.catalog import find_lesson, lessons
    from labkit.course.progress import ProgressLog

    log = ProgressLog()
    try:
        chosen = [find_lesson(args.lesson)] if args.lesson else list(lessons())
        if args.reset:
            return reset(log, chosen[0] if args.lesson else None)
        return report(args, log, chosen)
    except (LookupError, ValueError, OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        return 2


def reset(log: ProgressLog, lesson: Lesson | None) -> int:
    """Empty the log, or take one lesson out of it; say where the backup is."""
    backup = log.reset(lesson.id if lesson else None)
    if backup is None:
        print("Nothing has been recorded yet, so there is nothing to reset.")
        return 0
    print(f"Progress in {lesson.id if lesson else 'all lessons'} begins anew.")
    print(f"The log so far is kept as {backup}; to go back, put it in the place of {log.path}.")
    return 0


def report(args: argparse.Namespace, log: ProgressLog, lessons: Sequence[Lesson]) -> int:
    """Work out where the learner stands and show it in the form that was asked for."""
    from labkit.course.cards import progress_card
    from labkit.course.html_page import page
    from labkit.course.standing import standing_in
    from labkit.whole_files import write_whole

    standings = [standing_in(lesson, log) for lesson in lessons]
    if args.html:
        write_whole(args.html, page(standings))
        print(f"Written to {args.html}", file=sys.stderr)
    if args.json:
        print(json.dumps([as_json(standing) for standing in standings], indent=2))
    elif args.lesson:
        print(progress_card(standings[0]))
    elif not args.html:
        print(table(standings))
    return 0


def table(standings: Sequence[Standing]) -> str:
    """One line per lesson, columns as wide as they need to be."""
    from labkit.course.html_page import COLUMNS, cells

    if not standings:
        return "There are no lessons yet."
    rows = [COLUMNS, *map(cells, standings)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def as_json(standing: Standing) -> dict[str, Any]:
    """One lesson's standing with an outcome per item; null for what was never tried."""
    return {
        "lesson": standing.lesson.id,
        "title": standing.lesson.title,
        "questions": standing.questions,
        "challenges": standing.challenges,
        "hints": standing.hints,
        "points": standing.points,
        "last_opened": standing.last_opened,
    }
