"""Run the test suite in the course's environment; every argument passes on to pytest.

For example:  python3 -m labkit test tests/course -k quiz
With two workers:  python3 -m labkit test -n 2 --dist loadgroup --no-loadscope-reorder
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from labkit.paths import PACKAGE, in_checkout
from labkit.variables import OFFLINE, SHARING

EXTRA = "test"
PASS_ON = True  # the words after the command are pytest's, not ours


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whatever pytest takes."""
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to pytest")


def main(args: argparse.Namespace) -> int:
    """Run pytest at the root of the checkout."""
    if not in_checkout():
        print("The tests are in the repository, not in the installed package.", file=sys.stderr)
        return 2
    env = {**SHARING, **OFFLINE}
    command = [sys.executable, "-P", "-m", "pytest", *args.arguments]
    return subprocess.call(command, cwd=PACKAGE.parent, env={**env, **os.environ})
