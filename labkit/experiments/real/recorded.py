"""Figures of a real model's records with their intervals, and a point measured again."""

from __future__ import annotations

import os
import subprocess
import sys

from labkit.estimates import Estimate
from labkit.experiments import running
from labkit.experiments.experiment import Value
from labkit.experiments.real.subject import MODEL
from labkit.experiments.record import Row
from labkit.experiments.registry import find
from labkit.fetched import MODELS
from labkit.paths import PACKAGE


def figure_in(row: Row, name: str, n: int, unit: str = "share") -> Estimate:
    """A recorded figure with its interval; `n` items or sets of examples stand behind it."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return Estimate(name, value, n, low, high, unit)


def row_of(experiment: str, **wanted: Value) -> Row:
    """The one row with these values. Raises LookupError where there is none, or more than one."""
    rows = running.load(experiment).where(**wanted)
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} rows of {experiment} have {wanted}, and one was expected")
    return rows[0]


def measured_again(name: str) -> str:
    """A cheap point of a record beside what was recorded; how to fetch the model where it lacks.

    In a process of its own, whose memory is free again afterwards; not beside another model that
    $LABKIT_MODEL has put under the lesson, as two of them take more than 3 GB.
    """
    if os.environ.get("LABKIT_MODEL"):
        return (
            f"{name}: not measured again beside the model of LABKIT_MODEL, to save memory. "
            f"To do it: python3 -m labkit experiments check {name}"
        )
    if not find(name).can_run:
        model = MODELS[MODEL]
        return f"{MODEL} is not on this machine ({model.download} MB). To fetch it: {model.command}"
    command = [sys.executable, "-m", "labkit", "experiments", "check", name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent)
    return (done.stdout or done.stderr).strip()
