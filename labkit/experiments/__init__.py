"""Recorded runs: what can't be measured within a lesson's minute, measured once and kept.

    from labkit import experiments

    record = experiments.load("ticket-examples")      # rows that ship with the course
    record = experiments.run("ticket-examples")       # the same again, on this machine

A record is a small table and where it comes from. A lesson draws it beside the point that it
measures live, and the suite measures a cheap point of each again.
"""

from labkit.experiments.experiment import Experiment, Point
from labkit.experiments.record import Record
from labkit.experiments.registry import EXPERIMENTS, find
from labkit.experiments.running import Repeat, load, repeat, run

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "Point",
    "Record",
    "Repeat",
    "find",
    "load",
    "repeat",
    "run",
]
