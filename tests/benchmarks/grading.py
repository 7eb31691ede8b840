"""What grading costs: processor time, wall time and memory of `labkit grade`, and wrong marks.

A class of right notebooks of a lesson with six easy questions (six/), then the gallery of 20. With
--peers nbgrader and otter-grader grade the same notebooks, in environments of their own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.figures import Figure, show
from tests.benchmarks.gallery_of_20 import GALLERY
from tests.benchmarks.six import cells, hand_in, make_course

CLASS = 200
FEW = 40  # for the memory, which is the same from the second submission on
CUT = "was cut after"


def measure(peers: bool = False) -> list[Figure]:
    """All of it on one copy of labkit, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="labkit-six-") as folder:
        course = make_course(Path(folder) / "course")
        graded(course, {"warm": cells()})  # the system's cache of files, bytecode
        figures, seconds = of_a_class(course)
        figures += [memory(course), *of_the_gallery(course)]
        if peers:
            from tests.benchmarks import grading_peers

            figures += grading_peers.measure(Path(folder) / "peers", seconds)
    return figures


def of_a_class(course: Path) -> tuple[list[Figure], float]:
    """Processor seconds and wall time of a submission; the former once more, for comparing."""
    alone, many = graded(course, a_class(1)), graded(course, a_class(CLASS))
    for run in (alone, many):
        all_right(run)
    each = many.cpu / CLASS
    more = (many.cpu - alone.cpu) / (CLASS - 1)
    return [
        Figure(
            f"processor time of a submission, {CLASS} with the start", round(each, 4), "s", 0.07
        ),
        Figure("processor time of one submission more", round(more, 4), "s"),
        Figure("processor time of the start and one", round(alone.cpu, 3), "s"),
        Figure("submissions a second, with the start", round(CLASS / many.wall, 1), "/s", least=10),
    ], each


def memory(course: Path) -> Figure:
    """The most memory that all processes had together, each page counted once."""
    run = graded(course, a_class(FEW), watch=True)
    return Figure("memory of all processes (PSS)", round(run.memory, 1), "MB", 400)


def of_the_gallery(course: Path) -> list[Figure]:
    """One after another, so that the limits that are spent can be taken off."""
    run = graded(course, {name: sources for name, (sources, _) in GALLERY.items()}, jobs=1)
    spent = sum(row["seconds"] for row in run.rows if CUT in row["message"])
    got = {
        name: {row["challenge"] for row in run.rows if row["learner"] == name and passed(row)}
        for name in GALLERY
    }
    for name, (_, deserved) in GALLERY.items():
        said = f"{name:<32} deserved {len(deserved)} of 6, got {len(got[name])}"
        print(said, "" if got[name] == deserved else "  WRONG", file=sys.stderr)
    undeserved = sum(len(got[name] - deserved) for name, (_, deserved) in GALLERY.items())
    lost = sum(len(deserved - got[name]) for name, (_, deserved) in GALLERY.items())
    return [
        Figure("gallery of 20, without the limits it spends", round(run.wall - spent, 1), "s", 20),
        Figure("gallery of 20: limits spent", round(spent, 1), "s"),
        Figure("gallery of 20: marks not deserved", undeserved, "", 0),
        Figure("gallery of 20: deserved marks lost", lost, "", 0),
    ]


def a_class(count: int) -> dict[str, list[str]]:
    """Right notebooks, each with other bytes: equal ones are graded once."""
    return {f"s{number:03}": [f"# {number}", *cells()] for number in range(count)}


def passed(row: Mapping[str, Any]) -> bool:
    return bool(row["outcome"] == "pass")


def all_right(run: Run) -> None:
    """A right notebook without its marks is a fault, not a figure."""
    wrong = next((row for row in run.rows if not passed(row)), None)
    if wrong or not run.rows:
        raise SystemExit(f"a right answer does not pass: {wrong}")


# ---- one run -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One `labkit grade`: seconds on the clock and of the processors, MB, and the marks."""

    wall: float
    cpu: float
    memory: float
    rows: list[dict[str, Any]]


def graded(
    course: Path, notebooks: Mapping[str, Sequence[str]], *, jobs: int = 2, watch: bool = False
) -> Run:
    """Hand these in and have them graded, as an instructor does."""
    with tempfile.TemporaryDirectory(prefix="labkit-class-") as folder:
        work, out = hand_in(Path(folder) / "in", notebooks), Path(folder) / "marks.json"
        words = ["grade", str(work), "--out", str(out), "--jobs", str(jobs)]
        begun, before = time.perf_counter(), processor_seconds()
        most = run([sys.executable, "-m", "labkit", *words], course, watch=watch)
        wall, cpu = time.perf_counter() - begun, processor_seconds() - before
        return Run(wall, cpu, most, json.loads(out.read_text("utf-8")))


def run(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str] | None = None,
    *,
    watch: bool = False,
) -> float:
    """A command to its end; the most MB that it and what it started had at a time, if watched."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(variables or {})}, stdout=said, stderr=said
        ) as process,
    ):
        watcher = Watcher(process.pid) if watch else None
        if process.wait():
            said.seek(0)
            text = said.read().decode("utf-8", "replace")[-2000:]
            raise SystemExit(f"{' '.join(command)} failed:\n{text}")
        return watcher.most if watcher else 0.0


def processor_seconds() -> float:
    """Of everything that this process has started and that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Watcher(threading.Thread):
    """Looks some twenty times a second at the memory of a process and of all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root = psutil.Process(pid)
        self.most = 0.0
        self.start()

    def run(self) -> None:
        """Until the process is gone."""
        while True:
            try:
                before = self.family()
                sum_mb = sum(map(megabytes, before))
                # Who comes or goes meanwhile shifts pages to others: some would be counted twice.
                if self.family() == before:
                    self.most = max(self.most, sum_mb)
            except psutil.NoSuchProcess:
                return
            time.sleep(0.02)

    def family(self) -> list[psutil.Process]:
        return [self.root, *self.root.children(recursive=True)]


def megabytes(process: psutil.Process) -> float:
    """Its share of the memory; 0 when it is gone. A jailed child's is told to root only."""
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.Error:
        return 0.0


if __name__ == "__main__":
    show(measure)
