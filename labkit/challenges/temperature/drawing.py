"""Logits that a check draws or writes down."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.challenges.temperature.truths import true_softmax
from labkit.grading import Submission
from labkit.grading.checks.drawing import normal

CLEAR = 1e-5  # many times what sums of float32 probabilities are off by


def log_of(*probabilities: float) -> Tensor:
    """Logits whose softmax is these probabilities."""
    return torch.tensor(probabilities).log()


def random_logits(s: Submission, *shape: int, spread: float = 2.0) -> Tensor:
    """Normal logits from the check's own generator."""
    return spread * normal(s, *shape)


def clear_logits(
    s: Submission,
    *shape: int,
    top_p: float | None = None,
    min_p: float | None = None,
    before: Callable[[Tensor], Tensor] = Tensor.double,
) -> Tensor:
    """Random logits of which no rounding, and no choice among equals, decides what is kept.

    before  what happens to the logits before these thresholds are applied
    """
    while True:
        logits = random_logits(s, *shape)
        ordered = true_softmax(before(logits)).sort(dim=-1, descending=True).values
        sums, ratios = ordered.cumsum(-1), ordered / ordered[..., :1]
        gaps = logits.sort(dim=-1).values.diff(dim=-1)
        if far_from(0.0, gaps) and far_from(top_p, sums) and far_from(min_p, ratios):
            return logits


def far_from(threshold: float | None, values: Tensor) -> bool:
    """Whether float32 puts each of the values on the same side of a threshold as float64 does."""
    return threshold is None or bool(((values - threshold).abs() > CLEAR).all())
