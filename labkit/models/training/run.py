"""A training run: the model, its optimizers, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models.training.recipes import Recipe


@dataclass
class Run:
    """`tokenizer` is a processor where the model also reads pictures; `losses` are pairs of step
    and loss, in nats per token."""

    recipe: Recipe
    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    optimizers: tuple[torch.optim.Optimizer, ...]
    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        return self.model.device
