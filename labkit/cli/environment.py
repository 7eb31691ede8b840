"""Make or repair the course's environment."""

from __future__ import annotations

import argparse


class SetupError(Exception):
    """The environment can't be made; the message says why and what to do next."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments yet."""


def enter(words: list[str], extra: str | None = None) -> None:
    """Go on in an interpreter that has the packages."""


def main(args: argparse.Namespace) -> int:
    """Make the environment."""
    return 0
