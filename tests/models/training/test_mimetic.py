"""The mimetic start: heads that look back by place, and a model that can look a name up at once."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from labkit.models.training.mimetic import mimetic_


def llama(**settings: object) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=256, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=4, vocab_size=300, tie_word_embeddings=True,
        **{"attention_bias": True, **settings},
    )  # fmt: skip
    return LlamaForCausalLM(config)


def test_each_head_of_the_first_layer_looks_one_place_further_back() -> None:
    model = llama(attn_implementation="eager")
    mimetic_(model)
    ids = torch.randint(0, 300, (2, 40))
    attention = model(ids, output_attentions=True).attentions[0]  # (rows, heads, to, from)
    for head in range(4):
        back = torch.arange(10, 40) - (head + 1)
        at_home = attention[:, head, torch.arange(10, 40), back]
        assert at_home.mean() > 0.7, f"head {head}"


def test_like_finds_like_in_later_layers() -> None:
    model = llama()
    mimetic_(model)
    for layer in model.model.layers[1:]:
        assert torch.equal(layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight)


def test_it_needs_biases() -> None:
    with pytest.raises(ValueError, match="attention_bias"):
        mimetic_(llama(attention_bias=False))
