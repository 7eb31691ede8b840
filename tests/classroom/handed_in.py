"""Notebooks as learners hand them in, and a stand-in for the jail, for the tests of grading."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from labkit.grading.source import solutions
from labkit.grading.transports.remote import Isolation
from labkit.grading.transports.transport import LocalTransport

LESSON = "05_temperature"
CHALLENGES = ("apply_temperature", "min_p_filter", "sample_next", "top_p_filter")
START = "from labkit import Lab\n\nlab = Lab('05_temperature')"


def notebook(*cells: str, lesson: str | None = LESSON) -> bytes:
    """The bytes of a notebook with these code cells."""
    made = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "id": str(number)}
        for number, cell in enumerate(cells)
    ]
    metadata = {"labkit": {"lesson": lesson}} if lesson else {}
    return json.dumps({"nbformat": 4, "cells": made, "metadata": metadata}).encode()


def right(*names: str) -> list[str]:
    """A cell for each challenge with its reference answer."""
    return [solutions.source(LESSON, name) for name in names or CHALLENGES]


def hand_in(root: Path, **notebooks: bytes) -> Path:
    """Each learner's notebook in a folder of theirs."""
    for learner, data in notebooks.items():
        (root / learner).mkdir(parents=True, exist_ok=True)
        (root / learner / f"{LESSON}.ipynb").write_bytes(data)
    return root


def command(*words: object) -> list[str]:
    """`labkit grade` with these words, in a process of its own."""
    return [sys.executable, "-m", "labkit", "grade", *map(str, words), "--trusted"]


def labkit(*words: object) -> subprocess.CompletedProcess[str]:
    """What that says, and its exit code; where it wrote rows, its last line counts them."""
    done = subprocess.run(command(*words), capture_output=True, text=True, check=False)
    if "--out" in words and done.returncode < 2:
        out = Path(str(words[words.index("--out") + 1]))
        check_sums(done.stderr, json.loads(out.read_text(encoding="utf-8")))
    return done


def check_sums(closing: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Asserts that the last line's numbers add up, and agree with the rows."""
    last = closing.splitlines()[-1]
    graded = re.match(r"(\d+) of (\d+) submissions graded", last)
    assert graded, last
    done, total = map(int, graded.groups())
    reasons = [
        int(n) for n in re.findall(r"(\d+) [a-z]", re.sub(r".* not \((.*?)\).*", r"\1", last))
    ]
    bad = re.search(r", (\d+) not \(", last)
    copies = re.search(r", (\d+) left out", last)
    assert total == done + sum(int(found[1]) for found in (bad, copies) if found)
    assert not bad or int(bad[1]) == sum(reasons)
    whole = {(row["learner"], row["lesson"], not row["challenge"]) for row in rows}
    assert Counter(problem for *_, problem in whole) == Counter(
        {kind: count for kind, count in ((False, done), (True, int(bad[1]) if bad else 0)) if count}
    )


def outcomes(path: Path) -> dict[tuple[str, str], str]:
    """(learner, challenge) -> outcome, from a result file."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {(row["learner"], row["challenge"]): row["outcome"] for row in rows}


class OpenZygote:
    """Runs whole submissions in this process: no jail, for tests of what lies around it."""

    isolation = Isolation("none", False, ("a test",))

    def __init__(self) -> None:
        self.opened = 0

    def open(self, work, names, limits):
        self.opened += 1
        space = {"__name__": "__main__"}
        for cell in work.cells:
            exec(compile(cell, "<cell>", "exec"), space)
        functions = {name: space[name] for name in names if name in space}
        return OpenTransport(functions, limits.seconds)


class OpenTransport(LocalTransport):
    """A local transport with what a remote one has in addition."""

    notes: tuple[str, ...] = ("a note",)
    left_something_out = False

    def begin(self, name: str) -> None:
        self.left = self.limit_seconds
