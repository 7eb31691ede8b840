"""The records of a real model as figures, and their points measured again where it is there."""

from __future__ import annotations

import subprocess
import sys

from labkit.estimates import Estimate, share_of
from labkit.experiments.fine_tuning_figures import Drawn, drawn_from
from labkit.experiments.real import COUNTRIES, MODEL, SAMPLES
from labkit.experiments.record import Record, Row
from labkit.experiments.registry import find
from labkit.experiments.running import load
from labkit.fetched import MODELS
from labkit.instruments import plots
from labkit.instruments.quantization.plots import rises
from labkit.instruments.real.prose import paragraphs
from labkit.paths import PACKAGE


def capitals(alt: str) -> Drawn:
    """Capitals named against temperature, with and without min-p, and how many answers differ."""
    return drawn_from("real-capitals", lambda record: plots.curves(
        {
            "capitals right": right(record, 0.0),
            "right, min-p 0.1": right(record, 0.1),
            f"different of {SAMPLES}": different(record),
        },
        y_label="share",
        alt=alt,
    ))  # fmt: skip


LABELS = {"channel": "each row", "tensor": "whole matrix", "block": "blocks of 64", "NF4": "NF4"}


def bits(alt: str) -> Drawn:
    """The rise of the loss against bits, for each way of sharing a scale."""
    return drawn_from("real-bits", lambda record: rises(
        {
            label: {int(row["bits"]): rise_in(row) for row in record.where(group=group)}
            for group, label in LABELS.items()
        },
        x_label="bits",
        alt=alt,
    ))  # fmt: skip


def rise_in(row: Row) -> Estimate:
    return figure_in(row, "rise", len(paragraphs()), "nats")


def share_named(row: Row) -> Estimate:
    return figure_in(row, "right", COUNTRIES, "share")


def figure_in(row: Row, name: str, n: int, unit: str) -> Estimate:
    """A recorded figure with its interval."""
    value, low, high = (float(row[column]) for column in (name, "low", "high"))
    return Estimate(name, value, n, low, high, unit)


def rise_at(bits: int, group: str) -> float:
    """The recorded rise of the loss, in nats a token."""
    return load("real-bits").mean("rise", bits=bits, group=group)


def named_at(bits: int, group: str) -> Estimate:
    """The recorded share of capitals that are named with weights of so many bits."""
    (row,) = load("real-bits").where(bits=bits, group=group)
    return share_of("capitals", round(float(row["capitals"]) * COUNTRIES), COUNTRIES)


def right(record: Record, min_p: float) -> dict[float, Estimate]:
    """Temperature → the share of capitals named; at 0 a cut of the tail changes nothing."""
    rows = [*record.where(temperature=0.0), *record.where(min_p=min_p)]
    return {float(row["temperature"]): share_named(row) for row in rows}


def different(record: Record) -> dict[float, Estimate]:
    """Temperature → how many of the answers to a question differ, without an interval."""
    shares = {float(r["temperature"]): float(r["different"]) for r in record.where(min_p=0.0)}
    return {t: Estimate("different", share, 0, share, share) for t, share in shares.items()}


def share_at(temperature: float, min_p: float = 0.0) -> Estimate:
    """The recorded share of capitals named, with its interval over countries."""
    (row,) = load("real-capitals").where(temperature=temperature, min_p=min_p)
    return share_named(row)


def share_by_luck() -> float:
    """The largest recorded share of answers that name the next country's capital."""
    return max(float(row["next_country"]) for row in load("real-capitals").rows)


def measured_again(name: str) -> str:
    """A cheap point of a record beside what was recorded; how to fetch the model where it lacks.

    In a process of its own, whose memory is free again afterwards.
    """
    if not find(name).can_run:
        model = MODELS[MODEL]
        return f"{MODEL} is not on this machine ({model.download} MB). To fetch it: {model.command}"
    command = [sys.executable, "-m", "labkit", "experiments", "check", name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent)
    return (done.stdout or done.stderr).strip()
