"""Experiments in use: loaded as they ship, run anew point by point, or one repeated."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm  # type: ignore[import-untyped]

from labkit import paths
from labkit.experiments import record
from labkit.experiments.experiment import Experiment, Point
from labkit.experiments.record import Record, Row
from labkit.experiments.registry import find
from labkit.models.training.checkpoints import machine
from labkit.models.zoo import available_models, folder_of, sha256_of

RECORDS = Path(__file__).with_name("records")
CHEAP = "cheap point"  # its place in a record's provenance
LIBRARIES = ("torch", "transformers", "peft")


def load(name: str) -> Record:
    """The record that ships with the course.

    Raises LookupError for an unknown name, or where no record was published.
    """
    experiment = find(name)
    try:
        return record.read(RECORDS, name)
    except FileNotFoundError:
        raise LookupError(
            f"There is no record of {name!r} yet. To make one (about {experiment.minutes:g} "
            f"minutes): `python3 -m labkit experiments run {name}`."
        ) from None


def run(name: str, folder: Path | None = None, progress: bool = True) -> Record:
    """Every point anew, or those that an earlier call left open; kept in `folder` row by row.

    The folder is `experiments/` in the work folder when None. A finished run is repeated only when
    its files are removed. Raises LookupError for an unknown name.
    """
    experiment = find(name)
    folder = folder or paths.work_dir() / "experiments"
    file = folder / f"{name}.csv"
    done = _begun(experiment, file)
    left = [point for point in experiment.points if not _row_of(done, point)]
    for point in tqdm(left, desc=name, unit="point", disable=not progress):
        record.append(file, measured(experiment, point))
    rows = tuple(_in_order(experiment, record.read_rows(file)))
    found = Record(rows, provenance(experiment, rows) | _cheap_point(experiment))
    record.write(folder, name, found)
    return found


def measured(experiment: Experiment, point: Point) -> Row:
    """The row of one point: its own columns, its figures, and the seconds that it took."""
    started = time.perf_counter()
    figures = experiment.measure(**point)
    seconds = round(time.perf_counter() - started, 1)
    rounded = {figure: round(float(figures[figure]), 6) for figure in experiment.figures}
    return {**point, **rounded, "seconds": seconds}


def _begun(experiment: Experiment, file: Path) -> list[Row]:
    """What an earlier run left; a line that it could not finish is taken out of the file."""
    if not file.exists() or not file.stat().st_size:  # stopped before its first word
        return []
    rows = record.read_rows(file)
    wanted = [*experiment.points[0], *experiment.figures, "seconds"]
    if rows and list(rows[0]) != wanted:
        raise record.RecordError(
            f"{file} has the columns {', '.join(rows[0])}, and {experiment.name} measures "
            f"{', '.join(wanted)}: it is of another version. Move it away and run again."
        )
    if rows:
        record.write_rows(file, rows)
    else:
        file.unlink()  # its line of column names may be another version's
    return rows


def _row_of(rows: list[Row], point: Point) -> Row | None:
    return next((row for row in rows if all(row.get(k) == v for k, v in point.items())), None)


def _in_order(experiment: Experiment, rows: list[Row]) -> Iterator[Row]:
    found = (_row_of(rows, point) for point in experiment.points)
    return (row for row in found if row)


def provenance(experiment: Experiment, rows: Sequence[Row]) -> dict[str, Any]:
    """Machine, versions, models and time behind a record."""
    return {
        "experiment": experiment.name,
        "seconds": round(sum(float(row["seconds"]) for row in rows), 1),
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "versions": {library: version(library) for library in LIBRARIES},
        "models": {
            name: (sha256_of(folder_of(name) / "model.safetensors") or "")[:16]
            for name in ([experiment.model] if experiment.model else available_models())
        },
    }


def _cheap_point(experiment: Experiment) -> dict[str, Row]:
    """What the cheap point measures, where it is none of the rows."""
    if experiment.cheap in experiment.points:
        return {}
    return {CHEAP: measured(experiment, experiment.cheap)}


@dataclass(frozen=True)
class Repeat:
    """A point that was measured again: what the record says, what came now, what is too far off."""

    recorded: Row
    now: Row
    off: dict[str, float]

    @property
    def holds(self) -> bool:
        return not self.off


def repeat(name: str) -> Repeat:
    """Measure the experiment's cheap point again and compare it with the record that ships."""
    experiment = find(name)
    found = load(name)
    rows = [*found.rows, *filter(None, [found.provenance.get(CHEAP)])]
    recorded = _row_of(rows, experiment.cheap)
    if recorded is None:
        raise record.RecordError(f"The record of {name!r} lacks {dict(experiment.cheap)}.")
    now = measured(experiment, experiment.cheap)
    apart = {f: abs(float(now[f]) - float(recorded[f])) for f in experiment.figures}
    return Repeat(recorded, now, {f: d for f, d in apart.items() if d > experiment.within[f]})
