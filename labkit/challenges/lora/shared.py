"""What several challenges share.

Lesson 09, LoRA: what is right, the mistakes known by name, the hints.

Expected values come from float64 NumPy, written out sum by sum, and once for each challenge from
peft itself, with the same numbers in its layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from labkit.grading import Submission

OF_PEFT = ("peft.get_peft_model", "peft.inject_adapter_in_model", "peft.LoraConfig")


def exact(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def normal(s: Submission, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=s.generator)


@torch.no_grad()
def adapted(weight: Tensor, bias: Tensor, a: Tensor, b: Tensor, lora_alpha: float) -> Any:
    """A linear layer inside peft with an adapter of its own, all with these numbers."""
    config = LoraConfig(r=len(a), lora_alpha=lora_alpha, target_modules=["layer"])
    with torch.random.fork_rng(devices=[]):  # both draw numbers, which are overwritten here
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        both = get_peft_model(nn.ModuleDict({"layer": layer}), config).base_model.model["layer"]
    for theirs, ours in (
        (layer.weight, weight), (layer.bias, bias),
        (both.lora_A["default"].weight, a), (both.lora_B["default"].weight, b),
    ):  # fmt: skip
        theirs.copy_(ours)
    return both
