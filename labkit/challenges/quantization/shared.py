"""What several challenges share.

Lesson 12, Quantization: what is right, the mistakes known by name, the hints.

Expected values are counted here number by number in float64 NumPy and by trying every choice; the
tests hold them against bitsandbytes and torch's own quantization. Random weights lie clear of the
middle between two levels, where rounding in float32 would decide.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.grading import Submission

NF4 = (  # labkit.models.quantizing has them too; known answers have to run where labkit is not
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip


LEVELS = torch.tensor(NF4)


def number_between(s: Submission, low: int, high: int, *shape: int) -> Tensor:
    """Random whole numbers from the check's own generator, both ends included, as floats."""
    return torch.randint(low, high + 1, shape, generator=s.generator).float()


def off_centre(s: Submission, *shape: int, by: float = 0.35) -> Tensor:
    """Random fractions that round to 0."""
    return by * (2 * torch.rand(*shape, generator=s.generator) - 1)


def nearest(scaled: Tensor) -> Tensor:
    return (scaled[..., None] - LEVELS).abs().argmin(-1)
