"""Begin a lesson: makes the files of one that runs, checks and verifies as it is.

labkit new 06_evaluation    lesson text, claims, quiz, solutions, one challenge, its gallery
"""

from __future__ import annotations

import argparse
import sys

EXTRA = "test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The lesson's id."""
    parser.add_argument("lesson", metavar="NN_topic", help="such as 06_evaluation")


def main(args: argparse.Namespace) -> int:
    """Write the files and say what to do next; nothing is written where one is in the way."""
    from labkit import paths
    from labkit.course.new_lesson import files_of
    from labkit.whole_files import write_whole

    if not paths.in_checkout():
        print("A lesson is written in a clone of the course, and this is none.", file=sys.stderr)
        return 2
    try:
        texts = files_of(args.lesson)
    except (ValueError, FileExistsError) as error:
        print(f"{error}. Nothing was written.", file=sys.stderr)
        return 2
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
        print(f"wrote {path.relative_to(paths.course_root())}")
    print(
        f"\nIt runs as it is. After each change:\n"
        f"  python3 -m labkit run {args.lesson}\n"
        f"  python3 -m labkit verify --lesson {args.lesson}\n"
        f"  python3 -m labkit build {args.lesson}"
    )
    return 0
