"""Reference answers of lesson 05, Temperature and sampling: one plain function per challenge."""

from __future__ import annotations

import torch
from torch import Tensor


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Turn logits into probabilities: sharper below temperature 1, flatter above it.

    logits       (..., vocab) of any floating dtype, as large as 1e4; left as it is
    temperature  divides the logits; 0 gives all probability to the largest logit (the first
                 of equal ones); below 0 is a ValueError
    returns      (..., vocab) float32, each row along the last dimension sums to 1

    apply_temperature(torch.tensor([2.0, 1.0, 0.0]), 0.5)  →  tensor([0.8668, 0.1173, 0.0159])
    """
    if temperature < 0:
        raise ValueError(f"temperature must be 0 or more, got {temperature}")
    logits = logits.float()
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).float()
    below_largest = logits - logits.amax(dim=-1, keepdim=True)  # at most 0: exp can't overflow
    weights = torch.exp(below_largest / temperature)
    return weights / weights.sum(dim=-1, keepdim=True)


def top_p_filter(logits: Tensor, top_p: float) -> Tensor:
    """Keep the nucleus: the smallest set of most probable tokens that holds top_p in all.

    logits   (..., vocab) float32; left as it is
    top_p    0 to 1; the token that crosses top_p is kept, so at least one is; of equal tokens
             only as many as are needed; 1 keeps every token, however improbable
    returns  (..., vocab) the logits in their places, -inf outside the nucleus

    For probabilities 0.5, 0.3, 0.2 and top_p=0.7 the first two are kept.
    """
    if top_p >= 1:
        return logits.clone()  # rounding could drop the last tokens below
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(dim=-1)
    mass_before = probabilities.cumsum(dim=-1) - probabilities
    outside = mass_before >= top_p
    outside[..., 0] = False
    return logits.masked_fill(outside.scatter(-1, order, outside), -torch.inf)


def min_p_filter(logits: Tensor, min_p: float) -> Tensor:
    """Keep the tokens that are at least min_p times as probable as the most probable one.

    logits   (..., vocab) float32; left as it is
    min_p    0 to 1; 0 keeps every token, 1 only the most probable (and its equals)
    returns  (..., vocab) the logits in their places, -inf for the others

    For probabilities 0.6, 0.3, 0.1 and min_p=0.4 the threshold is 0.24: the first two are kept.
    """
    probabilities = logits.softmax(dim=-1)
    threshold = min_p * probabilities.amax(dim=-1, keepdim=True)
    return logits.masked_fill(probabilities < threshold, -torch.inf)


def sample_next(
    logits: Tensor,
    uniform: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> Tensor:
    """Draw next tokens: temperature, then top-k, top-p and min-p, then one token per draw.

    logits       (vocab,) float32
    uniform      (n,) float32 independent draws from [0, 1); each picks one token, so that the
                 same draws always give the same tokens
    temperature  0 picks the largest logit every time, the first of equal ones
    top_k        how many of the largest logits are kept, as many as there are at most; 0 keeps
                 all; logits equal to the last one kept may stay or go
    top_p, min_p as in top_p_filter and min_p_filter
    returns      (n,) int64 token ids

    For probabilities 0.5, 0.3, 0.2 the draw 0.65 picks token 1: it lies between 0.5 and 0.8.
    """
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    scaled = logits / temperature
    if top_k > 0:
        smallest_kept = scaled.topk(min(top_k, len(scaled))).values[-1]
        scaled = scaled.masked_fill(scaled < smallest_kept, -torch.inf)
    kept = min_p_filter(top_p_filter(scaled, top_p), min_p)
    cumulative = kept.softmax(dim=-1).cumsum(dim=-1)
    cumulative = cumulative / cumulative[-1]  # ends at exactly 1, above every draw
    return torch.searchsorted(cumulative, uniform, right=True)
