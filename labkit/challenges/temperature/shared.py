"""What several challenges share.

Lesson 05, Temperature and sampling: what is right, the mistakes known by name, the hints.

Expected values come from float64 NumPy and, once per challenge, from transformers' own logits
processors; never from the learner or from the reference solution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.grading import Submission

INF = float("inf")


NO_IDS: Any = torch.empty(0, dtype=torch.long)  # transformers' processors want the prompt's ids


CLEAR = 1e-5  # many times what sums of float32 probabilities are off by


def true_softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Probabilities along the last dimension, float64; temperature 0 is argmax, first of ties."""
    rows = [row_softmax(row, temperature) for row in as_rows(logits)]
    return torch.from_numpy(np.stack(rows)).reshape(logits.shape)


def row_softmax(row: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of one row."""
    if temperature == 0:
        return np.eye(len(row))[np.argmax(row)]
    weights = np.exp((row - row.max()) / temperature)
    return weights / weights.sum()


def true_top_p(logits: Tensor, top_p: float) -> Tensor:
    """The logits with -inf outside the nucleus: take tokens from the top until they hold top_p."""
    return keep_by_row(logits, lambda row: nucleus(row_softmax(row, 1.0), top_p))


def nucleus(probabilities: np.ndarray, top_p: float) -> list[int]:
    """The token ids of the smallest set that holds at least top_p, and at least one token."""
    kept: list[int] = []
    for token in np.argsort(-probabilities, kind="stable"):
        if kept and top_p < 1 and probabilities[kept].sum() >= top_p:
            break
        kept.append(int(token))
    return kept


def true_min_p(logits: Tensor, min_p: float) -> Tensor:
    """The logits with -inf where the odds against the best token are longer than min_p."""
    return keep_by_row(logits, lambda row: np.exp(row - row.max()) >= min_p)


def keep_by_row(logits: Tensor, choose: Callable[[np.ndarray], Any]) -> Tensor:
    """A copy of the logits with -inf where a row's choice does not fall."""
    rows = as_rows(logits)
    kept = np.full_like(rows, -INF)
    for row, out in zip(rows, kept, strict=True):
        chosen = choose(row)
        out[chosen] = row[chosen]
    return torch.from_numpy(kept).reshape(logits.shape)


def as_rows(logits: Tensor) -> np.ndarray:
    """(rows, vocab) float64, whatever the leading dimensions are."""
    return logits.double().reshape(-1, logits.shape[-1]).numpy()


def random_logits(s: Submission, *shape: int, spread: float = 2.0) -> Tensor:
    """Normal logits from the check's own generator."""
    return spread * torch.randn(*shape, generator=s.generator)


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


def log_of(*probabilities: float) -> Tensor:
    """Logits whose softmax is these probabilities."""
    return torch.tensor(probabilities).log()


def cut_by_mass(
    logits: Tensor, outside: Callable[[Tensor], Tensor], at_least_one: bool = True
) -> Tensor:
    """Sort downwards, mark what is outside by its sorted probabilities, and put the marks back."""
    ordered, order = logits.sort(dim=-1, descending=True)
    marks = outside(ordered.double().softmax(-1))
    if at_least_one:
        marks[..., 0] = False
    return logits.masked_fill(marks.scatter(-1, order, marks), -INF)


def mass_before(probabilities: Tensor) -> Tensor:
    return probabilities.cumsum(-1) - probabilities


def nothing_filtered(logits: Tensor, threshold: float) -> Tensor:
    return logits.clone()


def right_top_p(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits.clone()
    return cut_by_mass(logits, lambda p: mass_before(p) >= top_p)


def right_min_p(logits: Tensor, min_p: float) -> Tensor:
    """A right answer by relative probability."""
    relative = torch.exp(logits - logits.amax(dim=-1, keepdim=True))
    return logits.masked_fill(relative < min_p, -INF)


# The library's own, to which the lesson proves the answers equal.
TRANSFORMERS = tuple(
    f"transformers.generation.logits_process.{name}"
    for name in (
        "TemperatureLogitsWarper",
        "TopKLogitsWarper",
        "TopPLogitsWarper",
        "MinPLogitsWarper",
        "LogitsProcessorList",
    )
)
