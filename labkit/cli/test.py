"""Run the test suite in the course's environment; every argument passes on to pytest.

For example:  python3 -m labkit test tests/course -k quiz
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from labkit.paths import PACKAGE, in_checkout
from labkit.sharing import processors
from labkit.variables import OFFLINE, SHARING

EXTRA = "test"
WORKERS = 2
PASS_ON = True  # the words after the command are pytest's, not ours


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whatever pytest takes."""
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to pytest")


def workers(words: Sequence[str]) -> list[str]:
    """pytest's options for two workers where the whole suite runs and there are cores for them.

    Not more: each may have a lesson of 1.5 GB. Words of one's own (`-n 0`, a folder) decide.
    """
    if words or len(processors()) < WORKERS:
        return []
    return ["-n", str(WORKERS), "--dist", "loadgroup", "--no-loadscope-reorder"]


def main(args: argparse.Namespace) -> int:
    """Run pytest at the root of the checkout."""
    if not in_checkout():
        print("The tests are in the repository, not in the installed package.", file=sys.stderr)
        return 2
    env = {**SHARING, **OFFLINE}
    command = [sys.executable, "-P", "-m", "pytest", *workers(args.arguments), *args.arguments]
    return subprocess.call(command, cwd=PACKAGE.parent, env={**env, **os.environ})
