"""Run a lesson from top to bottom in a fresh kernel and measure it.

The exit code is 0 only if every claim holds and no cell raised. --solved first puts the reference
answers where the stubs are; --json prints the figures for programs to read. --warm saves lessons
the import of torch: claims and outcomes are the same, seconds and memory are then not given.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.cli.screen import Screen

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from labkit.course.catalog import Lesson

BUDGET_MB = 1500.0
NOT_ATTEMPTED = "not attempted"


@dataclass
class Report:
    """What `labkit run` found out about one lesson; `error` says why it stopped early."""

    lesson: str
    solved: bool
    seconds: float = 0.0
    peak_rss_mb: float = 0.0
    cells: list[dict[str, float]] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    claims: list[dict[str, Any]] = field(default_factory=list)
    budget_seconds: int = 60
    error: str | None = None
    first_lines: dict[int, str] = field(default_factory=dict)
    cpu_seconds: dict[int, float] = field(default_factory=dict)
    warm: bool = False

    @property
    def good(self) -> bool:
        """Every claim holds and no cell raised."""
        return self.error is None and all(claim["holds"] is not False for claim in self.claims)

    def public(self) -> dict[str, Any]:
        """The JSON form that others build on: these names and no others."""
        names = ("lesson", "solved", "seconds", "peak_rss_mb", "cells", "outcomes", "claims")
        found = {name: getattr(self, name) for name in names}
        return found | self.not_measured() if self.warm else found

    def not_measured(self) -> dict[str, Any]:
        """The figures that a warm kernel would make too good, left out."""
        cells = [cell | {"seconds": None} for cell in self.cells]
        return {"seconds": None, "peak_rss_mb": None, "cells": cells}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """LESSON, --solved, --json."""
    parser.add_argument("lesson", metavar="LESSON", help='05_temperature, temperature, 05 or "all"')
    parser.add_argument(
        "--solved", action="store_true", help="with the reference answers in place of the stubs"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--warm", action="store_true", help="with torch imported already: quicker, not measured"
    )


def main(args: argparse.Namespace) -> int:
    """Run and report; 0 when every claim holds and no cell raised."""
    from labkit.cli.build import chosen
    from labkit.course.yaml_source import SourceError

    try:
        lessons = chosen([args.lesson])
    except (LookupError, SourceError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    reports = []
    with warm_kernels() if args.warm else nullcontext(False) as warm:
        for lesson in lessons:
            reports.append(run(lesson, solved=args.solved, warm=warm))
            if not args.json:
                print(table(reports[-1]))
            if reports[-1].error:
                print(reports[-1].error, file=sys.stderr)
    if args.json:
        found = [report.public() for report in reports]
        print(json.dumps(found if args.lesson == "all" else found[0], indent=2, allow_nan=False))
    return 0 if all(report.good for report in reports) else 1


# Running


@contextmanager
def warm_kernels() -> Iterator[bool]:
    """Whether lessons have warm kernels meanwhile; where not, the reason is said."""
    from labkit.course.execution import kernel_env
    from labkit.kernels.nursery import Nursery
    from labkit.kernels.orders import Cold

    try:
        nursery = Nursery(kernel_env(Path.cwd(), strict=False))
    except Cold as why:
        print(f"Kernels start cold: {why}.", file=sys.stderr)
        yield False
        return
    with nursery:
        if not nursery.ready(timeout=None):
            print(f"Kernels start cold: {nursery.failure}.", file=sys.stderr)
        yield nursery.ready()


def run(lesson: Lesson, *, solved: bool = False, warm: bool = False) -> Report:
    """Run the lesson's text, untouched or solved, with its progress in a folder of its own."""
    from labkit.course import notebooks
    from labkit.course.execution import first_line
    from labkit.grading.source.solutions import names

    notebook = notebooks.to_notebook(lesson)
    if solved:
        notebook = notebooks.solve(notebook, lesson.id)
    outcomes = dict.fromkeys(names(lesson.id), NOT_ATTEMPTED)
    report = Report(
        lesson.id, solved, outcomes=outcomes, budget_seconds=lesson.budget_seconds, warm=warm
    )
    report.first_lines = {i: first_line(cell.source) for i, cell in enumerate(notebook.cells)}
    with tempfile.TemporaryDirectory(prefix="labkit-run-", ignore_cleanup_errors=True) as folder:
        measure(report, notebook, Path(folder))
        read_log(report, Path(folder) / "progress.sqlite")
    return report


def measure(report: Report, notebook: NotebookNode, work: Path) -> None:
    """Execute the notebook and write seconds, memory and a cell's error into the report."""
    from labkit.cli.build import cell_on
    from labkit.course.execution import LessonError, execute, kernel_env

    screen, env = Screen(), kernel_env(work, strict=False)
    try:
        show = cell_on(screen, report.lesson)
        found = execute(notebook, work, env, show, lesson=report.lesson, warm=report.warm)
    except LessonError as error:
        found, report.error = error.execution, str(error)
    screen.done(f"{report.lesson}: {len(found.cells)} cells in {found.seconds:.1f} s")
    report.seconds = round(found.seconds, 2)
    report.peak_rss_mb = round(found.peak_rss_mb, 1)
    report.cpu_seconds = {cell.index: cell.cpu_seconds for cell in found.cells}
    report.cells = [{"index": c.index, "seconds": round(c.seconds, 3)} for c in found.cells]


def read_log(report: Report, path: Path) -> None:
    """Write what the lesson itself recorded into the report: the last word on each item counts."""
    from labkit.course.progress import ProgressLog

    log = ProgressLog(path)
    checks = log.events(lesson=report.lesson, kind="check")
    report.outcomes |= {event.item: event.outcome or NOT_ATTEMPTED for event in checks}
    claims = {event.item: event for event in log.events(lesson=report.lesson, kind="claim")}
    report.claims = [claim(name, event.payload) for name, event in claims.items()]


def claim(name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """One claim in its JSON form; NaN and infinity, which JSON hasn't, become null."""
    numbers = {key: finite(payload.get(key)) for key in ("value", "around", "within")}
    return {"name": name, **numbers, "holds": payload.get("holds")}


def finite(value: float | None) -> float | None:
    """The number, or None where it is none."""
    return value if value is not None and math.isfinite(value) else None


# Showing


def table(report: Report) -> str:
    """The report for a reader: cells, totals against the budget, outcomes, claims."""
    solved = "with the reference answers" if report.solved else "stubs untouched"
    parts = [
        f"{report.lesson}, {solved}",
        *(cell_line(report, cell) for cell in report.cells),
        *budget_lines(report),
        *(f"  challenge  {name}: {outcome}" for name, outcome in report.outcomes.items()),
        *(f"  claim  {claim_line(claim)}" for claim in report.claims),
    ]
    return "\n".join(parts)


def cell_line(report: Report, cell: Mapping[str, float]) -> str:
    """Index, seconds, seconds of computing, and first line of one cell."""
    index = int(cell["index"])
    if report.warm:
        return f"  {index:>4}  {report.first_lines[index]}"
    used = f"{report.cpu_seconds[index]:7.2f} s of CPU"
    return f"  {index:>4}  {cell['seconds']:8.3f} s  {used}  {report.first_lines[index]}"


def budget_lines(report: Report) -> list[str]:
    """Seconds and memory against what a lesson may take on two cores."""
    if report.warm:
        return ["  a warm kernel: for seconds and memory of the lesson leave out --warm"]
    pairs = [
        ("seconds from kernel start", report.seconds, report.budget_seconds),
        ("MB at the peak", report.peak_rss_mb, BUDGET_MB),
    ]
    lines = [
        f"  {found:g} {what}: {'within' if found <= most else 'OVER'} the budget of {most:g}"
        for what, found, most in pairs
    ]
    return [*lines, f"  {sum(report.cpu_seconds.values()):.1f} seconds of CPU in all cells"]


def claim_line(claim: Mapping[str, Any]) -> str:
    """One claim in words."""
    holds = {True: "holds", None: "not judged: another model"}.get(claim["holds"], "DOES NOT HOLD")
    numbers = [f"{key} {claim[key]:.4g}" for key in ("around", "within") if claim[key] is not None]
    value = "not a number" if claim["value"] is None else f"{claim['value']:.4g}"
    return f"{claim['name']}: {value} ({', '.join(numbers)}) {holds}"
