"""Run the test suite in the course's environment; every argument passes on to pytest.

The whole suite has two workers where there are two cores; parts of it, as in
`labkit test tests/course -k quiz`, and a debugger run in one process. `-n 0` does that for all.
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
PASS_ON = True  # the words after the command are pytest's, not ours
ALONE = ("-n", "--numprocesses", "--dist", "--pdb", "--trace", "--co", "--collect-only")
TWO_WORKERS = ("-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whatever pytest takes."""
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to pytest")


def main(args: argparse.Namespace) -> int:
    """Run pytest at the root of the checkout."""
    if not in_checkout():
        print("The tests are in the repository, not in the installed package.", file=sys.stderr)
        return 2
    env = {**SHARING, **OFFLINE}
    command = [sys.executable, "-P", "-m", "pytest", *workers(args.arguments), *args.arguments]
    return subprocess.call(command, cwd=PACKAGE.parent, env={**env, **os.environ})


def workers(arguments: Sequence[str]) -> Sequence[str]:
    """Two of them for the whole suite, where there are two cores and no option against it."""
    says = any(word.startswith(ALONE) for word in arguments)
    part = any((PACKAGE.parent / word.partition("::")[0]).exists() for word in arguments)
    return () if says or part or len(processors()) < 2 else TWO_WORKERS
