"""Answers to the challenges of lesson 09 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges. A wrong one names the mistake that must be
diagnosed; where it names none, the general message has to do.
"""

from __future__ import annotations

import math
import re

import numpy as np
import torch
from torch import nn

from tests.gallery.answers import Gallery

gallery = Gallery()

# ---------------------------------------------------------------- start_adapter


@gallery.right("start_adapter")
def s_rand_like(weight, rank, uniform):
    if rank <= 0:
        raise ValueError("rank")
    d = weight.size(1)
    a = uniform * 2 / d**0.5 - 1 / d**0.5
    return {"lora_A": a, "lora_B": weight.new_zeros(weight.size(0), rank)}


@gallery.right("start_adapter")
def s_dict_later(weight, rank, uniform):
    if not rank > 0:
        raise ValueError(rank)
    adapter = {}
    adapter["lora_B"] = torch.zeros((weight.shape[0], rank), dtype=torch.float32)
    adapter["lora_A"] = (uniform - 0.5) * 2 * weight.shape[-1] ** -0.5
    return adapter


@gallery.right("start_adapter")
def s_numpy(weight, rank, uniform):
    if rank < 1:
        raise ValueError("no adapter of this rank")
    out, width = weight.shape
    a = np.interp(uniform.numpy(), [0, 1], [-(width**-0.5), width**-0.5]).astype(np.float32)
    b = np.zeros((out, rank), dtype=np.float32)
    return {"lora_A": torch.from_numpy(a), "lora_B": torch.from_numpy(b)}


@gallery.right("start_adapter")
def s_in_place_on_a_copy(weight, rank, uniform):
    if rank not in range(1, 10**6):
        raise ValueError("rank")
    a = uniform.clone().mul_(2).sub_(1).div_(math.sqrt(weight.shape[1]))
    return dict(lora_A=a, lora_B=torch.zeros(len(weight), rank))


@gallery.right("start_adapter")
def s_by_lerp(weight, rank, uniform):
    if rank < 1:
        raise ValueError
    high = torch.tensor(1 / math.sqrt(weight.shape[1]))
    return {
        "lora_A": torch.lerp(-high, high, uniform),
        "lora_B": torch.zeros(weight.shape[0], rank),
    }


@gallery.wrong("start_adapter", "draws-not-used")
def s_own_rand(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    bound = 1 / math.sqrt(weight.shape[1])
    a = torch.rand(rank, weight.shape[1], generator=torch.Generator().manual_seed(7))
    return adapter | {"lora_A": 2 * bound * a - bound}


@gallery.wrong("start_adapter", "draws-not-used")
def s_kaiming(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    nn.init.kaiming_uniform_(adapter["lora_A"], a=math.sqrt(5))
    return adapter


@gallery.wrong("start_adapter", "draws-not-used")
def s_normal(weight, rank, uniform):
    return s_rand_like(weight, rank, uniform) | {"lora_A": torch.randn(uniform.shape) / 100}


@gallery.wrong("start_adapter", "bound-for-relu")
def s_for_relu(weight, rank, uniform):
    bound = (6 / weight.shape[1]) ** 0.5
    return s_rand_like(weight, rank, uniform) | {"lora_A": (uniform - 0.5) * 2 * bound}


@gallery.wrong("start_adapter", "bound-without-root")
def s_without_root(weight, rank, uniform):
    return s_rand_like(weight, rank, uniform) | {"lora_A": (2 * uniform - 1) / weight.shape[1]}


@gallery.wrong("start_adapter")
def s_double(weight, rank, uniform):
    return {name: value.double() for name, value in s_rand_like(weight, rank, uniform).items()}


@gallery.wrong("start_adapter")
def s_half_as_wide(weight, rank, uniform):
    a = (uniform - 0.5) / math.sqrt(weight.shape[1])
    return s_rand_like(weight, rank, uniform) | {"lora_A": a}


@gallery.wrong("start_adapter")
def s_writes(weight, rank, uniform):
    if rank < 1:
        raise ValueError
    return s_rand_like(weight, rank, uniform.mul_(1.0)) | {"lora_A": uniform.mul_(2).sub_(1)}


@gallery.wrong("start_adapter", "b-not-zero")
def s_small_b(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return adapter | {"lora_B": torch.full_like(adapter["lora_B"], 0.01)}


@gallery.wrong("start_adapter", "both-zero")
def s_all_zero(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return {name: torch.zeros_like(value) for name, value in adapter.items()}


@gallery.wrong("start_adapter", "a-zero")
def s_a_is_zero(weight, rank, uniform):
    right = s_rand_like(weight, rank, uniform)
    b = right["lora_A"][:, 0][None, :].expand(weight.shape[0], rank).clone()
    return {"lora_A": torch.zeros_like(right["lora_A"]), "lora_B": b}


@gallery.wrong("start_adapter", "bound-by-out")
def s_rows(weight, rank, uniform):
    a = (2 * uniform - 1) / math.sqrt(weight.shape[0])
    return s_rand_like(weight, rank, uniform) | {"lora_A": a}


@gallery.wrong("start_adapter", "bound-by-rank")
def s_by_rank(weight, rank, uniform):
    return s_rand_like(weight, rank, uniform) | {"lora_A": (2 * uniform - 1) / rank**0.5}


@gallery.wrong("start_adapter", "not-scaled")
def s_plain(weight, rank, uniform):
    return s_rand_like(weight, rank, uniform) | {"lora_A": 2 * uniform - 1}


@gallery.wrong("start_adapter", "never-negative")
def s_positive(weight, rank, uniform):
    scaled = uniform * (1 / math.sqrt(weight.shape[1]))
    return s_rand_like(weight, rank, uniform) | {"lora_A": scaled}


@gallery.wrong("start_adapter", "a-turned")
def s_a_columns(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return adapter | {"lora_A": adapter["lora_A"].T.contiguous()}


@gallery.wrong("start_adapter", "b-turned")
def s_b_columns(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return adapter | {"lora_B": adapter["lora_B"].T.contiguous()}


@gallery.wrong("start_adapter", "rank-unchecked")
def s_any_rank(weight, rank, uniform):
    a = (2 * uniform - 1) / math.sqrt(weight.shape[1])
    return {"lora_A": a, "lora_B": torch.zeros(weight.shape[0], len(uniform))}


@gallery.wrong("start_adapter")
def s_tuple(weight, rank, uniform):
    adapter = s_rand_like(weight, rank, uniform)
    return adapter["lora_A"], adapter["lora_B"]


# ---------------------------------------------------------------- lora_linear


@gallery.right("lora_linear")
def l_modules(x, weight, bias, lora_A, lora_B, lora_alpha):
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    with torch.no_grad():
        delta = nn.functional.linear(nn.functional.linear(x, lora_A), lora_B)
        return layer(x) + delta * lora_alpha / lora_A.shape[0]


@gallery.right("lora_linear")
def l_einsum(x, weight, bias, lora_A, lora_B, lora_alpha):
    scaling = lora_alpha / lora_B.shape[1]
    return (
        torch.einsum("...i,oi->...o", x, weight)
        + bias
        + scaling * torch.einsum("...i,ri,or->...o", x, lora_A, lora_B)
    )


@gallery.right("lora_linear")
def l_by_rows(x, weight, bias, lora_A, lora_B, lora_alpha):
    """One vector after the other."""
    scale = lora_alpha / len(lora_A)
    found = []
    for row in x.reshape(-1, x.shape[-1]):
        found.append(weight.mv(row) + bias + scale * lora_B.mv(lora_A.mv(row)))
    return torch.stack(found).reshape(*x.shape[:-1], len(bias))


@gallery.right("lora_linear")
def l_numpy(x, weight, bias, lora_A, lora_B, lora_alpha):
    x, w, b, down, up = (t.numpy() for t in (x, weight, bias, lora_A, lora_B))
    y = np.dot(x, w.T) + b + np.dot(np.dot(x, down.T), up.T) * np.float32(lora_alpha / len(down))
    return torch.from_numpy(y)


def l_parts(x, weight, bias, lora_A, lora_B):
    return x @ weight.t() + bias, x @ lora_A.t() @ lora_B.t()


@gallery.wrong("lora_linear", "alpha-alone")
def l_alpha(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + lora_alpha * added


@gallery.wrong("lora_linear", "no-scale")
def l_unscaled(x, weight, bias, lora_A, lora_B, lora_alpha):
    return sum(l_parts(x, weight, bias, lora_A, lora_B))


@gallery.wrong("lora_linear", "rank-over-alpha")
def l_upside_down(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + added * (lora_A.shape[0] / lora_alpha if lora_alpha else 0)


@gallery.wrong("lora_linear", "root-of-rank")
def l_rslora(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + added * lora_alpha / lora_A.shape[0] ** 0.5


@gallery.wrong("lora_linear", "scaled-twice")
def l_twice(x, weight, bias, lora_A, lora_B, lora_alpha):
    s = lora_alpha / lora_A.shape[0]
    return x @ weight.t() + bias + s * (s * (x @ lora_A.t())) @ lora_B.t()


@gallery.wrong("lora_linear", "all-scaled")
def l_everything(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return (frozen + added) * (lora_alpha / lora_A.shape[0])


@gallery.wrong("lora_linear", "adapter-alone")
def l_only_adapter(x, weight, bias, lora_A, lora_B, lora_alpha):
    added = l_parts(x, weight, bias, lora_A, lora_B)[1]
    return bias + added * lora_alpha / lora_A.shape[0]


@gallery.wrong("lora_linear", "no-bias")
def l_biasless(x, weight, bias, lora_A, lora_B, lora_alpha):
    return x @ weight.t() + lora_alpha / lora_A.shape[0] * (x @ lora_A.t() @ lora_B.t())


@gallery.wrong("lora_linear", "bias-twice")
def l_two_biases(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + (lora_alpha / lora_A.shape[0] * added + bias)


@gallery.wrong("lora_linear", "a-and-b-swapped")
def l_b_first(x, weight, bias, lora_A, lora_B, lora_alpha):
    return x @ weight.t() + bias + lora_alpha / lora_A.shape[0] * ((x @ lora_B) @ lora_A)


@gallery.wrong("lora_linear", "subtracted")
def l_minus(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen - lora_alpha / lora_A.shape[0] * added


@gallery.wrong("lora_linear", "rank-from-columns")
def l_rank_of_columns(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + lora_alpha / lora_A.shape[1] * added


@gallery.wrong("lora_linear", "rank-from-rows-of-b")
def l_rank_of_b(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + added * lora_alpha / len(lora_B)


@gallery.wrong("lora_linear", "bias-scaled")
def l_bias_inside(x, weight, bias, lora_A, lora_B, lora_alpha):
    low = x @ lora_A.t()
    return x @ weight.t() + (low @ lora_B.t() + bias) * (lora_alpha / lora_B.shape[1])


@gallery.wrong("lora_linear")
def l_double(x, weight, bias, lora_A, lora_B, lora_alpha):
    return l_einsum(x.double(), *(t.double() for t in (weight, bias, lora_A, lora_B)), lora_alpha)


@gallery.wrong("lora_linear", "whole-division")
def l_whole_division(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + added * (lora_alpha // lora_A.shape[0])


@gallery.wrong("lora_linear")
def l_weight_not_turned(x, weight, bias, lora_A, lora_B, lora_alpha):
    """Fails by its shapes, as others do that are named: this one is not."""
    added = x @ lora_A.t() @ lora_B.t()
    return x @ weight + bias + lora_alpha / lora_A.shape[0] * added


@gallery.wrong("lora_linear")
def l_half_scale(x, weight, bias, lora_A, lora_B, lora_alpha):
    frozen, added = l_parts(x, weight, bias, lora_A, lora_B)
    return frozen + lora_alpha / (2 * len(lora_A)) * added


# ---------------------------------------------------------------- trained_parameters


@gallery.right("trained_parameters")
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


@gallery.right("trained_parameters")
def t_regex(shapes, target_modules, rank):
    ends = "|".join(map(re.escape, target_modules))
    wanted = re.compile(rf"((?:.*\.)?(?:{ends}))\.weight")
    found = {}
    for name, shape in shapes.items():
        match = wanted.fullmatch(name)
        if target_modules and match and len(shape) == 2:
            found[f"{match[1]}.lora_A.weight"] = rank * shape[-1]
            found[f"{match[1]}.lora_B.weight"] = rank * shape[0]
    return found


@gallery.right("trained_parameters")
def t_generator(shapes, target_modules, rank):
    """B stands before A here: of one layer that is free."""

    def entries():
        for name in shapes:
            path, _, kind = name.rpartition(".")
            if kind != "weight" or len(shapes[name]) != 2:
                continue
            parts = path.split(".")
            for target in target_modules:
                wanted = target.split(".")
                if parts[-len(wanted) :] == wanted:
                    yield path + ".lora_B.weight", shapes[name][0] * rank
                    yield path + ".lora_A.weight", shapes[name][1] * rank
                    break

    return dict(entries())


def matches(path, target):
    return path == target or path.endswith("." + target)


def ranked(o, i, r):
    return r * i, r * o


@gallery.right("trained_parameters")
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


@gallery.wrong("trained_parameters", "frozen-weights-trained")
def t_everything(shapes, target_modules, rank):
    return {**{n: math.prod(s) for n, s in shapes.items()}, **t_split(shapes, target_modules, rank)}


@gallery.wrong("trained_parameters", "bias-trained")
def t_bias(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, extra=lambda n, s: "bias" in n)


@gallery.wrong("trained_parameters", "layer-trained")
def t_unfrozen(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, extra=lambda n, s: len(s) == 2)


@gallery.wrong("trained_parameters", "piece-of-a-name")
def t_in(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=lambda p, t: t in p)


@gallery.wrong("trained_parameters", "ends-with")
def t_endswith(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=str.endswith)


@gallery.wrong("trained_parameters", "last-part-only")
def t_last(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=lambda p, t: p.split(".")[-1] == t)


@gallery.wrong("trained_parameters", "whole-path-only")
def t_equal(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=str.__eq__)


@gallery.wrong("trained_parameters", "whole-matrix")
def t_full(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, sizes=lambda o, i, r: (o * i, 0))


@gallery.wrong("trained_parameters", "a-and-b-swapped")
def t_swapped(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, sizes=lambda o, i, r: (o * r, i * r))


@gallery.wrong("trained_parameters", "rank-forgotten")
def t_rank_one(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, sizes=lambda o, i, r: (i, o))


@gallery.wrong("trained_parameters", "another-order")
def t_targets_first(shapes, target_modules, rank):
    out = {}
    for target in target_modules:
        for name, shape in shapes.items():
            path = name.removesuffix(".weight")
            if path != name and len(shape) == 2 and matches(path, target):
                out[f"{path}.lora_A.weight"] = rank * shape[1]
                out[f"{path}.lora_B.weight"] = rank * shape[0]
    return out


@gallery.wrong("trained_parameters", "another-order")
def t_sorted(shapes, target_modules, rank):
    return dict(sorted(t_split(shapes, target_modules, rank).items()))


@gallery.wrong("trained_parameters")
def t_all_as_then_all_bs(shapes, target_modules, rank):
    found = t_split(shapes, target_modules, rank)
    return dict(sorted(found.items(), key=lambda entry: ".lora_B." in entry[0]))


@gallery.wrong("trained_parameters", "piece-of-a-name")
def t_search(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=lambda p, t: re.search(re.escape(t), p))


@gallery.wrong("trained_parameters", "last-part-only")
def t_any_part(shapes, target_modules, rank):
    return t_with(shapes, target_modules, rank, match=lambda p, t: t in p.split("."))


@gallery.wrong("trained_parameters")
def t_any_shape(shapes, target_modules, rank):
    found = {}
    for name, shape in shapes.items():
        path, kind = name.rsplit(".", 1)
        if any(matches(path, t) for t in target_modules) and kind == "weight":
            found[f"{path}.lora_A.weight"] = rank * shape[-1]
            found[f"{path}.lora_B.weight"] = rank * shape[0]
    return found


@gallery.wrong("trained_parameters")
def t_total(shapes, target_modules, rank):
    return sum(t_split(shapes, target_modules, rank).values())


# ---------------------------------------------------------------- merge_adapter


@gallery.right("merge_adapter")
def m_clone(weight, lora_A, lora_B, lora_alpha):
    merged = weight.clone().to(torch.float32)
    merged += lora_B @ lora_A * (lora_alpha / lora_A.shape[0])
    return merged.to(weight.dtype)


@gallery.right("merge_adapter")
def m_matmul(weight, lora_A, lora_B, lora_alpha):
    delta = torch.matmul(lora_B.double(), lora_A.double()) * lora_alpha / lora_B.shape[-1]
    return (weight.double() + delta).to(weight.dtype)


@gallery.right("merge_adapter")
def m_identity(weight, lora_A, lora_B, lora_alpha):
    """What layer and adapter make of the identity matrix is the weight, turned."""
    x = torch.eye(weight.shape[1])
    y = x @ weight.float().T + lora_alpha / len(lora_A) * (x @ lora_A.T @ lora_B.T)
    return y.T.contiguous().to(weight.dtype)


@gallery.right("merge_adapter")
def m_numpy(weight, lora_A, lora_B, lora_alpha):
    added = lora_B.numpy() @ lora_A.numpy() * np.float32(lora_alpha / len(lora_A))
    return torch.from_numpy(weight.float().numpy() + added).to(weight.dtype)


@gallery.right("merge_adapter")
def m_place_by_place(weight, lora_A, lora_B, lora_alpha):
    rank, width = lora_A.shape
    rows = []
    for row, b in zip(weight.tolist(), lora_B.tolist(), strict=True):
        low = [sum(b[r] * float(lora_A[r, i]) for r in range(rank)) for i in range(width)]
        rows.append([w + lora_alpha / rank * x for w, x in zip(row, low, strict=True)])
    return torch.tensor(rows).to(weight.dtype)


def delta(lora_A, lora_B, lora_alpha):
    return lora_alpha / lora_A.shape[0] * lora_B @ lora_A


@gallery.wrong("merge_adapter", "no-scale")
def m_forgets_scale(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() + lora_B @ lora_A).to(weight.dtype)


@gallery.wrong("merge_adapter", "alpha-alone")
def m_alpha(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() + lora_alpha * (lora_B @ lora_A)).to(weight.dtype)


@gallery.wrong("merge_adapter", "scaled-twice")
def m_twice(weight, lora_A, lora_B, lora_alpha):
    scale = lora_alpha / lora_A.shape[0]
    return (weight.float() + (scale * lora_B) @ (scale * lora_A)).to(weight.dtype)


@gallery.wrong("merge_adapter", "root-of-rank")
def m_root(weight, lora_A, lora_B, lora_alpha):
    scale = lora_alpha / lora_A.shape[0] ** 0.5
    return (weight.float() + scale * lora_B @ lora_A).to(weight.dtype)


@gallery.wrong("merge_adapter", "subtracted")
def m_minus(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() - delta(lora_A, lora_B, lora_alpha)).to(weight.dtype)


@gallery.wrong("merge_adapter", "replaced")
def m_delta(weight, lora_A, lora_B, lora_alpha):
    return delta(lora_A, lora_B, lora_alpha).to(weight.dtype)


@gallery.wrong("merge_adapter", "all-scaled")
def m_all(weight, lora_A, lora_B, lora_alpha):
    return ((weight.float() + lora_B @ lora_A) * lora_alpha / lora_A.shape[0]).to(weight.dtype)


@gallery.wrong("merge_adapter", "a-times-b")
def m_ab(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() + lora_alpha / lora_A.shape[0] * (lora_A @ lora_B)).to(weight.dtype)


@gallery.wrong("merge_adapter", "turned")
def m_turned(weight, lora_A, lora_B, lora_alpha):
    return (weight.float() + delta(lora_A, lora_B, lora_alpha).t()).to(weight.dtype)


@gallery.wrong("merge_adapter", "in-place")
def m_in_place(weight, lora_A, lora_B, lora_alpha):
    weight.add_(delta(lora_A, lora_B, lora_alpha).to(weight.dtype))
    return weight


@gallery.wrong("merge_adapter", "dtype-lost")
def m_float(weight, lora_A, lora_B, lora_alpha):
    return weight.float() + delta(lora_A, lora_B, lora_alpha)


@gallery.wrong("merge_adapter", "rounded-first")
def m_rounds_first(weight, lora_A, lora_B, lora_alpha):
    return weight.add(delta(lora_A, lora_B, lora_alpha).to(weight.dtype))


@gallery.wrong("merge_adapter", "rounded-first")
def m_all_in_its_dtype(weight, lora_A, lora_B, lora_alpha):
    a, b = lora_A.to(weight.dtype), lora_B.to(weight.dtype)
    return weight + lora_alpha / len(a) * (b @ a)


@gallery.wrong("merge_adapter", "rank-from-columns")
def m_rank_of_columns(weight, lora_A, lora_B, lora_alpha):
    scale = lora_alpha / lora_A.shape[-1]
    return (weight.float() + scale * lora_B @ lora_A).to(weight.dtype)


@gallery.wrong("merge_adapter", "whole-division")
def m_whole_division(weight, lora_A, lora_B, lora_alpha):
    scale = lora_alpha // len(lora_A)
    return (weight.float() + scale * (lora_B @ lora_A)).to(weight.dtype)


@gallery.wrong("merge_adapter")
def m_half_products(weight, lora_A, lora_B, lora_alpha):
    return (weight + 0.5 * delta(lora_A, lora_B, lora_alpha)).to(weight.dtype)
