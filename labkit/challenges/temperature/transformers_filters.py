"""transformers' own filters, to which answers are compared, and which are no answer themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.models.generation import filters

WARPERS = tuple(
    f"transformers.generation.logits_process.{name}"
    for name in (
        "TemperatureLogitsWarper",
        "TopKLogitsWarper",
        "TopPLogitsWarper",
        "MinPLogitsWarper",
        "LogitsProcessorList",
    )
)


def filtered(logits: Tensor, top_p: float | None = None, min_p: float | None = None) -> Tensor:
    """The library's own answer, (rows, vocab): -inf for what these thresholds leave out."""
    return filters(top_p=top_p, min_p=min_p)(torch.LongTensor(1, 0), logits)
