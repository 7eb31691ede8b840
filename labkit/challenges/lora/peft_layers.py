"""peft's own layer with given numbers in it, and what of peft would do a whole task."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

OF_PEFT = ("peft.get_peft_model", "peft.inject_adapter_in_model", "peft.LoraConfig")


@torch.no_grad()
def peft_layer(weight: Tensor, bias: Tensor, a: Tensor, b: Tensor, lora_alpha: float) -> Any:
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
