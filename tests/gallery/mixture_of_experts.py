"""Answers to the challenges of lesson 15 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges. A wrong one names the mistake that must be
diagnosed; where it names none, the general message has to do.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import (
    MixtralExperts,
    MixtralTopKRouter,
    load_balancing_loss_func,
)

from tests.gallery.answers import Gallery

gallery = Gallery()

# ---------------------------------------------------------------- top_k_router, right


def check_k(k, n):
    if not (isinstance(k, int) and 0 < k <= n):
        raise ValueError(f"{k} of {n} experts")


@gallery.right("top_k_router")
def r_mixtral(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.shape[1])
    probs = F.softmax(router_logits, dim=1, dtype=torch.float)
    top, idx = torch.topk(probs, k, dim=1)
    if norm_topk_prob:
        top = top / top.sum(dim=1, keepdim=True)
    return top, idx


@gallery.right("top_k_router")
def r_branches(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.size(-1))
    logits = router_logits.to(torch.float32)
    values, indices = torch.topk(logits, k)
    if norm_topk_prob:
        return torch.softmax(values, dim=-1), indices
    return torch.softmax(logits, dim=-1).gather(-1, indices), indices


@gallery.right("top_k_router")
def r_numpy(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.shape[1])
    logits = router_logits.float().numpy()
    powers = np.exp(logits - logits.max(1, keepdims=True))
    p = powers / powers.sum(1, keepdims=True)
    idx = np.argsort(-p, axis=1, kind="stable")[:, :k]
    top = np.take_along_axis(p, idx, 1)
    if norm_topk_prob:
        top = top / top.sum(1, keepdims=True)
    return torch.from_numpy(top), torch.from_numpy(idx)


@gallery.right("top_k_router")
def r_lists_of_pairs(router_logits, k, norm_topk_prob):
    tokens, experts = router_logits.shape
    if k not in range(1, experts + 1):
        raise ValueError(k)
    weights, numbers = torch.zeros(tokens, k), torch.zeros(tokens, k, dtype=torch.int64)
    for t, row in enumerate(torch.softmax(router_logits.double(), -1).tolist()):
        best = sorted(((p, e) for e, p in enumerate(row)), reverse=True)[:k]
        whole = sum(p for p, _ in best) if norm_topk_prob else 1
        for j, (p, e) in enumerate(best):
            weights[t, j], numbers[t, j] = p / whole, e
    return weights, numbers


# ---------------------------------------------------------------- top_k_router, refused


@gallery.refused("top_k_router")
def r_transformers(router_logits, k, norm_topk_prob):
    n = router_logits.shape[-1]
    config = MixtralConfig(hidden_size=n, num_local_experts=n, num_experts_per_tok=k)
    router = MixtralTopKRouter(config)
    router.weight.data = torch.eye(n)
    return router(router_logits.float())[1:]


# ---------------------------------------------------------------- top_k_router, wrong


@gallery.wrong("top_k_router", "softmax-after-top-k")
def r_gpt_oss(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.size(-1))
    values, indices = router_logits.float().topk(k)
    return values.softmax(-1), indices


@gallery.wrong("top_k_router", "softmax-before-top-k-only")
def r_switch(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.size(-1))
    probs = router_logits.float().softmax(-1)
    found = probs.topk(k)
    return found.values, found.indices


@gallery.wrong("top_k_router", "turned-round")
def r_not_norm(router_logits, k, norm_topk_prob):
    return r_mixtral(router_logits, k, not norm_topk_prob)


@gallery.wrong("top_k_router", "softmax-twice")
def r_softmax_softmax(router_logits, k, norm_topk_prob):
    weights, indices = r_switch(router_logits, k, norm_topk_prob)
    if norm_topk_prob:
        weights = F.softmax(weights, dim=-1)
    return weights, indices


@gallery.wrong("top_k_router", "no-softmax")
def r_logits(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.size(-1))
    values, indices = router_logits.float().topk(k)
    if norm_topk_prob:
        values = values / values.sum(-1, keepdim=True)
    return values, indices


@gallery.wrong("top_k_router", "sigmoid")
def r_deepseek(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.size(-1))
    values, indices = torch.sigmoid(router_logits.float()).topk(k)
    if norm_topk_prob:
        values = values / values.sum(-1, keepdim=True)
    return values, indices


@gallery.wrong("top_k_router", "softmax-over-tokens")
def r_dim_zero(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.size(-1))
    values, indices = torch.softmax(router_logits.float(), dim=0).topk(k)
    if norm_topk_prob:
        values = values / values.sum(-1, keepdim=True)
    return values, indices


@gallery.wrong("top_k_router", "scaled-over-tokens")
def r_sum_zero(router_logits, k, norm_topk_prob):
    weights, indices = r_switch(router_logits, k, norm_topk_prob)
    return (weights / weights.sum(dim=0) if norm_topk_prob else weights), indices


@gallery.wrong("top_k_router", "smallest")
def r_lowest(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.size(-1))
    probs = torch.softmax(router_logits.float(), dim=-1)
    indices = probs.argsort(dim=-1)[:, :k]
    weights = probs.gather(1, indices)
    if norm_topk_prob:
        weights = weights / weights.sum(-1, keepdim=True)
    return weights, indices


@gallery.wrong("top_k_router", "ordered-by-number")
def r_sorted(router_logits, k, norm_topk_prob):
    weights, indices = r_mixtral(router_logits, k, norm_topk_prob)
    order = indices.argsort(dim=1)
    return weights.gather(1, order), indices.gather(1, order)


@gallery.wrong("top_k_router", "whole-rows")
def r_dense(router_logits, k, norm_topk_prob):
    weights, indices = r_mixtral(router_logits, k, norm_topk_prob)
    dense = torch.zeros(router_logits.shape)
    dense.scatter_(1, indices, weights)
    return dense, indices


@gallery.wrong("top_k_router", "other-order")
def r_swapped(router_logits, k, norm_topk_prob):
    weights, indices = r_mixtral(router_logits, k, norm_topk_prob)
    return indices, weights


@gallery.wrong("top_k_router", "in-the-logits-dtype")
def r_bf16(router_logits, k, norm_topk_prob):
    check_k(k, router_logits.size(-1))
    probs = F.softmax(router_logits, dim=-1)
    weights, indices = probs.topk(k)
    if norm_topk_prob:
        weights = weights / weights.sum(dim=-1, keepdim=True)
    return weights, indices


@gallery.wrong("top_k_router", "k-cut-to-fit")
def r_min(router_logits, k, norm_topk_prob):
    return r_mixtral(router_logits, min(max(1, k), router_logits.size(-1)), norm_topk_prob)


@gallery.wrong("top_k_router", "k-unchecked")
def r_trusting(router_logits, k, norm_topk_prob):
    weights, indices = torch.softmax(router_logits.float(), dim=-1).topk(k)
    if norm_topk_prob:
        weights = weights / weights.sum(dim=-1, keepdim=True)
    return weights, indices


@gallery.wrong("top_k_router")
def r_lists(router_logits, k, norm_topk_prob):
    weights, indices = r_mixtral(router_logits, k, norm_topk_prob)
    return weights.tolist(), indices.tolist()


# ---------------------------------------------------------------- load_balancing_loss, right


def rows_of(router_logits, attention_mask):
    logits = torch.cat(list(router_logits), dim=0)
    if attention_mask is not None:
        logits = logits[torch.cat([attention_mask] * len(router_logits)).bool()]
    if logits.shape[0] == 0:
        raise ValueError("no tokens")
    return logits


def hot(probs, k):
    return F.one_hot(probs.topk(k).indices, probs.shape[-1]).float()


@gallery.right("load_balancing_loss")
def b_hf(router_logits, k, attention_mask=None):
    logits = rows_of(router_logits, attention_mask)
    n = logits.shape[-1]
    check_k(k, n)
    probs = F.softmax(logits, dim=-1)
    tokens_per_expert = hot(probs, k).mean(0)  # (k, experts), as Mixtral's first version had it
    return torch.sum(tokens_per_expert * probs.mean(0).unsqueeze(0)) * n


@gallery.right("load_balancing_loss")
def b_bincount(router_logits, k, attention_mask=None):
    logits = rows_of(router_logits, attention_mask)
    tokens, n = logits.shape
    check_k(k, n)
    probs = logits.softmax(1)
    f = torch.bincount(probs.topk(k, 1)[1].flatten(), minlength=n) / tokens
    return n * torch.dot(f, probs.sum(0) / tokens)


@gallery.right("load_balancing_loss")
def b_loops(router_logits, k, attention_mask=None):
    n = router_logits[0].shape[-1]
    check_k(k, n)
    counted, likely, tokens = [0] * n, [0.0] * n, 0
    for layer in router_logits:
        for t, row in enumerate(layer):
            if attention_mask is not None and not attention_mask[t]:
                continue
            tokens += 1
            p = torch.softmax(row, 0)
            for e in torch.topk(row, k).indices.tolist():
                counted[e] += 1
            likely = [a + b for a, b in zip(likely, p, strict=True)]
    if tokens == 0:
        raise ValueError("no tokens")
    return n * sum(c / tokens * p / tokens for c, p in zip(counted, likely, strict=True))


# ---------------------------------------------------------------- load_balancing_loss, refused


@gallery.refused("load_balancing_loss")
def b_transformers(router_logits, k, attention_mask=None):
    return load_balancing_loss_func(
        tuple(router_logits), len(router_logits[0][0]), k, attention_mask
    )


# ---------------------------------------------------------------- load_balancing_loss, wrong


def b_custom(router_logits, k, attention_mask, loss):
    logits = rows_of(router_logits, attention_mask)
    check_k(k, logits.shape[-1])
    probs = logits.softmax(-1)
    return loss(probs, hot(probs, k).sum(1), logits.shape[-1])


@gallery.wrong("load_balancing_loss", "experts-forgotten")
def b_no_n(router_logits, k, attention_mask=None):
    return b_custom(router_logits, k, attention_mask, lambda p, c, n: (c.mean(0) * p.mean(0)).sum())


@gallery.wrong("load_balancing_loss", "divided-by-k")
def b_shares(router_logits, k, attention_mask=None):
    return b_custom(
        router_logits, k, attention_mask, lambda p, c, n: n * (c.sum(0) / c.sum() * p.mean(0)).sum()
    )


@gallery.wrong("load_balancing_loss", "first-choice-only")
def b_argmax(router_logits, k, attention_mask=None):
    return b_custom(
        router_logits, k, attention_mask,
        lambda p, c, n: n * (F.one_hot(p.argmax(-1), n).float().mean(0) * p.mean(0)).sum(),
    )  # fmt: skip


@gallery.wrong("load_balancing_loss", "chances-squared")
def b_probs(router_logits, k, attention_mask=None):
    return b_custom(
        router_logits, k, attention_mask, lambda p, c, n: n * k * (p.mean(0) ** 2).sum()
    )


@gallery.wrong("load_balancing_loss", "choices-squared")
def b_counts(router_logits, k, attention_mask=None):
    return b_custom(
        router_logits, k, attention_mask, lambda p, c, n: n * (c.mean(0) ** 2).sum() / k
    )


@gallery.wrong("load_balancing_loss", "token-by-token")
def b_per_token(router_logits, k, attention_mask=None):
    return b_custom(router_logits, k, attention_mask, lambda p, c, n: n * (c * p).mean(0).sum())


@gallery.wrong("load_balancing_loss", "sums")
def b_sum(router_logits, k, attention_mask=None):
    return b_custom(router_logits, k, attention_mask, lambda p, c, n: n * (c.sum(0) @ p.sum(0)))


@gallery.wrong("load_balancing_loss", "mean-over-experts")
def b_mean(router_logits, k, attention_mask=None):
    return b_custom(
        router_logits, k, attention_mask, lambda p, c, n: (c.mean(0) * p.mean(0)).mean()
    )


@gallery.wrong("load_balancing_loss", "layer-by-layer")
def b_layers(router_logits, k, attention_mask=None):
    each = [b_hf([layer], k, attention_mask) for layer in router_logits]
    return sum(each) / len(each)


@gallery.wrong("load_balancing_loss", "last-layer-only")
def b_last(router_logits, k, attention_mask=None):
    return b_hf([router_logits[-1]], k, attention_mask)


@gallery.wrong("load_balancing_loss", "padding-counted")
def b_no_mask(router_logits, k, attention_mask=None):
    if attention_mask is not None and attention_mask.sum() == 0:
        raise ValueError("padding")
    return b_hf(router_logits, k)


@gallery.wrong("load_balancing_loss", "padding-in-the-count")
def b_masked_sums(router_logits, k, attention_mask=None):
    whole = b_hf(router_logits, k, attention_mask)
    if attention_mask is None:
        return whole
    real = attention_mask.sum() / len(attention_mask)
    return whole * real * real


@gallery.wrong("load_balancing_loss", "empty-unchecked")
def b_nan(router_logits, k, attention_mask=None):
    logits = torch.cat(list(router_logits), dim=0)
    if attention_mask is not None:
        logits = logits[attention_mask.repeat(len(router_logits)) > 0]
    check_k(k, logits.shape[-1])
    probs = logits.softmax(-1)
    return logits.shape[-1] * (hot(probs, k).sum(1).mean(0) * probs.mean(0)).sum()


@gallery.wrong("load_balancing_loss", "k-unchecked")
def b_any_k(router_logits, k, attention_mask=None):
    logits = rows_of(router_logits, attention_mask)
    n = logits.shape[-1]
    probs = F.softmax(logits, dim=-1)
    return n * (hot(probs, k).sum(1).mean(0) * probs.mean(0)).sum()


@gallery.wrong("load_balancing_loss", "no-gradient")
def b_detached(router_logits, k, attention_mask=None):
    with torch.no_grad():
        return b_hf(router_logits, k, attention_mask)


@gallery.wrong("load_balancing_loss", "no-gradient")
def b_items(router_logits, k, attention_mask=None):
    return torch.tensor(b_bincount(router_logits, k, attention_mask).item())


@gallery.wrong("load_balancing_loss")
def b_float(router_logits, k, attention_mask=None):
    return b_hf(router_logits, k, attention_mask).item()


# ---------------------------------------------------------------- sparse_experts, right


def mlp(x, gate_up, down):
    gate, up = F.linear(x, gate_up).chunk(2, dim=-1)
    return F.linear(F.silu(gate) * up, down)


def check_index(index, n):
    if index.numel() and (index.min() < 0 or index.max() >= n):
        raise ValueError("no such expert")


@gallery.right("sparse_experts")
def e_mask(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    n = gate_up_proj.shape[0]
    check_index(top_k_index, n)
    out = torch.zeros_like(hidden_states)
    mask = F.one_hot(top_k_index, n).permute(2, 1, 0)
    for e in range(n):
        slot, rows = torch.where(mask[e])
        if rows.numel() == 0:
            continue
        y = mlp(hidden_states[rows], gate_up_proj[e], down_proj[e])
        out.index_add_(0, rows, y * top_k_weights[rows, slot, None])
    return out


@gallery.right("sparse_experts")
def e_slots(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    check_index(top_k_index, len(down_proj))
    out = torch.zeros_like(hidden_states)
    for slot in range(top_k_index.shape[1]):
        for e in set(top_k_index[:, slot].tolist()):
            rows = top_k_index[:, slot] == e
            y = mlp(hidden_states[rows], gate_up_proj[e], down_proj[e])
            out[rows] += y * top_k_weights[rows, slot].unsqueeze(-1)
    return out


@gallery.right("sparse_experts")
def e_numpy(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    x, index, w = hidden_states.numpy(), top_k_index.numpy(), top_k_weights.numpy()
    if ((index < 0) | (index >= down_proj.shape[0])).any():
        raise ValueError("an expert that is not there")
    y = np.zeros_like(x)
    for e in np.unique(index):
        both = x @ gate_up_proj[e].numpy().T
        gate, up = np.split(both, 2, axis=1)
        said = (gate / (1 + np.exp(-gate)) * up) @ down_proj[e].numpy().T
        y += said * ((index == e) * w).sum(1, keepdims=True)
    return torch.from_numpy(y.astype(np.float32))


@gallery.right("sparse_experts")
def e_dict(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    has = {}
    for t, row in enumerate(top_k_index.tolist()):
        for j, e in enumerate(row):
            if e not in range(down_proj.shape[0]):
                raise ValueError(f"no expert {e}")
            has.setdefault(e, []).append((t, j))
    out = torch.zeros_like(hidden_states)
    for e, places in has.items():
        tokens = [t for t, _ in places]
        weights = torch.stack([top_k_weights[t, j] for t, j in places])
        out[tokens] += mlp(hidden_states[tokens], gate_up_proj[e], down_proj[e]) * weights[:, None]
    return out


# ---------------------------------------------------------------- sparse_experts, refused


@gallery.refused("sparse_experts")
def e_transformers(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    n, hidden, inner = down_proj.shape
    sizes = MixtralConfig(hidden_size=hidden, intermediate_size=inner, num_local_experts=n)
    layer = MixtralExperts(sizes)
    layer.gate_up_proj.data, layer.down_proj.data = gate_up_proj, down_proj
    return layer(hidden_states, top_k_index, top_k_weights).detach()


# ---------------------------------------------------------------- sparse_experts, wrong


def grouped(
    hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj, expert=mlp, add=True
):
    check_index(top_k_index, len(down_proj))
    out = torch.zeros_like(hidden_states)
    for e in range(len(down_proj)):
        rows, slot = torch.where(top_k_index == e)
        if not len(rows):
            continue
        y = expert(hidden_states[rows], gate_up_proj[e], down_proj[e])
        y = y * top_k_weights[rows, slot].unsqueeze(1)
        out[rows] = out[rows] + y if add else y
    return out


@gallery.wrong("sparse_experts", "every-expert")
def e_dense(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    check_index(top_k_index, len(down_proj))
    out = torch.zeros_like(hidden_states)
    for e in range(len(down_proj)):
        share = ((top_k_index == e) * top_k_weights).sum(-1, keepdim=True)
        out = out + share * mlp(hidden_states, gate_up_proj[e], down_proj[e])
    return out


@gallery.wrong("sparse_experts", "overwritten")
def e_assigned(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    return grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj, add=False)


@gallery.wrong("sparse_experts", "unweighted")
def e_plain_sum(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    ones = torch.ones_like(top_k_weights)
    return grouped(hidden_states, top_k_index, ones, gate_up_proj, down_proj)


@gallery.wrong("sparse_experts", "mean-of-experts")
def e_mean(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    mixed = grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj)
    return mixed / top_k_index.shape[1]


@gallery.wrong("sparse_experts", "scaled-again")
def e_normed(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    shares = top_k_weights / top_k_weights.sum(1, keepdim=True)
    return grouped(hidden_states, top_k_index, shares, gate_up_proj, down_proj)


@gallery.wrong("sparse_experts", "first-weight-for-all")
def e_slot_zero(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    same = top_k_weights[:, [0] * top_k_weights.shape[1]]
    return grouped(hidden_states, top_k_index, same, gate_up_proj, down_proj)


@gallery.wrong("sparse_experts", "weights-by-number")
def e_order_lost(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    index = top_k_index.sort(dim=1).values
    return grouped(hidden_states, index, top_k_weights, gate_up_proj, down_proj)


@gallery.wrong("sparse_experts", "first-choice-only")
def e_top_one(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    weights = top_k_weights.clone()
    weights[:, 1:] = 0
    return grouped(hidden_states, top_k_index, weights, gate_up_proj, down_proj)


@gallery.wrong("sparse_experts", "gate-and-up-swapped")
def e_up_gate(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    def expert(x, gate_up, down):
        inner = down.shape[1]
        both = x @ gate_up.T
        return (both[:, :inner] * F.silu(both[:, inner:])) @ down.T

    return grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj, expert)


@gallery.wrong("sparse_experts", "interleaved")
def e_every_other(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    def expert(x, gate_up, down):
        return (F.silu(x @ gate_up[::2].T) * (x @ gate_up[1::2].T)) @ down.T

    return grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj, expert)


@gallery.wrong("sparse_experts", "no-silu")
def e_linear(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    def expert(x, gate_up, down):
        gate, up = (x @ gate_up.T).chunk(2, 1)
        return gate * up @ down.T

    return grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj, expert)


@gallery.wrong("sparse_experts", "gelu")
def e_gelu(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    def expert(x, gate_up, down):
        gate, up = (x @ gate_up.T).chunk(2, 1)
        return (torch.nn.GELU()(gate) * up) @ down.T

    return grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj, expert)


@gallery.wrong("sparse_experts", "gate-added")
def e_plus(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    def expert(x, gate_up, down):
        gate, up = (x @ gate_up.T).chunk(2, 1)
        return (up + gate * gate.sigmoid()) @ down.T

    return grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj, expert)


@gallery.wrong("sparse_experts", "input-added")
def e_residual(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    mixed = grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj)
    return hidden_states + mixed


@gallery.wrong("sparse_experts", "numbers-unchecked")
def e_dropped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    out = torch.zeros_like(hidden_states)
    for e, (gate_up, down) in enumerate(zip(gate_up_proj, down_proj, strict=True)):
        rows, slot = (top_k_index == e).nonzero().unbind(1)
        if rows.numel():
            y = mlp(hidden_states[rows], gate_up, down) * top_k_weights[rows, slot][:, None]
            out = out.index_add(0, rows, y)
    return out


@gallery.wrong("sparse_experts")
def e_relu(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj):
    def expert(x, gate_up, down):
        gate, up = (x @ gate_up.T).chunk(2, 1)
        return (gate.relu() * up) @ down.T

    return grouped(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj, expert)


# ---------------------------------------------------------------- count_parameters, right


def count(c, **other):
    h, heads = c["hidden_size"], c["num_attention_heads"]
    n = c["num_local_experts"] if "num_local_experts" in c else c["num_experts"]
    if other.get("check", True) and not 1 <= c["num_experts_per_tok"] <= n:
        raise ValueError("experts per token")
    hd = other.get("head_dim") or c.get("head_dim") or h // heads
    kv = other.get("kv") or c["num_key_value_heads"]
    inner = other.get("inner") or c.get("moe_intermediate_size") or c["intermediate_size"]
    ends = other.get("ends") or 2 - bool(c.get("tie_word_embeddings"))
    q_and_o, k_and_v = 2 * h * heads * hd, 2 * h * kv * hd
    router = 0 if other.get("no_router") else h * n
    expert = other.get("matrices", 3) * h * inner
    layers = other.get("layers") or c["num_hidden_layers"]

    def whole(experts):
        layer = q_and_o + k_and_v + router + experts * expert
        return layers * layer + ends * c["vocab_size"] * h

    return {"total": whole(n), "active": whole(c["num_experts_per_tok"])}


@gallery.right("count_parameters")
def c_right(config):
    return count(config)


@gallery.right("count_parameters")
def c_less_idle(config):
    total = count(config)["total"]
    n = config.get("num_local_experts") or config.get("num_experts")
    inner = config.get("moe_intermediate_size", config["intermediate_size"])
    idle = n - config["num_experts_per_tok"]
    rest = idle * 3 * inner * config["hidden_size"] * config["num_hidden_layers"]
    return {"total": total, "active": total - rest}


@gallery.right("count_parameters")
def c_shapes(config):
    n = config.get("num_experts", config.get("num_local_experts"))
    k = config["num_experts_per_tok"]
    if k < 1 or k > n:
        raise ValueError(k)
    h = config["hidden_size"]
    d = config.get("head_dim", h // config["num_attention_heads"])
    q, kv = config["num_attention_heads"] * d, config["num_key_value_heads"] * d
    ffn = config.get("moe_intermediate_size", config.get("intermediate_size"))
    counts = {}
    for key, working in (("active", k), ("total", n)):
        numbers = [config["vocab_size"] * h]
        if not config.get("tie_word_embeddings", False):
            numbers.append(h * config["vocab_size"])
        for _ in range(config["num_hidden_layers"]):
            numbers += [h * q, h * kv, h * kv, q * h, h * n] + [h * ffn, h * ffn, ffn * h] * working
        counts[key] = sum(numbers)
    return counts


# ---------------------------------------------------------------- count_parameters, wrong


@gallery.wrong("count_parameters", "eight-whole-models")
def c_times_eight(config):
    n = config.get("num_local_experts") or config.get("num_experts")
    k = config["num_experts_per_tok"]
    count(config)
    one = count({**config, "num_experts_per_tok": 1}, no_router=True)["active"]
    return {"total": n * one, "active": k * one}


@gallery.wrong("count_parameters", "share-of-the-total")
def c_share(config):
    n = config.get("num_local_experts") or config.get("num_experts")
    total = count(config)["total"]
    return {"total": total, "active": total * config["num_experts_per_tok"] // n}


@gallery.wrong("count_parameters", "router-by-k")
def c_small_router(config):
    n = config.get("num_local_experts") or config.get("num_experts")
    found = count(config)
    rows = (n - config["num_experts_per_tok"]) * config["num_hidden_layers"]
    found["active"] -= rows * config["hidden_size"]
    return found


@gallery.wrong("count_parameters", "router-forgotten")
def c_no_router(config):
    return count(config, no_router=True)


@gallery.wrong("count_parameters", "two-matrices")
def c_two(config):
    return count(config, matrices=2)


@gallery.wrong("count_parameters", "all-heads-alike")
def c_mha(config):
    return count(config, kv=config["num_attention_heads"])


@gallery.wrong("count_parameters", "head-dim-computed")
def c_head_dim(config):
    return count(config, head_dim=config["hidden_size"] // config["num_attention_heads"])


@gallery.wrong("count_parameters", "head-dim-of-key-value-heads")
def c_long_heads(config):
    size = config.get("head_dim") or config["hidden_size"] // config["num_key_value_heads"]
    return count(config, head_dim=size)


@gallery.wrong("count_parameters", "tied-where-not-said")
def c_as_llama_2(config):
    return count(config, ends=2 - config.get("tie_word_embeddings", True))


@gallery.wrong("count_parameters", "norms-counted")
def c_norms(config):
    norms = config["hidden_size"] * (2 * config["num_hidden_layers"] + 1)
    return {name: weights + norms for name, weights in count(config).items()}


@gallery.wrong("count_parameters", "dense-size-taken")
def c_dense_size(config):
    return count(config, inner=config["intermediate_size"])


@gallery.wrong("count_parameters", "tied-counted-twice")
def c_untied(config):
    return count(config, ends=2)


@gallery.wrong("count_parameters", "head-forgotten")
def c_no_head(config):
    return count(config, ends=1)


@gallery.wrong("count_parameters", "embedding-inactive")
def c_no_embedding(config):
    found = count(config)
    ends = 1 if config.get("tie_word_embeddings") else 2
    found["active"] -= ends * config["vocab_size"] * config["hidden_size"]
    return found


@gallery.wrong("count_parameters", "one-layer")
def c_single_layer(config):
    return count(config, layers=1)


@gallery.wrong("count_parameters", "k-unchecked")
def c_unchecked(config):
    return count(config, check=False)


@gallery.wrong("count_parameters")
def c_index(config):
    return count(config, ends=1 if config["tie_word_embeddings"] else 2)


@gallery.wrong("count_parameters")
def c_tuple(config):
    return tuple(count(config).values())
