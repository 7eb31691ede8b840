"""Seconds and memory of every lesson from kernel start, untouched and solved."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from labkit import paths
from labkit.cli.run import BUDGET_MB
from labkit.course.catalog import find_lesson, lessons
from tests.benchmarks.figures import Figure, show


def measure() -> list[Figure]:
    """As `labkit run --json` says."""
    return [
        figure
        for lesson in lessons()
        for options in ([], ["--solved"])
        for figure in figures(run(lesson.id, options))
    ]


def run(lesson: str, options: list[str]) -> dict[str, Any]:
    """The lesson in a process of its own; a claim that doesn't hold is no matter here."""
    command = [sys.executable, "-m", "labkit", "run", lesson, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=paths.PACKAGE.parent)
    if not done.stdout:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout))


def figures(found: dict[str, Any]) -> list[Figure]:
    """Seconds, memory, and the slowest cell of one run."""
    name = f"{found['lesson']}, {'solved' if found['solved'] else 'untouched'}"
    slowest = max(found["cells"], key=lambda cell: cell["seconds"])
    return [
        Figure(name, found["seconds"], "s", find_lesson(found["lesson"]).budget_seconds),
        Figure(f"{name}: peak memory", found["peak_rss_mb"], "MB", BUDGET_MB),
        Figure(f"{name}: slowest cell ({slowest['index']})", slowest["seconds"], "s"),
    ]


if __name__ == "__main__":
    show(measure)
