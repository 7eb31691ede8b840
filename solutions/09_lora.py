"""Reference answers of lesson 09, LoRA: one plain function per challenge."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def start_adapter(weight: Tensor, rank: int, uniform: Tensor) -> dict[str, Tensor]:
    """The two matrices of a fresh adapter for a linear layer, which at first changes nothing.

    weight   (out, in) of the frozen layer, float32; left as it is
    rank     1 or more; below is a ValueError
    uniform  (rank, in) draws from [0, 1), the only random numbers; left as they are. Stretched
             to between -1/sqrt(in) and 1/sqrt(in), as torch starts a linear layer, they are the
             matrix that starts at random
    returns  {"lora_A": (rank, in), "lora_B": (out, rank)}, float32; B times A is all zeros, and
             the first gradient must reach one of the two

    start_adapter(torch.ones(3, 4), 1, torch.tensor([[0.0, 0.25, 0.5, 0.75]]))["lora_A"]
    →  tensor([[-0.5, -0.25, 0.0, 0.25]])
    """
    if rank < 1:
        raise ValueError(f"rank must be 1 or more, got {rank}")
    out_features, in_features = weight.shape
    bound = 1 / math.sqrt(in_features)
    return {
        "lora_A": (2 * uniform - 1) * bound,
        "lora_B": torch.zeros(out_features, rank),
    }


def lora_linear(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """A linear layer with a LoRA adapter beside it.

    x            (..., in) float32; left as it is, like the others
    weight, bias (out, in) and (out,): the frozen layer, x times weight transposed plus bias
    lora_A       (rank, in), lora_B (out, rank): x goes through A, then through B
    lora_alpha   the adapter's answer is scaled by lora_alpha / rank
    returns      (..., out) the layer's answer plus the adapter's

    With x [1, 2], weight [[1, 0]], bias [0.5], lora_A [[1, 1]], lora_B [[2]] and lora_alpha 3:
    1.5 + 3/1 · 2 · 3  →  tensor([19.5])
    """
    rank = lora_A.shape[0]
    frozen = x @ weight.T + bias
    return frozen + lora_alpha / rank * (x @ lora_A.T @ lora_B.T)


def trained_parameters(
    shapes: dict[str, list[int]], target_modules: list[str], rank: int
) -> dict[str, int]:
    """What is trained after adapters were put beside the targeted layers: names and counts.

    shapes          of every parameter by name, such as "layers.0.q_proj.weight": [out, in]
    target_modules  ends of layers' paths, in whole parts: "q_proj" means every layer of that name,
                    "0.q_proj" only those in a block 0; a piece of a part ("proj") means nothing
    rank            1 or more
    returns         for each targeted layer with a weight of two dimensions, in the order of
                    `shapes` and not of the targets: "PATH.lora_A.weight" and "PATH.lora_B.weight"
                    with their numbers of weights. The model's own weights and biases are frozen:
                    they are not there

    trained_parameters({"q_proj.weight": [4, 8], "q_proj.bias": [4]}, ["q_proj"], 2)
    →  {"q_proj.lora_A.weight": 16, "q_proj.lora_B.weight": 8}
    """
    found = {}
    for name, shape in shapes.items():
        path, _, kind = name.rpartition(".")
        wanted = any(f".{path}".endswith(f".{target}") for target in target_modules)
        if kind == "weight" and len(shape) == 2 and wanted:
            out_features, in_features = shape
            found[f"{path}.lora_A.weight"] = rank * in_features
            found[f"{path}.lora_B.weight"] = out_features * rank
    return found


def merge_adapter(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    """The weight of one plain linear layer that does what layer and adapter do together.

    weight      (out, in) float32, bfloat16 or float16; left as it is
    lora_A      (rank, in), lora_B (out, rank) float32; left as they are
    lora_alpha  the adapter's answer is scaled by lora_alpha / rank
    returns     (out, in) in the dtype of `weight`: multiplied and added up in float32, and
                rounded to that dtype once, at the end

    With weight [[1, 0]], lora_A [[1, 1]], lora_B [[2]] and lora_alpha 3  →  tensor([[7., 6.]])
    """
    rank = lora_A.shape[0]
    return (weight.float() + lora_alpha / rank * (lora_B @ lora_A)).to(weight.dtype)
