"""A start that is ready to look things up: mimetic initialization (arXiv:2305.09828).

A name is bound to its value by a chain of attention heads: one brings the name to the value that
follows it, a later one compares names, and then copies the value. From the usual random start each
link waits for the others, and a small model stays for millions of tokens at "any value of the right
type". So the links are there from the start, faintly, and training sharpens them:

- heads of the first layer look 1, 2, 3, 4 tokens back (by their biases), and all bring what they
  find there in the same code;
- queries equal keys, so like finds like;
- later layers write what they read (output = value transposed), so what is attended to is copied.

Nothing is frozen: these are starting values like any others.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention

SHARPNESS, FREQUENCIES, CONTENT = 5.0, 4, 0.3


@torch.no_grad()
def mimetic_(model: LlamaForCausalLM) -> None:
    """Draws a Llama's weights anew, from torch's global generator; needs `attention_bias`."""
    if not model.config.attention_bias:
        raise ValueError("A mimetic start needs attention_bias=True: the heads look back by it.")
    for name, p in model.named_parameters():
        if p.ndim == 2:
            halved = name.endswith(("o_proj.weight", "down_proj.weight"))
            torch.nn.init.normal_(p, std=(0.5 if halved else 1.0) / math.sqrt(p.shape[1]))
    first, *later = (layer.self_attn for layer in model.model.layers)
    look_back_(first, model.config.num_attention_heads)
    for attention in later:
        attention.k_proj.weight.copy_(attention.q_proj.weight)
        attention.o_proj.weight.copy_(attention.v_proj.weight.T)


def look_back_(attention: LlamaAttention, heads: int) -> None:
    """Head i attends to the token i + 1 places back, whatever stands there."""
    size = attention.head_dim
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        attention.k_proj.bias[part] = rotated_constant(size, 0)
        attention.q_proj.bias[part] = rotated_constant(size, -(head + 1))
        attention.k_proj.weight[part] = attention.q_proj.weight[part].mul_(CONTENT)
        attention.v_proj.weight[part] = attention.v_proj.weight[:size]
        attention.o_proj.weight[:, part] = attention.o_proj.weight[:, :size]


def rotated_constant(size: int, offset: int) -> Tensor:
    """A vector of a head as rotary position embedding leaves it after `offset` positions; two of
    them have the largest product when their offsets are equal. (size,)"""
    angles = offset * 10_000 ** (-torch.arange(0, size, 2)[:FREQUENCIES] / size)
    length = math.sqrt(SHARPNESS * math.sqrt(size))
    vector = torch.zeros(size)
    vector[:FREQUENCIES] = length * angles.cos()
    vector[size // 2 : size // 2 + FREQUENCIES] = length * angles.sin()
    return vector
