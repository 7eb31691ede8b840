"""What the checks hold for true, row by row in float64 NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

INF = float("inf")


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


def true_top_k(logits: Tensor, top_k: int) -> Tensor:
    """The logits with -inf below the top_k largest; 0 keeps all."""
    return keep_by_row(logits, lambda row: np.argsort(-row)[: top_k or None])


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
