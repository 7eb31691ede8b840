"""Answers to the challenges of lesson 05 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges. A wrong one names the mistake that must be
diagnosed; where it names none, the general message has to do.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.gallery.answers import Gallery

gallery = Gallery()

# ---------------------------------------------------------------- apply_temperature, right


@gallery.right("apply_temperature")
def with_functional(logits, temperature):
    if temperature < 0:
        raise ValueError("no")
    if temperature == 0:
        return F.one_hot(torch.argmax(logits, -1), logits.size(-1)).to(torch.float32)
    return F.softmax(logits.to(torch.float32) / temperature, -1)


@gallery.right("apply_temperature")
def with_numpy(logits, temperature):
    if temperature < 0:
        raise ValueError(f"temperature {temperature} is negative")
    x = logits.to(torch.float64).numpy()
    if temperature == 0:
        out = np.zeros(x.shape)
        np.put_along_axis(out, x.argmax(-1)[..., None], 1.0, axis=-1)
    else:
        e = np.exp((x - x.max(-1, keepdims=True)) / temperature)
        out = e / e.sum(-1, keepdims=True)
    return torch.from_numpy(out).float()


@gallery.right("apply_temperature")
def with_loops(logits, temperature):
    if temperature < 0:
        raise ValueError

    def one(row):
        best = max(row)
        if temperature == 0:
            first = row.index(best)
            return [1.0 if i == first else 0.0 for i in range(len(row))]
        e = [math.exp((x - best) / temperature) for x in row]
        return [x / sum(e) for x in e]

    rows = [one(r) for r in logits.reshape(-1, logits.shape[-1]).tolist()]
    return torch.tensor(rows, dtype=torch.float32).reshape(logits.shape)


@gallery.right("apply_temperature")
def recursive(logits, temperature):
    if logits.dim() > 1:
        return torch.stack([recursive(row, temperature) for row in logits])
    if temperature < 0:
        raise ValueError("negative")
    probs = torch.zeros(len(logits))
    if temperature == 0:
        probs[logits.argmax()] = 1
        return probs
    shifted = (logits.float() - logits.max().float()) / temperature
    return torch.exp(shifted - torch.logsumexp(shifted, 0))


class Subtle(ValueError):
    pass


@gallery.right("apply_temperature")
def chatty(logits, temperature):
    import warnings

    print("softmax with", temperature)
    warnings.warn("numerically delicate", stacklevel=1)
    if temperature < 0:
        raise Subtle("a subclass of ValueError will do")
    if temperature == 0:
        return torch.eye(logits.shape[-1])[logits.argmax(-1)]
    return torch.nn.Softmax(dim=-1)(logits.float() / temperature)


# ---------------------------------------------------------------- apply_temperature, wrong


@gallery.wrong("apply_temperature", "zero-division")
def t_obvious(logits, temperature):
    return F.softmax(logits / temperature, dim=-1)


@gallery.wrong("apply_temperature", "zero-division")
def t_obvious_float(logits, temperature):
    if temperature < 0:
        raise ValueError
    scaled = logits.float() / temperature
    scaled = scaled - scaled.max(-1, keepdim=True).values
    return scaled.exp() / scaled.exp().sum(-1, keepdim=True)


@gallery.wrong("apply_temperature", "zero-division")
def t_naive_everything(logits, temperature):
    weights = torch.exp(logits / temperature)
    return weights / weights.sum(dim=-1, keepdim=True)


@gallery.wrong("apply_temperature", "overflow")
def t_naive_zero_done(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    weights = torch.exp(logits.float() / temperature)
    return weights / torch.sum(weights, -1, keepdim=True)


@gallery.wrong("apply_temperature", "divided-after-softmax")
def t_power_after(logits, temperature):
    probs = F.softmax(logits.float(), -1)
    return probs * (1 / temperature) if temperature > 0 else probs


@gallery.wrong("apply_temperature", "renormalised-after-softmax")
def t_twice(logits, temperature):
    if temperature <= 0:
        return with_functional(logits, temperature)
    probs = F.softmax(logits.float(), -1)
    return F.softmax(probs / temperature, -1)


@gallery.wrong("apply_temperature", "multiplied")
def t_times(logits, temperature):
    return torch.softmax(temperature * logits.float(), dim=-1)


@gallery.wrong("apply_temperature", "temperature-ignored")
def t_forgot(logits, temperature):
    return torch.nn.functional.softmax(logits.to(torch.float32), dim=-1)


@gallery.wrong("apply_temperature", "temperature-ignored")
def t_plus(logits, temperature):
    if temperature < 0:
        raise ValueError
    return torch.softmax(logits.float() + temperature, dim=-1)


@gallery.wrong("apply_temperature", "wrong-dimension")
def t_dim0(logits, temperature):
    if temperature < 0:
        raise ValueError
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    x = logits.float() / temperature
    e = (x - x.max()).exp()
    return e / e.sum(dim=0)


@gallery.wrong("apply_temperature", "flattened")
def t_sum_of_all(logits, temperature):
    if temperature < 0:
        raise ValueError
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    e = ((logits.float() - logits.max()) / temperature).exp()
    return e / e.sum()


@gallery.wrong("apply_temperature", "log-probabilities")
def t_log(logits, temperature):
    return F.log_softmax(logits.float() / max(temperature, 1e-6), dim=-1)


@gallery.wrong("apply_temperature", "ties-shared")
def t_epsilon(logits, temperature):
    if temperature < 0:
        raise ValueError
    return F.softmax(logits.float() / (temperature + 1e-9), dim=-1)


@gallery.wrong("apply_temperature", "ties-shared")
def t_clamped(logits, temperature):
    if temperature < 0:
        raise ValueError
    return F.softmax(logits.float() / max(temperature, 1e-5), dim=-1)


@gallery.wrong("apply_temperature", "every-tied-maximum")
def t_equal_to_max(logits, temperature):
    if temperature < 0:
        raise ValueError
    if temperature == 0:
        best = logits.max(dim=-1, keepdim=True).values
        return torch.where(logits == best, 1.0, 0.0)
    return F.softmax(logits.float() / temperature, dim=-1)


@gallery.wrong("apply_temperature", "changed-in-place")
def t_div_(logits, temperature):
    if temperature < 0:
        raise ValueError
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    return logits.div_(temperature).float().softmax(-1)


@gallery.wrong("apply_temperature")
def t_subtract_in_place(logits, temperature):
    if temperature < 0:
        raise ValueError
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    logits -= logits.max(dim=-1, keepdim=True).values
    return F.softmax(logits.float() / temperature, dim=-1)


@gallery.wrong("apply_temperature", "no-softmax")
def t_logits(logits, temperature):
    return logits.float() / temperature


@gallery.wrong("apply_temperature", "negative-allowed")
def t_negative_fine(logits, temperature):
    if not temperature:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    x = logits.float() / temperature
    return (x - torch.logsumexp(x, -1, keepdim=True)).exp()


@gallery.wrong("apply_temperature")
def t_squared(logits, temperature):
    return torch.softmax(logits.float() / temperature**2, dim=-1)


@gallery.wrong("apply_temperature")
def t_argmax_index(logits, temperature):
    return logits.argmax(-1)


@gallery.wrong("apply_temperature")
def t_uniform(logits, temperature):
    return torch.full_like(logits, 1 / logits.shape[-1]).float()


# ---------------------------------------------------------------- top_p_filter, right


@gallery.right("top_p_filter")
def p_shift(logits, top_p):
    if top_p == 1:
        return logits.clone()
    s, i = torch.sort(logits, descending=True, dim=-1)
    cum = F.softmax(s.double(), -1).cumsum(-1)
    remove = cum >= top_p
    remove[..., 1:] = remove[..., :-1].clone()
    remove[..., 0] = False
    return logits.masked_fill(torch.zeros_like(remove).scatter(-1, i, remove), -math.inf)


@gallery.right("top_p_filter")
def p_rank(logits, top_p):
    if top_p >= 1.0:
        return logits + 0
    i = logits.argsort(-1, descending=True)
    p = logits.softmax(-1).gather(-1, i)
    needed = ((p.cumsum(-1) - p) < top_p).sum(-1, keepdim=True).clamp(min=1)
    rank = i.argsort(-1)
    return torch.where(rank < needed, logits, torch.tensor(-torch.inf))


@gallery.right("top_p_filter")
def p_numpy(logits, top_p):
    out = np.full(logits.shape, -np.inf, dtype=np.float32)
    flat, res = logits.numpy().reshape(-1, logits.shape[-1]), out.reshape(-1, logits.shape[-1])
    for row, o in zip(flat, res, strict=True):
        order = np.argsort(-row)
        p = np.exp(row[order].astype(float) - row.max())
        p /= p.sum()
        n = len(row) if top_p >= 1 else int(np.searchsorted(p.cumsum(), top_p)) + 1
        o[order[:n]] = row[order[:n]]
    return torch.from_numpy(out)


@gallery.right("top_p_filter")
def p_recursive(logits, top_p):
    if logits.dim() > 1:
        return torch.stack([p_recursive(row, top_p) for row in logits])
    p, kept, total = logits.softmax(0).clone(), torch.full_like(logits, -torch.inf), 0.0
    while total < top_p or top_p == 1 or total == 0:
        token = int(p.argmax())
        if p[token] < 0:
            break
        kept[token] = logits[token]
        total += float(p[token])
        p[token] = -1
    return kept


@gallery.right("top_p_filter")
def p_scatter_logits(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    values, index = logits.topk(logits.shape[-1], dim=-1)
    before = torch.nn.functional.pad(values.softmax(-1).cumsum(-1), (1, 0))[..., :-1]
    keep = before < top_p
    keep[..., 0] = True
    values = torch.where(keep, values, torch.full_like(values, -torch.inf))
    return torch.empty_like(logits).scatter_(-1, index, values)


# ---------------------------------------------------------------- top_p_filter, refused


@gallery.refused("top_p_filter")
def p_by_library(logits, top_p):
    from transformers import TopPLogitsWarper

    ids = torch.zeros(1, 1, dtype=torch.long)
    return TopPLogitsWarper(top_p)(ids, logits.reshape(-1, logits.shape[-1])).reshape(logits.shape)


# ---------------------------------------------------------------- top_p_filter, wrong


@gallery.wrong("top_p_filter", "crossing-token-dropped")
def p_textbook_drop(logits, top_p):
    s, i = logits.sort(descending=True, dim=-1)
    keep = s.softmax(-1).cumsum(-1) <= top_p
    return logits.masked_fill(~keep.scatter(-1, i, keep), -torch.inf)


@gallery.wrong("top_p_filter", "crossing-token-dropped-but-one")
def p_drop_but_one(logits, top_p):
    s, i = logits.sort(descending=True, dim=-1)
    remove = s.softmax(-1).cumsum(-1) > top_p
    remove[..., 0] = False
    return logits.masked_fill(remove.scatter(-1, i, remove), -torch.inf)


@gallery.wrong("top_p_filter", "one-too-many")
def p_old_transformers(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    s, i = torch.sort(logits, descending=True)
    remove = s.softmax(-1).cumsum(-1) > top_p
    remove[..., 1:] = remove[..., :-1].clone()
    remove[..., 0] = 0
    return logits.masked_fill(remove.scatter(-1, i, remove), -torch.inf)


@gallery.wrong("top_p_filter", "not-sorted")
def p_without_sort(logits, top_p):
    probs = logits.softmax(-1)
    before = probs.cumsum(-1) - probs
    return torch.where(before < top_p, logits, -torch.inf)


@gallery.wrong("top_p_filter", "least-probable-first")
def p_upwards(logits, top_p):
    s, i = logits.sort(dim=-1)
    p = s.softmax(-1)
    remove = p.cumsum(-1) - p >= top_p
    return logits.masked_fill(remove.scatter(-1, i, remove), -torch.inf)


@gallery.wrong("top_p_filter", "left-in-sorted-order")
def p_still_sorted(logits, top_p):
    s, _ = logits.sort(dim=-1, descending=True)
    p = s.softmax(-1)
    remove = p.cumsum(-1) - p >= top_p
    remove[..., 0] = False
    return s.masked_fill(remove, -torch.inf)


@gallery.wrong("top_p_filter", "mask-in-sorted-order")
def p_mask_sorted(logits, top_p):
    p = logits.softmax(-1).sort(dim=-1, descending=True).values
    outside = (p.cumsum(-1) - p) >= top_p
    outside[..., 0] = False
    return logits.masked_fill(outside, -torch.inf)


@gallery.wrong("top_p_filter")
def p_gather_for_scatter(logits, top_p):
    s, i = logits.sort(dim=-1, descending=True)
    p = s.softmax(-1)
    outside = (p.cumsum(-1) - p) >= top_p
    outside[..., 0] = False
    return logits.masked_fill(outside.gather(-1, i), -torch.inf)


@gallery.wrong("top_p_filter", "first-row-for-all")
def p_row_zero(logits, top_p):
    row = logits.reshape(-1, logits.shape[-1])[0]
    s, i = row.sort(descending=True)
    p = s.softmax(-1)
    outside = (p.cumsum(-1) - p) >= top_p
    outside[0] = False
    out = logits.clone()
    out[..., i[outside]] = -torch.inf
    return out


@gallery.wrong("top_p_filter", "emptied-at-zero")
def p_nothing_left(logits, top_p):
    if top_p == 1:
        return logits.clone()
    s, i = logits.sort(dim=-1, descending=True)
    p = s.softmax(-1)
    outside = (p.cumsum(-1) - p) >= top_p
    return logits.masked_fill(outside.scatter(-1, i, outside), -torch.inf)


@gallery.wrong("top_p_filter", "all-ties-kept")
def p_by_value(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    p = logits.softmax(-1)
    s = p.sort(dim=-1, descending=True).values
    needed = ((s.cumsum(-1) - s) < top_p).sum(-1, keepdim=True).clamp(min=1)
    cutoff = s.gather(-1, needed - 1)
    return torch.where(p >= cutoff, logits, -torch.inf)


@gallery.wrong("top_p_filter", "each-against-top-p")
def p_each(logits, top_p):
    return torch.where(logits.softmax(-1) >= top_p, logits, -torch.inf)


@gallery.wrong("top_p_filter", "tail-lost-at-one")
def p_forgot_one(logits, top_p):
    s, i = logits.sort(dim=-1, descending=True)
    p = s.softmax(-1)
    outside = ((p.cumsum(-1) - p) >= top_p).index_fill(-1, torch.tensor(0), False)
    return logits.masked_fill(outside.scatter(-1, i, outside), -torch.inf)


@gallery.wrong("top_p_filter", "inverted")
def p_wrong_way(logits, top_p):
    s, i = logits.sort(dim=-1, descending=True)
    p = s.softmax(-1)
    inside = (p.cumsum(-1) - p) < top_p
    inside[..., 0] = True
    return logits.masked_fill(inside.scatter(-1, i, inside), -torch.inf)


@gallery.wrong("top_p_filter", "probabilities-returned")
def p_gave_probabilities(logits, top_p):
    return torch.softmax(p_rank(logits, top_p), dim=-1)


@gallery.wrong("top_p_filter", "zeros-for-minus-infinity")
def p_zero_logits(logits, top_p):
    kept = p_rank(logits, top_p)
    return torch.where(kept == -torch.inf, torch.zeros(()), kept)


@gallery.wrong("top_p_filter")
def p_large_negative(logits, top_p):
    kept = p_rank(logits, top_p)
    return torch.where(kept == -torch.inf, torch.tensor(-1e9), kept)


@gallery.wrong("top_p_filter")
def p_in_place(logits, top_p):
    kept = p_rank(logits, top_p)
    logits[kept == -torch.inf] = -torch.inf
    return logits


@gallery.wrong("top_p_filter", "nothing-filtered")
def p_nothing(logits, top_p):
    return logits


# ---------------------------------------------------------------- min_p_filter, right


@gallery.right("min_p_filter")
def m_max(logits, min_p):
    p = F.softmax(logits, dim=-1)
    top, _ = p.max(-1, keepdim=True)
    return torch.where(p >= top * min_p, logits, float("-inf"))


@gallery.right("min_p_filter")
def m_numpy(logits, min_p):
    x = logits.numpy()
    p = np.exp(x - x.max(-1, keepdims=True))
    return torch.from_numpy(np.where(p < min_p, -np.inf, x).astype(np.float32))


@gallery.right("min_p_filter")
def m_loops(logits, min_p):
    out = logits.clone()
    flat = out.view(-1, logits.shape[-1])
    for r in range(len(flat)):
        p = flat[r].softmax(0)
        limit = p.max() * min_p
        for token in range(len(p)):
            if p[token] < limit:
                flat[r, token] = -torch.inf
    return out


@gallery.right("min_p_filter")
def m_ratio(logits, min_p):
    p = logits.softmax(-1)
    return logits.masked_fill(~(p / p.amax(-1, True) >= min_p), -torch.inf)


@gallery.right("min_p_filter")
def m_gap(logits, min_p):
    if min_p == 0:
        return logits.clone()
    gap = logits.amax(-1, keepdim=True) - logits
    return logits.masked_fill(gap > -math.log(min_p), -torch.inf)


# ---------------------------------------------------------------- min_p_filter, wrong


@gallery.wrong("min_p_filter", "absolute-threshold")
def m_absolute(logits, min_p):
    p = torch.softmax(logits, -1)
    return torch.where(p >= min_p, logits, -torch.inf)


@gallery.wrong("min_p_filter", "absolute-threshold")
def m_absolute_strict(logits, min_p):
    p = torch.softmax(logits, -1)
    return torch.where(p > min_p, logits, -torch.inf)


@gallery.wrong("min_p_filter", "compared-logits")
def m_on_logits(logits, min_p):
    best, _ = logits.max(-1, keepdim=True)
    return torch.where(logits >= best * min_p, logits, -torch.inf)


@gallery.wrong("min_p_filter", "largest-logit-as-probability")
def m_mixed(logits, min_p):
    p = logits.softmax(-1)
    return logits.masked_fill(p < logits.max(-1, keepdim=True).values * min_p, -torch.inf)


@gallery.wrong("min_p_filter", "edge-dropped")
def m_strict(logits, min_p):
    p = logits.softmax(-1)
    return torch.where(p > min_p * p.amax(-1, keepdim=True), logits, -torch.inf)


@gallery.wrong("min_p_filter", "largest-of-the-batch")
def m_batch_max(logits, min_p):
    p = F.softmax(logits, -1)
    return logits.masked_fill(p < p.max() * min_p, -math.inf)


@gallery.wrong("min_p_filter", "subtracted")
def m_minus(logits, min_p):
    p = F.softmax(logits, -1)
    return torch.where(p >= p.max(-1, keepdim=True)[0] - min_p, logits, -torch.inf)


@gallery.wrong("min_p_filter", "nucleus-instead")
def m_top_p(logits, min_p):
    return p_rank(logits, min_p)


@gallery.wrong("min_p_filter", "inverted")
def m_wrong_way(logits, min_p):
    p = F.softmax(logits, -1)
    return logits.masked_fill(p >= p.amax(-1, keepdim=True) * min_p, -math.inf)


@gallery.wrong("min_p_filter", "probabilities-returned")
def m_probabilities(logits, min_p):
    p = F.softmax(logits, -1)
    p = torch.where(p < p.amax(-1, keepdim=True) * min_p, 0.0, p)
    return p / p.sum(-1, keepdim=True)


@gallery.wrong("min_p_filter", "zeros-for-minus-infinity")
def m_zeros(logits, min_p):
    p = F.softmax(logits, -1)
    return torch.where(p < p.amax(-1, keepdim=True) * min_p, 0.0, logits)


@gallery.wrong("min_p_filter")
def m_column_max(logits, min_p):
    p = F.softmax(logits, -1)
    return logits.masked_fill(p < p.amax(0, keepdim=True) * min_p, -torch.inf)


@gallery.wrong("min_p_filter")
def m_no_keepdim(logits, min_p):
    p = F.softmax(logits, -1)
    return logits.masked_fill(p < p.amax(-1) * min_p, -torch.inf)


@gallery.wrong("min_p_filter", "nothing-filtered")
def m_result_lost(logits, min_p):
    p = F.softmax(logits, -1)
    logits.masked_fill(p < p.amax(-1, keepdim=True) * min_p, -torch.inf)
    return logits


@gallery.wrong("min_p_filter")
def m_mean(logits, min_p):
    p = F.softmax(logits, -1)
    return logits.masked_fill(p < p.mean(-1, keepdim=True) * min_p, -torch.inf)


# ---------------------------------------------------------------- sample_next, right


def k_filter(x, k):
    if k and k < len(x):
        x = torch.where(x >= torch.sort(x, descending=True).values[k - 1], x, -torch.inf)
    return x


def distribution(logits, temperature, top_k, top_p, min_p):
    x = k_filter(logits / temperature, top_k)
    return m_max(p_rank(x, top_p), min_p).softmax(-1)


@gallery.right("sample_next")
def s_searchsorted(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return torch.full(uniform.shape, int(logits.argmax()))
    cdf = distribution(logits, temperature, top_k, top_p, min_p).cumsum(0)
    return torch.searchsorted(cdf / cdf[-1], uniform, right=True)


@gallery.right("sample_next")
def s_loop(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return torch.tensor([logits.argmax().item()] * len(uniform))
    p = distribution(logits, temperature, top_k, top_p, min_p).tolist()
    tokens = []
    for u in uniform.tolist():
        left, chosen = u * sum(p), None
        for token, probability in enumerate(p):
            if probability == 0:
                continue
            chosen = token
            left -= probability
            if left < 0:
                break
        tokens.append(chosen)
    return torch.tensor(tokens)


@gallery.right("sample_next")
def s_numpy(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return torch.from_numpy(np.full(len(uniform), logits.numpy().argmax()))
    p = distribution(logits, temperature, top_k, top_p, min_p).double().numpy()
    ids = np.flatnonzero(p)
    edges = p[ids].cumsum()
    return torch.from_numpy(ids[np.digitize(uniform.double().numpy(), edges[:-1] / edges[-1])])


@gallery.right("sample_next")
def s_upside_down(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(uniform.shape[0])
    cdf = distribution(logits, temperature, top_k, top_p, min_p).flip(0).cumsum(0)
    return len(logits) - 1 - torch.bucketize(uniform, cdf / cdf[-1], right=True)


@gallery.right("sample_next")
def s_kept_only(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if not temperature:
        return torch.ones(len(uniform), dtype=torch.long) * torch.argmax(logits)
    p = distribution(logits, temperature, top_k, top_p, min_p)
    p, ids = p.sort(descending=True)
    ids = ids[p > 0]
    cdf = p[p > 0].cumsum(0)
    cdf[-1] = 1.0
    return ids[(uniform[:, None] >= cdf).sum(1)]


# ---------------------------------------------------------------- sample_next, wrong


def choose(p, uniform):
    cdf = p.cumsum(0)
    return torch.searchsorted(cdf / cdf[-1], uniform, right=True)


@gallery.wrong("sample_next", "always-the-largest")
def s_argmax(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    return torch.full((len(uniform),), logits.argmax().item())


@gallery.wrong("sample_next", "temperature-ignored")
def s_no_temperature(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    return choose(distribution(logits, 1.0, top_k, top_p, min_p), uniform)


@gallery.wrong("sample_next", "temperature-multiplied")
def s_times(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    return choose(distribution(logits, 1 / temperature, top_k, top_p, min_p), uniform)


@gallery.wrong("sample_next", "temperature-after-the-filters")
def s_temperature_last(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    x = m_max(p_rank(k_filter(logits, top_k), top_p), min_p)
    return choose(with_functional(x, temperature), uniform)


@gallery.wrong("sample_next", "top-p-before-top-k")
def s_p_then_k(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    x = k_filter(p_shift(logits / temperature, top_p), top_k)
    return choose(m_max(x, min_p).softmax(0), uniform)


@gallery.wrong("sample_next", "min-p-before-top-p")
def s_min_p_first(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    x = m_max(k_filter(logits / temperature, top_k), min_p)
    return s_upside_down(p_rank(x, top_p), uniform, 1.0, 0, 1.0, 0.0)


@gallery.wrong("sample_next", "filters-ignored")
def s_unfiltered(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    k_filter(logits, top_k)
    return choose(torch.softmax(logits / temperature, -1), uniform)


@gallery.wrong("sample_next", "draws-of-its-own")
def s_global_rng(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    generator = torch.Generator().manual_seed(torch.initial_seed() % 1000 + len(uniform))
    p = distribution(logits, temperature, top_k, top_p, min_p)
    return torch.multinomial(p, len(uniform), replacement=True, generator=generator)


@gallery.wrong("sample_next", "never-greedy")
def s_no_zero_case(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    return choose(distribution(logits, temperature, top_k, top_p, min_p), uniform)


@gallery.wrong("sample_next", "zero-draw-filtered")
def s_left(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    cdf = distribution(logits, temperature, top_k, top_p, min_p).cumsum(0)
    return torch.searchsorted(cdf / cdf[-1], uniform)


@gallery.wrong("sample_next", "one-token-too-far")
def s_plus_one(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    p = distribution(logits, temperature, top_k, top_p, min_p)
    return torch.clamp(choose(p, uniform) + 1, 0, len(logits) - 1)


@gallery.wrong("sample_next", "one-token-too-near")
def s_minus_one(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    p = distribution(logits, temperature, top_k, top_p, min_p)
    return torch.relu(choose(p, uniform) - 1)


@gallery.wrong("sample_next", "first-draw-for-all")
def s_first_only(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    p = distribution(logits, temperature, top_k, top_p, min_p)
    return choose(p, uniform[0].reshape(1)).expand(len(uniform))


@gallery.wrong("sample_next", "ranks-for-tokens")
def s_rank(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    p = distribution(logits, temperature, top_k, top_p, min_p)
    return choose(p.sort(descending=True).values, uniform)


@gallery.wrong("sample_next", "every-token-alike")
def s_floor(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    ids = distribution(logits, temperature, top_k, top_p, min_p).nonzero().flatten()
    return ids[torch.floor(uniform * len(ids)).long().clamp(max=len(ids) - 1)]


@gallery.wrong("sample_next", "not-renormalised")
def s_unnormalised(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    kept = distribution(logits, temperature, top_k, top_p, min_p) > 0
    p = torch.softmax(logits / temperature, 0) * kept
    return torch.searchsorted(p.cumsum(0), uniform, right=True).clamp(max=len(logits) - 1)


@gallery.wrong("sample_next", "falls-off-the-end")
def s_off_the_end(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    cdf = distribution(logits, temperature, top_k, top_p, min_p).cumsum(0)
    return torch.bucketize(uniform, cdf, right=True)


@gallery.wrong("sample_next")
def s_int32(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    return s_searchsorted(logits, uniform, temperature, top_k, top_p, min_p).int()


@gallery.wrong("sample_next", "draws-of-its-own")
def s_sorted_draws(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    tokens = s_searchsorted(logits, uniform, temperature, top_k, top_p, min_p)
    return tokens.sort().values


@gallery.wrong("sample_next")
def s_default_is_cold(logits, uniform, temperature=0.0, top_k=0, top_p=1.0, min_p=0.0):
    return s_searchsorted(logits, uniform, temperature, top_k, top_p, min_p)


@gallery.wrong("sample_next")
def s_top_k_from_two(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    k = top_k if top_k > 1 else 0
    return s_searchsorted(logits, uniform, temperature, k, top_p, min_p)


@gallery.wrong("sample_next")
def s_top_k_minus_one(logits, uniform, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    k = max(top_k - 1, 1) if top_k else 0
    return s_searchsorted(logits, uniform, temperature, k, top_p, min_p)
