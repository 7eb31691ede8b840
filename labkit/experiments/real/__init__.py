"""What lessons show on the course's own models, measured again on one that others made.

The model is SmolLM2-135M-Instruct as `labkit models fetch smollm2` brings it. Without it the
records are drawn, and nothing is measured.
"""

from __future__ import annotations

from labkit.experiments.experiment import Experiment
from labkit.experiments.real import (
    activations,
    bits,
    formats,
    memory,
    reading,
    sizes,
    temperature,
    tickets,
)

ROOM = (temperature, bits, activations, memory, reading, formats, sizes, tickets)
EXPERIMENTS: tuple[Experiment, ...] = tuple(e for module in ROOM for e in module.EXPERIMENTS)
