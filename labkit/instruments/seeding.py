"""One seed for every source of randomness that a lesson uses."""

from __future__ import annotations

import random

import numpy
import torch


def seed_everything(seed: int = 0) -> None:
    """Seeds Python's, NumPy's and torch's generators (torch's on every device)."""
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
