"""All experiments by name; one module for each lesson's."""

from __future__ import annotations

from labkit.experiments import distillation, fine_tuning, lora, real
from labkit.experiments.experiment import Experiment
from labkit.paths import nearest

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for lesson in (fine_tuning, lora, distillation, real)
    for experiment in lesson.EXPERIMENTS
}


def find(name: str) -> Experiment:
    """An experiment by name; an unknown one is answered with the nearest ones."""
    if name not in EXPERIMENTS:
        raise LookupError(f"There is no experiment {name!r}: {nearest(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]
