"""The bundled models: how they are loaded, what they know, and how they were trained."""

import logging

from labkit.models.generation import complete, complete_after, complete_grid, exact_match
from labkit.models.zoo import (
    ModelUnavailable,
    available_models,
    load_judge,
    load_model,
    load_vision_model,
)

__all__ = [
    "ModelUnavailable",
    "available_models",
    "complete",
    "complete_after",
    "complete_grid",
    "exact_match",
    "load_judge",
    "load_model",
    "load_vision_model",
]

# peft imports bitsandbytes, which writes a line for each kernel that it does without.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
