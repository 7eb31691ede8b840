"""Answers to the challenges of lesson 14 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges. A wrong one names the mistake that must be
diagnosed; where it names none, the general message has to do.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch.distributions import Categorical, kl_divergence
from torch.nn import functional as F

from tests.gallery.answers import Gallery

gallery = Gallery()

# ---- distillation_loss


def checked(student, teacher, temperature):
    if student.shape != teacher.shape:
        raise ValueError("vocabularies differ")
    if student.shape[0] == 0:
        raise ValueError("no tokens")
    if temperature <= 0:
        raise ValueError("temperature")
    return student.float(), teacher.float()


@gallery.right("distillation_loss")
def d_hinton(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    loss = F.kl_div(
        F.log_softmax(s / temperature, dim=-1),
        F.softmax(t / temperature, dim=-1),
        reduction="batchmean",
    )
    return loss * temperature**2


@gallery.right("distillation_loss")
def d_by_hand(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    log_q = s / temperature - torch.logsumexp(s / temperature, dim=1, keepdim=True)
    log_p = t / temperature - torch.logsumexp(t / temperature, dim=1, keepdim=True)
    p = log_p.exp()
    each = torch.where(p > 0, p * (log_p - log_q), torch.zeros(()))
    return each.sum(dim=1).mean() * temperature * temperature


@gallery.right("distillation_loss")
def d_one_by_one(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    losses = []
    for row_s, row_t in zip(s, t, strict=True):
        row_s, row_t = row_s / temperature, row_t / temperature
        m = row_s.max().detach()
        log_sum = m + torch.log(torch.sum(torch.exp(row_s - m)))
        p = torch.exp(row_t - torch.logsumexp(row_t, 0))
        loss = torch.zeros(())
        for i in range(len(row_s)):
            if p[i] > 0:
                loss = loss + p[i] * (torch.log(p[i]) - (row_s[i] - log_sum))
        losses.append(loss)
    return temperature**2 * sum(losses) / len(losses)


@gallery.right("distillation_loss")
def d_torch_log_target(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    log_p = F.log_softmax(t / temperature, -1).clamp_min(torch.finfo(torch.float32).min)
    q = F.log_softmax(s / temperature, -1)
    return temperature**2 * F.kl_div(q, log_p, reduction="sum", log_target=True) / len(q)


def d_parts(s, t, temperature):
    return F.log_softmax(s / temperature, -1), F.softmax(t / temperature, -1)


@gallery.wrong("distillation_loss", "no-t-squared")
def d_no_square(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    return F.kl_div(*d_parts(s, t, temperature), reduction="batchmean")


@gallery.wrong("distillation_loss", "t-once")
def d_one_t(student_logits, teacher_logits, temperature):
    return d_no_square(student_logits, teacher_logits, temperature) * temperature


@gallery.wrong("distillation_loss", "divided-by-t-squared")
def d_over_square(student_logits, teacher_logits, temperature):
    return d_no_square(student_logits, teacher_logits, temperature) / temperature**2


@gallery.wrong("distillation_loss", "reversed")
def d_swapped(student_logits, teacher_logits, temperature):
    return d_hinton(teacher_logits, student_logits, temperature)


@gallery.wrong("distillation_loss", "student-not-softened")
def d_sharp_student(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q, p = F.log_softmax(s, -1), F.softmax(t / temperature, -1)
    return F.kl_div(q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "teacher-not-softened")
def d_sharp_teacher(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q, p = F.log_softmax(s / temperature, -1), F.softmax(t, -1)
    return F.kl_div(q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "multiplied")
def d_times(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    return F.kl_div(*d_parts(s, t, 1 / temperature), reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "mean-over-vocabulary")
def d_mean(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    return F.kl_div(*d_parts(s, t, temperature), reduction="none").mean() * temperature**2


@gallery.wrong("distillation_loss", "summed")
def d_sum(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    return F.kl_div(*d_parts(s, t, temperature), reduction="sum") * temperature**2


@gallery.wrong("distillation_loss", "cross-entropy")
def d_crossed(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    return F.cross_entropy(s / temperature, F.softmax(t / temperature, -1)) * temperature**2


@gallery.wrong("distillation_loss", "hard-labels")
def d_labels(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    return F.cross_entropy(s / temperature, t.argmax(-1)) * temperature**2


@gallery.wrong("distillation_loss", "squares-of-logits")
def d_mse(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    return ((s / temperature - t / temperature) ** 2).sum(-1).mean() * temperature**2


@gallery.wrong("distillation_loss", "log-of-softmax")
def d_softmax_log(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q = torch.log(torch.softmax(s / temperature, -1))
    p = torch.softmax(t / temperature, -1)
    return F.kl_div(q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "student-without-log")
def d_no_log(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q, p = torch.softmax(s / temperature, -1), torch.softmax(t / temperature, -1)
    return F.kl_div(q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "teacher-as-logarithms")
def d_two_logs(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q, p = F.log_softmax(s / temperature, -1), F.log_softmax(t / temperature, -1)
    return F.kl_div(q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "ruled-out-is-nan")
def d_log_target(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q, p = F.log_softmax(s / temperature, -1), F.log_softmax(t / temperature, -1)
    return F.kl_div(q, p, reduction="batchmean", log_target=True) * temperature**2


@gallery.wrong("distillation_loss", "softmax-over-tokens")
def d_dim_zero(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q, p = F.log_softmax(s / temperature, 0), F.softmax(t / temperature, 0)
    return F.kl_div(q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "in-the-logits-dtype")
def d_bf16(student_logits, teacher_logits, temperature):
    checked(student_logits, teacher_logits, temperature)
    q, p = d_parts(student_logits, teacher_logits, temperature)
    return (torch.xlogy(p, p) - p * q).sum(-1).mean() * temperature**2


@gallery.wrong("distillation_loss", "in-the-logits-dtype")
def d_bf16_kl_div(student_logits, teacher_logits, temperature):
    checked(student_logits, teacher_logits, temperature)
    q, p = d_parts(student_logits, teacher_logits, temperature)
    return F.kl_div(q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "shapes-unchecked")
def d_stretched(student_logits, teacher_logits, temperature):
    if temperature <= 0 or student_logits.shape[0] == 0:
        raise ValueError("temperature")
    q, p = d_parts(student_logits.float(), teacher_logits.float(), temperature)
    return (torch.xlogy(p, p) - p * q).sum(dim=-1).mean() * temperature**2


@gallery.wrong("distillation_loss", "empty-unchecked")
def d_empty(student_logits, teacher_logits, temperature):
    if temperature <= 0 or student_logits.shape != teacher_logits.shape:
        raise ValueError("temperature")
    q, p = d_parts(student_logits.float(), teacher_logits.float(), temperature)
    return (torch.xlogy(p, p) - p * q).sum(dim=-1).mean() * temperature**2


@gallery.wrong("distillation_loss", "temperature-unchecked")
def d_any_temperature(student_logits, teacher_logits, temperature):
    checked(student_logits, teacher_logits, 1.0)
    q, p = d_parts(student_logits.float(), teacher_logits.float(), temperature)
    return (torch.xlogy(p, p) - p * q).sum(dim=-1).mean() * temperature**2


@gallery.wrong("distillation_loss", "infinite-where-rounded-to-zero")
def d_distributions(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q, p = Categorical(logits=s / temperature), Categorical(logits=t / temperature)
    return temperature**2 * kl_divergence(p, q).mean()


@gallery.wrong("distillation_loss")
def d_floor(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    q, p = (torch.softmax(x / temperature, -1) for x in (s, t))
    log_q = torch.log(q + 1e-10)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "exp-overflows")
def d_naive_sum(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    z = s / temperature
    log_q = z - torch.log(torch.exp(z).sum(-1, keepdim=True))
    p = torch.softmax(t / temperature, -1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "softmax-of-plain-exponentials")
def d_naive_softmax(student_logits, teacher_logits, temperature):
    s, t = checked(student_logits, teacher_logits, temperature)
    powers = torch.exp(s / temperature)
    log_q = torch.log(powers / powers.sum(-1, keepdim=True))
    p = torch.softmax(t / temperature, -1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


@gallery.wrong("distillation_loss", "no-gradient")
def d_item(student_logits, teacher_logits, temperature):
    return torch.tensor(d_hinton(student_logits, teacher_logits, temperature).item())


@gallery.wrong("distillation_loss", "no-gradient")
@torch.no_grad()
def d_no_grad(student_logits, teacher_logits, temperature):
    return d_by_hand(student_logits, teacher_logits, temperature)


@gallery.wrong("distillation_loss")
def d_symmetric(student_logits, teacher_logits, temperature):
    there = d_hinton(student_logits, teacher_logits, temperature)
    return (there + d_hinton(teacher_logits, student_logits, temperature)) / 2


# ---- pareto_frontier


def f_refuse(models):
    for name, (ms, quality) in models.items():
        if math.isnan(ms) or math.isnan(quality):
            raise ValueError(name)


def better_first(pair):
    return pair[0], -pair[1]


@gallery.right("pareto_frontier")
def f_sweep(models):
    f_refuse(models)
    best, out = None, []
    for name, (ms, quality) in sorted(models.items(), key=lambda kv: (kv[1][0], -kv[1][1])):
        if best is None or quality > best[1] or (ms, quality) == best:
            out.append(name)
            best = (ms, quality)
    return out


@gallery.right("pareto_frontier")
def f_loops(models, beaten=None, key=lambda pair: pair[0]):
    f_refuse(models)
    out = []
    for name in models:
        (ms, q), dominated = models[name], False
        for other in models:
            oms, oq = models[other]
            if beaten:
                dominated |= name != other and beaten(oms, oq, ms, q)
            else:
                dominated |= oms <= ms and oq >= q and (oms < ms or oq > q)
        if not dominated:
            out.append(name)
    return sorted(out, key=lambda n: key(models[n])) if key else out


@gallery.right("pareto_frontier")
def f_pairs(models):
    if any(x != x for pair in models.values() for x in pair):
        raise ValueError("nan")
    pairs = set(models.values())
    front = {a for a in pairs if not any(b != a and b[0] <= a[0] and b[1] >= a[1] for b in pairs)}
    return [name for pair in sorted(front) for name, mine in models.items() if mine == pair]


@gallery.wrong("pareto_frontier", "best-only")
def f_best(models):
    f_refuse(models)
    if not models:
        return []
    top = max(q for _, q in models.values())
    fastest = min(ms for ms, q in models.values() if q == top)
    return [n for n, pair in models.items() if pair == (fastest, top)]


@gallery.wrong("pareto_frontier", "fastest-only")
def f_fastest(models):
    f_refuse(models)
    if not models:
        return []
    quick = min((ms, -q) for ms, q in models.values())
    return [n for n, (ms, q) in models.items() if (ms, -q) == quick]


@gallery.wrong("pareto_frontier", "both-ends-only")
def f_ends(models):
    first = f_fastest(models)
    return first + [name for name in f_best(models) if name not in first]


@gallery.wrong("pareto_frontier", "best-ratio")
def f_ratio(models):
    f_refuse(models)
    if not models:
        return []
    best = max(q / ms for ms, q in models.values())
    found = [n for n, (ms, q) in models.items() if q / ms == best]
    return sorted(found, key=lambda n: models[n][0])


@gallery.wrong("pareto_frontier", "better-in-both")
def f_strict(models):
    return f_loops(models, lambda oms, oq, ms, q: oms < ms and oq > q, key=better_first)


@gallery.wrong("pareto_frontier", "better-in-both")
def f_strict_as_given(models):
    return f_loops(models, lambda oms, oq, ms, q: oms < ms and oq > q)


@gallery.wrong("pareto_frontier", "equals-beat-each-other")
def f_weak(models):
    return f_loops(models, lambda oms, oq, ms, q: oms <= ms and oq >= q)


@gallery.wrong("pareto_frontier", "first-of-equals")
def f_first_equal(models):
    seen, out = set(), []
    for name in f_sweep(models):
        if models[name] not in seen:
            seen.add(models[name])
            out.append(name)
    return out


@gallery.wrong("pareto_frontier", "next-only")
def f_neighbour(models):
    f_refuse(models)
    names = sorted(models, key=lambda n: (models[n][0], -models[n][1]))
    out = names[:1]
    for before, name in pairwise(names):
        if models[name][1] > models[before][1] or models[name] == models[before]:
            out.append(name)
    return out


@gallery.wrong("pareto_frontier", "on-the-hull-only")
def f_hull(models):
    names = f_sweep(models)
    out = []
    for name in names:
        x, y = models[name]
        above = False
        for left in names:
            for right in names:
                (x0, y0), (x1, y1) = models[left], models[right]
                if x0 < x < x1 and y0 + (y1 - y0) * (x - x0) / (x1 - x0) > y + 1e-9:
                    above = True
        if not above:
            out.append(name)
    return out


@gallery.wrong("pareto_frontier", "slow-is-good")
def f_slow(models):
    def beaten(oms, oq, ms, q):
        return oms >= ms and oq >= q and (oms > ms or oq > q)

    return f_loops(models, beaten, key=better_first)


@gallery.wrong("pareto_frontier", "poor-is-good")
def f_low(models):
    def beaten(oms, oq, ms, q):
        return oms <= ms and oq <= q and (oms < ms or oq < q)

    return f_loops(models, beaten, key=better_first)


@gallery.wrong("pareto_frontier", "as-given")
def f_given(models):
    return f_loops(models, key=None)


@gallery.wrong("pareto_frontier", "slowest-first")
def f_best_first(models):
    return f_loops(models, key=lambda pair: -pair[0])


@gallery.wrong("pareto_frontier", "nan-unchecked")
def f_nan(models):
    out = []
    for name, (ms, q) in sorted(models.items(), key=lambda kv: (kv[1][0], -kv[1][1])):
        if not any(o <= ms and p >= q and (o, p) != (ms, q) for o, p in models.values()):
            out.append(name)
    return out


@gallery.wrong("pareto_frontier")
def f_dict(models):
    return {name: models[name] for name in f_loops(models)}


# ---- memory_fit


def fit(
    c, parameters, bits, tokens, memory_gib, overhead_gib, *,
    weights=None, gib=1024**3, vectors=2, number=2, cached=True, strict=False, check=True,
):  # fmt: skip
    if bits <= 0 and check:
        raise ValueError("bits")
    size = c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])
    cache = vectors * c["num_hidden_layers"] * c["num_key_value_heads"] * size * tokens * number
    weights = parameters * bits / 8 if weights is None else weights
    need = weights + cache * cached + overhead_gib * gib
    fits = need < memory_gib * gib if strict else need <= memory_gib * gib
    return {"weights": weights, "cache": cache, "fits": fits}


@gallery.right("memory_fit")
def m_right(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib)


@gallery.right("memory_fit")
def m_left(config, parameters, bits, tokens, memory_gib, overhead_gib):
    found = fit(config, parameters, bits, tokens, memory_gib, overhead_gib)
    free = (memory_gib - overhead_gib) * 2**30 - found["weights"] - found["cache"]
    return {"weights": round(found["weights"]), "cache": found["cache"], "fits": free >= 0}


@gallery.right("memory_fit")
def m_gib(config, parameters, bits, tokens, memory_gib, overhead_gib):
    if bits <= 0:
        raise ValueError(f"{bits} bits")
    weights = parameters * (bits / 8)
    dim = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    cache = 0
    for _layer in range(config["num_hidden_layers"]):
        for _head in range(config["num_key_value_heads"]):
            cache += 2 * dim * 2 * tokens
    needed = weights / 2**30 + cache / 2**30 + overhead_gib
    return {"fits": not needed > memory_gib, "weights": weights, "cache": float(cache)}


@gallery.wrong("memory_fit", "bits-as-bytes")
def m_bits(config, parameters, bits, tokens, memory_gib, overhead_gib):
    weights = parameters * bits
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, weights=weights)


@gallery.wrong("memory_fit", "bits-floored")
def m_floor(config, parameters, bits, tokens, memory_gib, overhead_gib):
    weights = parameters * math.floor(bits / 8)
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, weights=weights)


@gallery.wrong("memory_fit", "whole-bits")
def m_int(config, parameters, bits, tokens, memory_gib, overhead_gib):
    weights = parameters * math.floor(bits) / 8
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, weights=weights)


@gallery.wrong("memory_fit", "gb-for-gib")
def m_gb(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, gib=1e9)


@gallery.wrong("memory_fit", "half-the-cache")
def m_keys(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, vectors=1)


@gallery.wrong("memory_fit", "half-the-cache")
def m_one_byte(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, number=1)


@gallery.wrong("memory_fit", "twice-the-cache")
def m_float32(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, number=4)


@gallery.wrong("memory_fit", "hidden-size-cached")
def m_whole_hidden(config, parameters, bits, tokens, memory_gib, overhead_gib):
    whole = {**config, "num_key_value_heads": 1, "head_dim": config["hidden_size"]}
    return fit(whole, parameters, bits, tokens, memory_gib, overhead_gib)


@gallery.wrong("memory_fit", "head-dim-of-key-value-heads")
def m_long_heads(config, parameters, bits, tokens, memory_gib, overhead_gib):
    size = config.get("head_dim") or config["hidden_size"] // config["num_key_value_heads"]
    return fit({**config, "head_dim": size}, parameters, bits, tokens, memory_gib, overhead_gib)


@gallery.wrong("memory_fit", "cache-in-the-weights-bits")
def m_quantized_cache(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, number=bits / 8)


@gallery.wrong("memory_fit", "query-heads")
def m_heads(config, parameters, bits, tokens, memory_gib, overhead_gib):
    every = {**config, "num_key_value_heads": config["num_attention_heads"]}
    return fit(every, parameters, bits, tokens, memory_gib, overhead_gib)


@gallery.wrong("memory_fit", "head-dim-computed")
def m_computed(config, parameters, bits, tokens, memory_gib, overhead_gib):
    rest = {key: value for key, value in config.items() if key != "head_dim"}
    return fit(rest, parameters, bits, tokens, memory_gib, overhead_gib)


@gallery.wrong("memory_fit", "one-layer")
def m_layer(config, parameters, bits, tokens, memory_gib, overhead_gib):
    one = {**config, "num_hidden_layers": 1}
    return fit(one, parameters, bits, tokens, memory_gib, overhead_gib)


@gallery.wrong("memory_fit", "cache-of-one-token")
def m_token(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, 1, memory_gib, overhead_gib)


@gallery.wrong("memory_fit", "cache-not-added")
def m_no_cache(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, cached=False)


@gallery.wrong("memory_fit", "overhead-forgotten")
def m_no_overhead(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, 0)


@gallery.wrong("memory_fit", "exact-fit-refused")
def m_strict(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, strict=True)


@gallery.wrong("memory_fit", "turned-round")
def m_turned(config, parameters, bits, tokens, memory_gib, overhead_gib):
    found = fit(config, parameters, bits, tokens, memory_gib, overhead_gib)
    return {**found, "fits": not found["fits"]}


@gallery.wrong("memory_fit", "bits-unchecked")
def m_unchecked(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return fit(config, parameters, bits, tokens, memory_gib, overhead_gib, check=False)


@gallery.wrong("memory_fit")
def m_bool(config, parameters, bits, tokens, memory_gib, overhead_gib):
    return m_right(config, parameters, bits, tokens, memory_gib, overhead_gib)["fits"]
