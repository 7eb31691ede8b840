"""The reference answers of the six."""

from __future__ import annotations

from itertools import pairwise

import torch


def softmax(logits: torch.Tensor) -> torch.Tensor:
    """What the logits say as probabilities."""
    weights = torch.exp(logits - logits.max())
    return weights / weights.sum()


def causal_mask(size: int) -> torch.Tensor:
    """True where a token may look."""
    return torch.tril(torch.ones(size, size, dtype=torch.bool))


def top_k(values: list[int], k: int) -> list[int]:
    """The k largest, the largest first."""
    return sorted(values, reverse=True)[:k]


def pair_counts(tokens: list[int]) -> dict[str, int]:
    """How often each pair of neighbours is there."""
    counts: dict[str, int] = {}
    for a, b in pairwise(tokens):
        counts[f"{a},{b}"] = counts.get(f"{a},{b}", 0) + 1
    return counts


def warm_up(step: int, steps: int, peak: float) -> float:
    """The learning rate at a step."""
    return peak * min(1.0, (step + 1) / steps)


def lora_count(rows: int, columns: int, rank: int) -> int:
    """Parameters of a LoRA adapter."""
    return rank * (rows + columns)
