"""The command line: `python3 -m labkit COMMAND`, or `labkit COMMAND` where it is installed.

One module per command, imported only when that command is asked for, with
`add_arguments(parser)` and `main(args) -> int`, and where it fits `EXTRA = "test"` (it needs the
test tools), `BARE = True` (it runs before there is an environment), `PASS_ON = True` (its words are
another program's).
Standard library only until the environment is ready.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from labkit.cli import streams
from labkit.paths import nearest

COMMANDS = {
    "lab": "open the course in JupyterLab (makes the environment first)",
    "test": "run the test suite; arguments pass on to pytest",
    "environment": "make or repair the environment, and nothing else",
    "doctor": "say what this machine has and what will run on it",
    "progress": "show what you have done so far",
    "run": "run a lesson from top to bottom and measure it",
    "new": "begin a lesson: files that run, check and verify",
    "build": "build the notebooks from the lesson texts",
    "verify": "prove that each challenge accepts right answers and names wrong ones",
    "grade": "grade what others hand in: notebooks, folders, zips",
    "models": "list, train and check the bundled models",
    "experiments": "repeat the recorded runs that lessons draw",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code, 1 where the reader of the output has gone."""
    streams.make_robust()
    try:
        code = run_words(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        if not streams.reader_is_gone(sys.stdout):
            raise
        streams.discard_rest(sys.stdout)
        return 1
    return code


def run_words(argv: Sequence[str] | None) -> int:
    """Find the command that the words name, and run it with the others."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    name, *rest = words
    if name not in COMMANDS:
        return complain(f"labkit has no command {name!r}: {nearest(name, COMMANDS)}")
    command = find_command(name)
    if command is None:
        return complain(f"labkit {name} is not part of this version of the course.")
    return run_command(name, command, rest)


def overview() -> str:
    """The help page: every command with its one line."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {line}" for name, line in COMMANDS.items()]
    more = "python3 -m labkit COMMAND --help says more. To begin: python3 -m labkit lab"
    return "\n".join(["usage: python3 -m labkit COMMAND [options]", "", *lines, "", more])


def find_command(name: str) -> ModuleType | None:
    """The module of a command, or None where this version has none."""
    module = f"labkit.cli.{name}"
    return import_module(module) if find_spec(module) else None


def run_command(name: str, command: ModuleType, words: list[str]) -> int:
    """Read the arguments, make sure the environment is ready, then run."""
    from labkit.cli import environment

    parser = argparse.ArgumentParser(prog=f"labkit {name}", description=command.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_arguments(parser)
    args = read_arguments(command, parser, words)
    try:
        if not getattr(command, "BARE", False):
            environment.enter([name, *words], extra=getattr(command, "EXTRA", None))
        return int(command.main(args))
    except environment.SetupError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def read_arguments(
    command: ModuleType, parser: argparse.ArgumentParser, words: list[str]
) -> argparse.Namespace:
    """The command's own arguments, or its words untouched where they are another program's."""
    if getattr(command, "PASS_ON", False) and words not in (["-h"], ["--help"]):
        return argparse.Namespace(arguments=words)
    return parser.parse_args(words)


def complain(message: str) -> int:
    """Say on stderr what went wrong; the exit code for it."""
    print(message, file=sys.stderr)
    return 2
