"""Answers to the challenges of lesson 09 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges/lora.py. WRONG names the mistake that must be
diagnosed, or None where the general message has to do.
"""

from __future__ import annotations

import math

import torch
from torch import nn

# ---------------------------------------------------------------- start_adapter


def s_rand_like(weight, rank, uniform):
    if rank <= 0:
        raise ValueError("rank")
    d = weight.size(1)
    a = uniform * 2 / d**0.5 - 1 / d**0.5
    return {"lora_A": a, "lora_B": weight.new_zeros(weight.size(0), rank)}


def s_dict_later(weight, rank, uniform):
    if not rank > 0:
        raise ValueError(rank)
    adapter = {}
    adapter["lora_B"] = torch.zeros((weight.shape[0], rank), dtype=torch.float32)
    adapter["lora_A"] = (uniform - 0.5) * 2 * weight.shape[-1] ** -0.5
    return adapter


def s_small_b(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return adapter | {"lora_B": torch.full_like(adapter["lora_B"], 0.01)}


def s_all_zero(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return {name: torch.zeros_like(value) for name, value in adapter.items()}


def s_a_is_zero(weight, rank, uniform):
    right = s_rand_like(weight, rank, uniform)
    b = right["lora_A"][:, 0][None, :].expand(weight.shape[0], rank).clone()
    return {"lora_A": torch.zeros_like(right["lora_A"]), "lora_B": b}


def s_rows(weight, rank, uniform):
    if rank < 1:
        raise ValueError
    return {
        "lora_A": (2 * uniform - 1) / math.sqrt(weight.shape[0]),
        "lora_B": torch.zeros(weight.shape[0], rank),
    }


def s_by_rank(weight, rank, uniform):
    if rank < 1:
        raise ValueError
    return {
        "lora_A": (2 * uniform - 1) / math.sqrt(rank),
        "lora_B": torch.zeros(weight.shape[0], rank),
    }


def s_plain(weight, rank, uniform):
    if rank < 1:
        raise ValueError
    return {"lora_A": 2 * uniform - 1, "lora_B": torch.zeros(weight.shape[0], rank)}


def s_positive(weight, rank, uniform):
    if rank < 1:
        raise ValueError
    scaled = uniform * (1 / math.sqrt(weight.shape[1]))
    return {"lora_A": scaled, "lora_B": torch.zeros(weight.shape[0], rank)}


def s_a_columns(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return adapter | {"lora_A": adapter["lora_A"].T.contiguous()}


def s_b_columns(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return adapter | {"lora_B": adapter["lora_B"].T.contiguous()}


def s_any_rank(weight, rank, uniform):
    return s_rand_like(weight, max(rank, 1), uniform) if rank > 0 else {
        "lora_A": (2 * uniform - 1) / math.sqrt(weight.shape[1]),
        "lora_B": torch.zeros(weight.shape[0], 0),
    }  # fmt: skip


def s_tuple(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return adapter["lora_A"], adapter["lora_B"]


# ---------------------------------------------------------------- lora_linear


def l_modules(x, weight, bias, lora_A, lora_B, lora_alpha):
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    with torch.no_grad():
        delta = nn.functional.linear(nn.functional.linear(x, lora_A), lora_B)
        return layer(x) + delta * lora_alpha / lora_A.shape[0]


def l_einsum(x, weight, bias, lora_A, lora_B, lora_alpha):
    scaling = lora_alpha / lora_B.shape[1]
    return (
        torch.einsum("...i,oi->...o", x, weight)
        + bias
        + scaling * torch.einsum("...i,ri,or->...o", x, lora_A, lora_B)
    )


def l_parts(x, weight, bias, lora_A, lora_B):
    return x @ weight.t() + bias, x @ lora_A.t() @ lora_B.t()


def l_alpha(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + lora_alpha * added


def l_unscaled(x, weight, bias, lora_A, lora_B, lora_alpha):
    return sum(l_parts(x, weight, bias, lora_A, lora_B))


def l_upside_down(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + added * (lora_A.shape[0] / lora_alpha if lora_alpha else 0)


def l_rslora(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + added * lora_alpha / lora_A.shape[0] ** 0.5


def l_twice(x, weight, bias, lora_A, lora_B, lora_alpha):
    s = lora_alpha / lora_A.shape[0]
    return x @ weight.t() + bias + s * (s * (x @ lora_A.t())) @ lora_B.t()


def l_everything(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return (frozen + added) * (lora_alpha / lora_A.shape[0])


def l_only_adapter(x, weight, bias, lora_A, lora_B, lora_alpha):
    added = l_parts(x, weight, bias, lora_A, lora_B)[1]
    return bias + added * lora_alpha / lora_A.shape[0]


def l_biasless(x, weight, bias, lora_A, lora_B, lora_alpha):
    return x @ weight.t() + lora_alpha / lora_A.shape[0] * (x @ lora_A.t() @ lora_B.t())


def l_two_biases(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + (lora_alpha / lora_A.shape[0] * added + bias)


def l_b_first(x, weight, bias, lora_A, lora_B, lora_alpha):
    return x @ weight.t() + bias + lora_alpha / lora_A.shape[0] * ((x @ lora_B) @ lora_A)


def l_minus(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen - lora_alpha / lora_A.shape[0] * added


def l_rank_of_columns(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + lora_alpha / lora_A.shape[1] * added


# ---------------------------------------------------------------- trained_parameters


def t_split(shapes, target_modules, rank):
    out = {}
    for name, shape in shapes.items():
        if not name.endswith(".weight") or len(shape) != 2:
            continue
        path = name[: -len(".weight")]
        parts = path.split(".")
        tails = {".".join(parts[i:]) for i in range(len(parts))}
        if tails & set(target_modules):
            out[path + ".lora_A.weight"] = shape[1] * rank
            out[path + ".lora_B.weight"] = shape[0] * rank
    return out


def matches(path, target):
    return path == target or path.endswith("." + target)


def ranked(o, i, r):
    return r * i, r * o


def t_with(shapes, target_modules, rank, match=matches, sizes=ranked, extra=None):
    out = {}
    for name, shape in shapes.items():
        path = name.rsplit(".", 1)[0]
        if not any(match(path, t) for t in target_modules):
            continue
        if extra and extra(name, shape):
            out[name] = math.prod(shape)
        if name.endswith(".weight") and len(shape) == 2:
            a, b = sizes(shape[0], shape[1], rank)
            out[f"{path}.lora_A.weight"], out[f"{path}.lora_B.weight"] = a, b
    return out


def t_everything(shapes, target_modules, rank):
    return {**{n: math.prod(s) for n, s in shapes.items()}, **t_split(shapes, target_modules, rank)}


def t_bias(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, extra=lambda n, s: "bias" in n)


def t_unfrozen(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, extra=lambda n, s: len(s) == 2)


def t_in(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=lambda p, t: t in p)


def t_endswith(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=str.endswith)


def t_last(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=lambda p, t: p.split(".")[-1] == t)


def t_equal(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=str.__eq__)


def t_full(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, sizes=lambda o, i, r: (o * i, 0))


def t_swapped(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, sizes=lambda o, i, r: (o * r, i * r))


def t_rank_one(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, sizes=lambda o, i, r: (i, o))


def t_total(shapes, target_modules, rank):
    return sum(t_split(shapes, target_modules, rank).values())


# ---------------------------------------------------------------- merge_adapter


def m_clone(weight, lora_A, lora_B, lora_alpha):
    merged = weight.clone().to(torch.float32)
    merged += lora_B @ lora_A * (lora_alpha / lora_A.shape[0])
    return merged.to(weight.dtype)


def m_matmul(weight, lora_A, lora_B, lora_alpha):
    delta = torch.matmul(lora_B.double(), lora_A.double()) * lora_alpha / lora_B.shape[-1]
    return (weight.double() + delta).to(weight.dtype)


def delta(lora_A, lora_B, lora_alpha):
    return lora_alpha / lora_A.shape[0] * lora_B @ lora_A


def m_forgets_scale(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() + lora_B @ lora_A).to(weight.dtype)


def m_alpha(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() + lora_alpha * (lora_B @ lora_A)).to(weight.dtype)


def m_twice(weight, lora_A, lora_B, lora_alpha):
    scale = lora_alpha / lora_A.shape[0]
    return (weight.float() + (scale * lora_B) @ (scale * lora_A)).to(weight.dtype)


def m_root(weight, lora_A, lora_B, lora_alpha):
    scale = lora_alpha / lora_A.shape[0] ** 0.5
    return (weight.float() + scale * lora_B @ lora_A).to(weight.dtype)


def m_minus(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() - delta(lora_A, lora_B, lora_alpha)).to(weight.dtype)


def m_delta(weight, lora_A, lora_B, lora_alpha):
    return delta(lora_A, lora_B, lora_alpha).to(weight.dtype)


def m_all(weight, lora_A, lora_B, lora_alpha):
    return ((weight.float() + lora_B @ lora_A) * lora_alpha / lora_A.shape[0]).to(weight.dtype)


def m_ab(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() + lora_alpha / lora_A.shape[0] * (lora_A @ lora_B)).to(weight.dtype)


def m_turned(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() + delta(lora_A, lora_B, lora_alpha).t()).to(weight.dtype)


def m_in_place(weight, lora_A, lora_B, lora_alpha):
    weight.add_(delta(lora_A, lora_B, lora_alpha).to(weight.dtype))
    return weight


def m_float(weight, lora_A, lora_B, lora_alpha):
    return weight.float() + delta(lora_A, lora_B, lora_alpha)


def m_half_products(weight, lora_A, lora_B, lora_alpha):
    return (weight + 0.5 * delta(lora_A, lora_B, lora_alpha)).to(weight.dtype)


RIGHT = {
    "start_adapter": [s_rand_like, s_dict_later],
    "lora_linear": [l_modules, l_einsum],
    "trained_parameters": [t_split, t_with],
    "merge_adapter": [m_clone, m_matmul],
}
WRONG = {
    "start_adapter": {
        s_small_b: "b-not-zero",
        s_all_zero: "both-zero",
        s_a_is_zero: "a-zero",
        s_rows: "bound-by-out",
        s_by_rank: "bound-by-rank",
        s_plain: "not-scaled",
        s_positive: "never-negative",
        s_a_columns: "a-turned",
        s_b_columns: "b-turned",
        s_any_rank: "rank-unchecked",
        s_tuple: None,
    },
    "lora_linear": {
        l_alpha: "alpha-alone",
        l_unscaled: "no-scale",
        l_upside_down: "rank-over-alpha",
        l_rslora: "root-of-rank",
        l_twice: "scaled-twice",
        l_everything: "all-scaled",
        l_only_adapter: "adapter-alone",
        l_biasless: "no-bias",
        l_two_biases: "bias-twice",
        l_b_first: "a-and-b-swapped",
        l_minus: "subtracted",
        l_rank_of_columns: None,
    },
    "trained_parameters": {
        t_everything: "frozen-weights-trained",
        t_bias: "bias-trained",
        t_unfrozen: "layer-trained",
        t_in: "piece-of-a-name",
        t_endswith: "ends-with",
        t_last: "last-part-only",
        t_equal: "whole-path-only",
        t_full: "whole-matrix",
        t_swapped: "a-and-b-swapped",
        t_rank_one: "rank-forgotten",
        t_total: None,
    },
    "merge_adapter": {
        m_forgets_scale: "no-scale",
        m_alpha: "alpha-alone",
        m_twice: "scaled-twice",
        m_root: "root-of-rank",
        m_minus: "subtracted",
        m_delta: "replaced",
        m_all: "all-scaled",
        m_ab: "a-times-b",
        m_turned: "turned",
        m_in_place: "in-place",
        m_float: "dtype-lost",
        m_half_products: None,
    },
}
