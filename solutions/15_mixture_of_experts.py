"""Reference answers of lesson 15, mixture of experts: one plain function per challenge."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def top_k_router(router_logits: Tensor, k: int, norm_topk_prob: bool) -> tuple[Tensor, Tensor]:
    """Which experts each token goes to, and how much each of them counts.

    router_logits   (tokens, experts), any floating dtype; there may be no token
    k               experts per token; below 1 or above the number of experts is a ValueError
    norm_topk_prob  whether a token's k weights are scaled to sum to 1. True is Mixtral's way;
                    OLMoE's is False, and what goes to experts that were not chosen is lost
    returns         (weights, experts): each token's k largest softmax probabilities, taken over
                    all experts in float32, and the experts' numbers; (tokens, k) float32 and
                    int64, largest first

    The logits of a token are the logarithms of 0.5, 0.2 and 0.3, and k is 2:
    True  →  weights [[0.625, 0.375]], experts [[0, 2]];  False  →  weights [[0.5, 0.3]]
    """
    experts = router_logits.shape[-1]
    if not 1 <= k <= experts:
        raise ValueError(f"k is {k}: give 1 to {experts}, the number of experts")
    weights, chosen = router_logits.float().softmax(dim=-1).topk(k, dim=-1)
    if norm_topk_prob:
        weights = weights / weights.sum(dim=-1, keepdim=True)
    return weights, chosen


def load_balancing_loss(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    """How unevenly the tokens of a batch are spread over the experts, in a form that can be learnt.

    router_logits   one (tokens, experts) tensor for each layer, float32; one layer at least
    k               experts per token; below 1 or above the number of experts is a ValueError
    attention_mask  (tokens,) 1 for a token, 0 for padding, the same for every layer; None: all
                    are tokens
    returns         a tensor of no dimension, from which a gradient leads back to the logits:
                    experts · sum over the experts of f · p, where
                    f  choices of that expert for each token: a token makes k of them
                    p  mean softmax probability of that expert
                    both over the tokens of all layers together, without padding. k when even.
                    Where there is no token, or padding only, a ValueError

    One layer, logits of probabilities [0.9, 0.1] for each token, k 1: 2 · (1 · 0.9 + 0 · 0.1)
    →  tensor(1.8)
    """
    probabilities = torch.cat(router_logits).softmax(dim=-1)
    if attention_mask is not None:
        probabilities = probabilities[attention_mask.bool().repeat(len(router_logits))]
    tokens, experts = probabilities.shape
    if not tokens:
        raise ValueError("there is no token: the batch is empty, or all of it is padding")
    if not 1 <= k <= experts:
        raise ValueError(f"k is {k}: give 1 to {experts}, the number of experts")
    chosen = probabilities.topk(k, dim=-1).indices
    choices = F.one_hot(chosen, experts).sum(dim=1).float().mean(dim=0)
    return experts * (choices * probabilities.mean(dim=0)).sum()


def sparse_experts(
    hidden_states: Tensor,
    top_k_index: Tensor,
    top_k_weights: Tensor,
    gate_up_proj: Tensor,
    down_proj: Tensor,
) -> Tensor:
    """The layer of experts, where each expert works on its own tokens only.

    hidden_states  (tokens, hidden) float32; there may be no token
    top_k_index    (tokens, k) int64, the experts of each token, all different; a number that is
                   no expert's is a ValueError
    top_k_weights  (tokens, k) float32, what each of them counts
    gate_up_proj   (experts, 2 · inner, hidden): for each expert `inner` rows of the gate, then as
                   many of the up projection
    down_proj      (experts, hidden, inner)
    returns        (tokens, hidden): the weighted sum of what the token's experts say, each
                   down(silu(gate(x)) · up(x)). An expert that nobody chose is not used at all

    x [[1, 2]] goes to expert 0 alone, with weight 0.5; its gate is [0, 1], its up [1, 1], its down
    [[1], [0]]: silu(2) · 3 = 5.285, times 0.5  →  tensor([[2.6424, 0.0]])
    """
    experts = len(gate_up_proj)
    if top_k_index.numel() and not 0 <= top_k_index.min() <= top_k_index.max() < experts:
        raise ValueError(f"there are {experts} experts, numbered from 0: a number is none of them")
    mixed = torch.zeros_like(hidden_states)
    for expert in top_k_index.unique().tolist():
        token, choice = torch.where(top_k_index == expert)
        gate, up = F.linear(hidden_states[token], gate_up_proj[expert]).chunk(2, dim=-1)
        said = F.linear(F.silu(gate) * up, down_proj[expert])
        mixed[token] += said * top_k_weights[token, choice, None]
    return mixed


def count_parameters(config: dict[str, Any]) -> dict[str, int]:
    """A mixture's weights, from its config.json: all of them, and those that one token uses.

    config   vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads,
             num_experts_per_tok, and
             num_local_experts or num_experts: either name
             moe_intermediate_size: an expert's inner size; where absent, intermediate_size is
             head_dim: where absent, hidden_size / num_attention_heads (which leaves no rest)
             tie_word_embeddings: where True, the output head is the embedding; absent is False
    returns  {"total": …, "active": …}: weights of embedding, output head, each layer's attention
             (query, key, value, output), router (hidden x experts) and experts (gate, up, down).
             Of the experts, num_experts_per_tok are active; all else always is. Norms and biases
             are left out: less than one weight in ten thousand.
             More experts per token than there are, or fewer than 1, is a ValueError

    Mixtral 8x7B: 46.7 billion in all, 12.9 billion for a token.
    """
    experts = config.get("num_local_experts") or config["num_experts"]
    chosen = config["num_experts_per_tok"]
    if not 1 <= chosen <= experts:
        raise ValueError(f"num_experts_per_tok is {chosen}: give 1 to {experts}, the experts")
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    head_dim = config.get("head_dim") or hidden // heads
    attention = 2 * hidden * head_dim * (heads + config["num_key_value_heads"])
    inner = config.get("moe_intermediate_size") or config["intermediate_size"]
    expert = 3 * hidden * inner
    vocabularies = 1 if config.get("tie_word_embeddings") else 2
    shared = vocabularies * config["vocab_size"] * hidden
    layers = config["num_hidden_layers"]
    shared += layers * (attention + hidden * experts)
    return {
        "total": shared + layers * experts * expert,
        "active": shared + layers * chosen * expert,
    }
