"""Numbers that a check draws: no quotient lies where rounding in float32 would decide."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.grading import Submission


def whole_numbers(s: Submission, low: int, high: int, *shape: int) -> Tensor:
    """Random whole numbers from low to high, both included, as floats."""
    return torch.randint(low, high + 1, shape, generator=s.generator).float()


def fractions(s: Submission, *shape: int, within: float = 0.35) -> Tensor:
    """Random numbers from -within to within: added to whole ones they are rounded away."""
    return within * (2 * torch.rand(*shape, generator=s.generator) - 1)
