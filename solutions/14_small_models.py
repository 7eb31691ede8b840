"""Reference answers of lesson 14, small models: one plain function per challenge."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.nn import functional as F

GIB = 2**30


def distillation_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """How far a student's next-token distribution is from its teacher's, softened.

    student_logits  (tokens, vocabulary) of any floating dtype
    teacher_logits  the same shape, else a ValueError: another vocabulary means other tokens.
                    It may hold -inf: a token that the teacher rules out
    temperature     both are divided by it before their softmax; 0 or below is a ValueError
    returns         temperature² · KL(teacher || student), in nats: summed over the vocabulary, the
                    mean over tokens (torch's reduction "batchmean"); a float32 tensor of no
                    dimension, from which a gradient leads back to student_logits. No token is a
                    ValueError

    KL(p || q) is the sum of p · (log p - log q). Teacher [0.5, 0.5], student [0.25, 0.75],
    temperature 1: 0.5 · log 2 + 0.5 · log 2/3  →  tensor(0.1438)
    """
    if student_logits.shape != teacher_logits.shape or not len(student_logits):
        shapes = f"{list(student_logits.shape)} and {list(teacher_logits.shape)}"
        raise ValueError(f"the shapes are {shapes}: give the same shape, with one token at least")
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}: give more than 0")
    student = (student_logits.float() / temperature).log_softmax(-1)
    teacher = (teacher_logits.float() / temperature).softmax(-1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean")


def pareto_frontier(models: dict[str, tuple[float, float]]) -> list[str]:
    """The models that are worth a look: no other one is as fast and as good, and better in one.

    models   for each name (milliseconds, quality): few milliseconds and much quality are good. NaN
             in either is a ValueError. There may be no model
    returns  names, the fastest first. Two models with the same two numbers don't beat each other:
             both are on the frontier or neither is, in the order of `models`

    {"large": (90, 0.8), "small": (20, 0.7), "old": (40, 0.6)}  →  ["small", "large"]
    """
    if any(math.isnan(number) for pair in models.values() for number in pair):
        raise ValueError("a number is NaN: it can't be compared; measure it, or leave it out")

    def beaten(mine: tuple[float, float]) -> bool:
        """Whether another pair is as good in both numbers."""
        return any(
            pair[0] <= mine[0] and pair[1] >= mine[1] and pair != mine for pair in models.values()
        )

    return [name for name in sorted(models, key=lambda n: models[n][0]) if not beaten(models[name])]


def memory_fit(
    config: dict[str, Any],
    parameters: int,
    bits: float,
    tokens: int,
    memory_gib: float,
    overhead_gib: float,
) -> dict[str, Any]:
    """Whether a model with its KV cache fits into a memory.

    config        as in a config.json: num_hidden_layers, num_attention_heads, hidden_size,
                  num_key_value_heads, and head_dim (absent: hidden_size / attention heads, which
                  leaves no rest)
    parameters    of the whole model: all experts, for a mixture
    bits          for each weight, with the scales of its quantization: 16, or 4.5. 0 or below is a
                  ValueError
    tokens        in the cache, which keeps 2-byte numbers: a key and a value for each token, layer
                  and key-value head
    memory_gib    what there is, and
    overhead_gib  what the system and the program take of it; in GiB of 2**30 bytes
    returns       {"weights": bytes, "cache": bytes, "fits": bool}, bytes as int or float, to less
                  than one: it fits where weights, cache and overhead together are no more than the
                  memory

    Llama-2-7B (6,738,415,616 parameters) at 4.5 bits with 4,096 tokens: 3.53 + 2 GiB fit into 8
    with 1 of overhead.
    """
    if bits <= 0:
        raise ValueError(f"bits is {bits}: give more than 0 bits for a weight")
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    numbers = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * head_dim
    weights, cache = parameters * bits / 8, 2 * numbers * tokens
    needed = weights + cache + overhead_gib * GIB
    return {"weights": weights, "cache": cache, "fits": needed <= memory_gib * GIB}
