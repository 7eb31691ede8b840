"""A course of one lesson with six easy questions: labkit itself, and nothing in its lessons/."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit import paths

HERE = Path(__file__).parent
LESSON = "90_six"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "weights", "challenges")


def make_course(root: Path) -> Path:
    """A copy of labkit whose only lesson is this one; run it with `python -m labkit` from there."""
    package = root / "labkit"
    shutil.copytree(paths.PACKAGE, package, ignore=LEFT_OUT)
    shutil.copytree(HERE / "challenges", package / "challenges" / "six")
    shutil.copy(paths.PACKAGE / "challenges" / "__init__.py", package / "challenges")
    (root / "solutions").mkdir()
    shutil.copy(HERE / "solutions.py", root / "solutions" / f"{LESSON}.py")
    (root / "lessons").mkdir()
    (root / "lessons" / f"{LESSON}.ipynb").write_bytes(notebook([]))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(paths.PACKAGE.parent / name, root)
    return root


def answers() -> dict[str, str]:
    """Each challenge's reference answer as the source of a function."""
    text = (HERE / "solutions.py").read_text("utf-8")
    functions = re.split(r"\n\n\n(?=def )", text)[1:]
    return {re.match(r"def (\w+)", source)[1]: source for source in functions}  # type: ignore[index]


IMPORTS = "from __future__ import annotations\nfrom itertools import pairwise\nimport torch"


def cells(replaced: Mapping[str, str] | None = None) -> list[str]:
    """The cells of a right notebook, but for some answers."""
    return [IMPORTS, *(answers() | dict(replaced or {})).values()]


def notebook(sources: Sequence[str]) -> bytes:
    """A notebook of the lesson with these code cells."""
    made = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {}, "execution_count": None}
        | {"outputs": [], "source": source}
        for number, source in enumerate(sources)
    ]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    about |= {"labkit": {"lesson": LESSON}}
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": about, "cells": made}
    ).encode()


def hand_in(root: Path, notebooks: Mapping[str, Sequence[str]]) -> Path:
    """Each learner's notebook in a folder of theirs."""
    for learner, sources in notebooks.items():
        (root / learner).mkdir(parents=True)
        (root / learner / f"{LESSON}.ipynb").write_bytes(notebook(sources))
    return root
