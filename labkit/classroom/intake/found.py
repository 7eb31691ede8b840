"""One notebook that was handed in, or a learner without one: whose, where, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1 << 20
MAX_NOTEBOOK = 32 * MEGABYTE


class Unreadable(Exception):
    """A submission can't be read; the message tells the instructor why, and what to ask for."""


class NothingFound(Exception):
    """The paths that were given lead to no notebook at all."""


@dataclass(frozen=True)
class Found:
    """A notebook, not read yet.

    path      the file on disk: the notebook itself, or the zip that holds it
    members   for a notebook in a zip its place in the zip's list; two places where a learner's zip
              lies in the zip of a class
    where     how the instructor finds it again: "hand-ins/class.zip: alice/05_temperature.ipynb"
    file      its own file name, which may name the lesson
    problem   why it will not be read; "" where nothing speaks against it
    below     `where` below what was given, for learners' eyes: "alice/05_temperature.ipynb"
    home      the same for two notebooks only where they are one person's for certain; "" where the
              learner's name is a guess
    missing   whether there is no notebook, so that this one stands for the learner
    aside     what else of this learner's was not opened, and why
    """

    learner: str
    path: Path
    where: str
    file: str
    members: tuple[int, ...] = ()
    problem: str = ""
    below: str = ""
    home: str = ""
    missing: bool = False
    aside: tuple[str, ...] = ()
