"""Answers to the challenges of lesson 08 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges. A wrong one names the mistake that must be
diagnosed; where it names none, the general message has to do.
"""

from __future__ import annotations

import math
from statistics import fmean

import numpy as np
import torch
import torch.nn.functional as F

from tests.gallery.answers import Gallery

gallery = Gallery()

# ---------------------------------------------------------------- collate


@gallery.right("collate")
def c_lists(prompts, answers, end, pad):
    if len(prompts) != len(answers):
        raise ValueError("prompts, answers")
    if any(not a for a in answers):
        raise ValueError("empty answer")
    ids, masks, labels = [], [], []
    longest = max(len(p) + len(a) + 1 for p, a in zip(prompts, answers, strict=True))
    for p, a in zip(prompts, answers, strict=True):
        row = p + a + [end]
        fill = longest - len(row)
        ids.append(row + fill * [pad])
        masks.append(len(row) * [1] + fill * [0])
        labels.append(len(p) * [-100] + a + [end] + fill * [-100])
    names = ("input_ids", "attention_mask", "labels")
    return {n: torch.tensor(v) for n, v in zip(names, (ids, masks, labels), strict=True)}


@gallery.right("collate")
def c_where(prompts, answers, end, pad):
    """By positions: one comparison with the lengths for the mask, one for the labels."""
    if len(prompts) != len(answers) or min(map(len, answers)) == 0:
        raise ValueError
    rows = [p + a + [end] for p, a in zip(prompts, answers, strict=True)]
    n = max(map(len, rows))
    ids = torch.tensor([r + [pad] * (n - len(r)) for r in rows])
    place = torch.arange(n)[None]
    mask = place < torch.tensor([[len(r)] for r in rows])
    learned = mask & (place >= torch.tensor([[len(p)] for p in prompts]))
    labels = torch.where(learned, ids, torch.tensor(-100))
    return {"input_ids": ids, "attention_mask": mask.long(), "labels": labels}


@gallery.right("collate")
def c_numpy(prompts, answers, end, pad):
    if len(prompts) != len(answers) or any(len(a) == 0 for a in answers):
        raise ValueError("one answer for each prompt, and none empty")
    lengths = [len(p) + len(a) + 1 for p, a in zip(prompts, answers, strict=True)]
    shape = (len(lengths), max(lengths))
    ids, mask = np.full(shape, pad), np.zeros(shape, dtype=np.int64)
    labels = np.full(shape, -100)
    for i, (p, a, n) in enumerate(zip(prompts, answers, lengths, strict=True)):
        ids[i, :n] = [*p, *a, end]
        mask[i, :n] = 1
        labels[i, len(p) : n] = [*a, end]
    found = {"labels": labels, "input_ids": ids, "attention_mask": mask}
    return {name: torch.from_numpy(array) for name, array in found.items()}


@gallery.right("collate")
def c_padded_one_by_one(prompts, answers, end, pad):
    """Places are asked for one by one, through a generator."""
    if {len(prompts)} != {len(answers)} or [] in answers:
        raise ValueError

    def row(p, a, n):
        for t in range(n):
            inside = t <= len(p) + len(a)
            token = (p + a + [end])[t] if inside else pad
            yield token, int(inside), token if inside and t >= len(p) else -100

    n = 1 + max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    cells = torch.tensor([list(row(p, a, n)) for p, a in zip(prompts, answers, strict=True)])
    return dict(zip(("input_ids", "attention_mask", "labels"), cells.unbind(-1), strict=True))


@gallery.wrong("collate", "all-by-value")
def c_by_value_everywhere(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    real = found["input_ids"] != pad
    return {
        **found,
        "attention_mask": real.long(),
        "labels": torch.where(real, found["labels"], torch.tensor(-100)),
    }


@gallery.wrong("collate", "end-after-padding")
def c_end_last(prompts, answers, end, pad):
    found = c_without_end(prompts, answers, end, pad)
    rows = len(prompts)
    return {
        "input_ids": F.pad(found["input_ids"], (0, 1), value=end),
        "attention_mask": torch.cat([found["attention_mask"], torch.ones(rows, 1).long()], 1),
        "labels": F.pad(found["labels"], (0, 1), value=end),
    }


@gallery.wrong("collate")
def c_int32(prompts, answers, end, pad):
    return {name: tensor.int() for name, tensor in c_where(prompts, answers, end, pad).items()}


@gallery.wrong("collate")
def c_bool_mask(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    return {**found, "attention_mask": found["attention_mask"].bool()}


@gallery.wrong("collate")
def c_appends(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    for a in answers:
        a.append(end)
    return found


@gallery.wrong("collate")
def c_takes_empty(prompts, answers, end, pad):
    if len(prompts) != len(answers):
        raise ValueError
    return c_trusting(prompts, answers, end, pad)


@gallery.wrong("collate", "prompt-learned")
def c_everything(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    labels = found["input_ids"].clone()
    labels[found["attention_mask"] == 0] = -100
    return {**found, "labels": labels}


@gallery.wrong("collate", "padding-learned")
def c_pad_labels(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    labels = torch.where(found["attention_mask"] == 0, pad, found["labels"])
    return {**found, "labels": labels}


@gallery.wrong("collate", "padding-by-value")
def c_replace_pad(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    labels = found["labels"].clone()
    labels[found["input_ids"] == pad] = -100
    return {**found, "labels": labels}


@gallery.wrong("collate", "mask-by-value")
def c_mask_from_ids(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    return {**found, "attention_mask": found["input_ids"].ne(pad).to(torch.int64)}


@gallery.wrong("collate", "no-end")
def c_without_end(prompts, answers, end, pad):
    if len(prompts) != len(answers) or not all(answers):
        raise ValueError
    rows = [p + a for p, a in zip(prompts, answers, strict=True)]
    n = max(map(len, rows))
    fill = [n - len(r) for r in rows]
    labels = [[-100] * len(p) + a for p, a in zip(prompts, answers, strict=True)]
    return {
        "input_ids": torch.tensor([r + f * [pad] for r, f in zip(rows, fill, strict=True)]),
        "attention_mask": torch.tensor(
            [[1] * len(r) + f * [0] for r, f in zip(rows, fill, strict=True)]
        ),
        "labels": torch.tensor([r + f * [-100] for r, f in zip(labels, fill, strict=True)]),
    }


@gallery.wrong("collate", "end-not-learned")
def c_end_ignored(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    labels = found["labels"].clone()
    for i, length in enumerate(found["attention_mask"].sum(1).tolist()):
        labels[i, length - 1] = -100
    return {**found, "labels": labels}


@gallery.wrong("collate", "answer-masked")
def c_prompt_only(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    labels = found["input_ids"].clone()
    for i, p in enumerate(prompts):
        labels[i, len(p) :] = -100
    return {**found, "labels": labels}


@gallery.wrong("collate", "shifted")
def c_next_token(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    last = torch.full((len(prompts), 1), -100)
    return {**found, "labels": torch.cat([found["labels"][:, 1:], last], dim=1)}


@gallery.wrong("collate", "one-too-many")
def c_first_masked(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    labels = found["labels"].clone()
    for i, p in enumerate(prompts):
        labels[i, : len(p) + 1] = -100
    return {**found, "labels": labels}


@gallery.wrong("collate", "one-too-few")
def c_last_of_prompt(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    labels = found["labels"].clone()
    for i, p in enumerate(prompts):
        if p:
            labels[i, len(p) - 1] = p[-1]
    return {**found, "labels": labels}


@gallery.wrong("collate", "masked-with-pad")
def c_pad_for_ignored(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    return {**found, "labels": found["labels"].masked_fill(found["labels"].eq(-100), pad)}


@gallery.wrong("collate", "padded-left")
def c_left(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    lengths = found["attention_mask"].sum(1).tolist()
    n = max(lengths)
    return {
        name: torch.stack([row.roll(n - k) for row, k in zip(value, lengths, strict=True)])
        for name, value in found.items()
    }


@gallery.wrong("collate", "mask-all-ones")
def c_no_mask(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    return {**found, "attention_mask": torch.ones_like(found["input_ids"])}


@gallery.wrong("collate", "prompt-unseen")
def c_prompt_hidden(prompts, answers, end, pad):
    found = c_where(prompts, answers, end, pad)
    return {**found, "attention_mask": (found["labels"] != -100).long()}


@gallery.wrong("collate", "nothing-refused")
def c_trusting(prompts, answers, end, pad):
    rows = [p + a + [end] for p, a in zip(prompts, answers, strict=False)]
    n = max(map(len, rows))
    labels = [
        [-100] * len(p) + r[len(p) :] + [-100] * (n - len(r))
        for p, r in zip(prompts, rows, strict=False)
    ]
    return {
        "input_ids": torch.tensor([r + [pad] * (n - len(r)) for r in rows]),
        "attention_mask": torch.tensor([[1] * len(r) + [0] * (n - len(r)) for r in rows]),
        "labels": torch.tensor(labels),
    }


@gallery.wrong("collate")
def c_ids_only(prompts, answers, end, pad):
    return c_where(prompts, answers, end, pad)["input_ids"]


# ---------------------------------------------------------------- answer_loss


@gallery.right("answer_loss")
def l_functional(logits, labels):
    wanted = labels[..., 1:].contiguous()
    if bool((wanted == -100).all()):
        raise ValueError("nothing to learn")
    scores = logits[..., :-1, :].contiguous().float()
    return F.cross_entropy(scores.view(-1, scores.size(-1)), wanted.view(-1), ignore_index=-100)


@gallery.right("answer_loss")
def l_weighted(logits, labels):
    """A sum with weights 0 and 1, divided by how many are 1."""
    wanted = labels[:, 1:]
    weights = (wanted >= 0).float()
    if weights.sum() == 0:
        raise ValueError
    logp = F.log_softmax(logits[:, :-1].float(), dim=2)
    chosen = torch.gather(logp, 2, wanted.clamp(min=0).unsqueeze(2)).squeeze(2)
    return -(chosen * weights).sum() / weights.sum()


@gallery.right("answer_loss")
def l_nll(logits, labels):
    if not torch.any(labels[:, 1:] != -100):
        raise ValueError("no labels")
    logp = logits[:, :-1].float().log_softmax(-1).permute(0, 2, 1)
    return F.nll_loss(logp, labels[:, 1:], ignore_index=-100)


@gallery.right("answer_loss")
def l_token_by_token(logits, labels):
    """A running sum over places, with the maximum taken out by hand."""
    total, count = torch.zeros(()), 0
    for row in range(labels.shape[0]):
        for t in range(labels.shape[1] - 1):
            label = labels[row, t + 1].item()
            if label == -100:
                continue
            z = logits[row, t].to(torch.float32)
            top = z.max().detach()
            total = total + top + torch.log(torch.exp(z - top).sum()) - z[label]
            count += 1
    if not count:
        raise ValueError("nothing to learn")
    return total / count


@gallery.right("answer_loss")
def l_index(logits, labels):
    rows, places = torch.nonzero(labels[:, 1:] + 100, as_tuple=True)
    if rows.numel() == 0:
        raise ValueError
    scores = logits[rows, places].float()
    return torch.logsumexp(scores, 1).sub(scores[range(len(rows)), labels[rows, places + 1]]).mean()


@gallery.wrong("answer_loss", "no-gradient")
def l_item(logits, labels):
    return torch.tensor(l_functional(logits, labels).item())


@gallery.wrong("answer_loss", "no-gradient")
def l_no_grad(logits, labels):
    with torch.no_grad():
        return l_functional(logits, labels)


@gallery.wrong("answer_loss", "no-gradient")
def l_in_numpy(logits, labels):
    wanted = labels[:, 1:].numpy()
    kept = wanted != -100
    if not kept.any():
        raise ValueError
    z = logits.detach().float()[:, :-1].numpy()[kept].astype(np.float64)
    z = z - z.max(-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(-1, keepdims=True))
    loss = -logp[np.arange(len(z)), wanted[kept]].mean()
    return torch.tensor(loss, dtype=torch.float32)


@gallery.wrong("answer_loss", "divided-by-rows")
def l_by_rows(logits, labels):
    return l_sum(logits, labels) / logits.shape[0]


@gallery.wrong("answer_loss", "counted-before-the-shift")
def l_counts_all_labels(logits, labels):
    return l_sum(logits, labels) / labels.ne(-100).sum()


@gallery.wrong("answer_loss", "token-0-left-out")
def l_above_zero(logits, labels):
    wanted = labels[:, 1:]
    if not (wanted >= 0).any():
        raise ValueError
    kept = wanted > 0
    return F.cross_entropy(logits[:, :-1].float()[kept], wanted[kept])


@gallery.wrong("answer_loss", "softmax-twice")
def l_of_probabilities(logits, labels):
    return l_functional(torch.softmax(logits.float(), dim=-1), labels)


@gallery.wrong("answer_loss")
def l_half_a_gradient(logits, labels):
    """The right number; its gradient lacks the softmax."""
    wanted = labels[:, 1:]
    kept = wanted != -100
    if not kept.any():
        raise ValueError
    z = logits[:, :-1].float()[kept]
    return (z.logsumexp(-1).detach() - z.gather(1, wanted[kept][:, None])[:, 0]).mean()


@gallery.wrong("answer_loss", "not-shifted")
def l_same_place(logits, labels):
    if (labels[:, 1:] == -100).all():
        raise ValueError
    return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten())


@gallery.wrong("answer_loss", "shifted-backwards")
def l_backwards(logits, labels):
    if (labels[:, 1:] == -100).all():
        raise ValueError
    return F.cross_entropy(logits[:, 1:].float().flatten(0, 1), labels[:, :-1].flatten())


@gallery.wrong("answer_loss", "shifted-twice")
def l_two(logits, labels):
    if (labels[:, 1:] == -100).all():
        raise ValueError
    return F.cross_entropy(logits[:, :-2].float().flatten(0, 1), labels[:, 2:].flatten())


@gallery.wrong("answer_loss", "mean-over-all")
def l_all_places(logits, labels):
    if (labels[:, 1:] == -100).all():
        raise ValueError
    scores = logits[:, :-1].float().flatten(0, 1)
    return F.cross_entropy(scores, labels[:, 1:].flatten(), reduction="none").mean()


@gallery.wrong("answer_loss", "mean-of-rows")
def l_rowwise(logits, labels):
    losses = []
    for scores, wanted in zip(logits.float(), labels, strict=True):
        if (wanted[1:] != -100).any():
            losses.append(F.cross_entropy(scores[:-1], wanted[1:]))
    if not losses:
        raise ValueError
    return sum(losses) / len(losses)


@gallery.wrong("answer_loss", "sum")
def l_sum(logits, labels):
    if (labels[:, 1:] == -100).all():
        raise ValueError
    scores = logits[:, :-1].float().flatten(0, 1)
    return F.cross_entropy(scores, labels[:, 1:].flatten(), reduction="sum")


@gallery.wrong("answer_loss", "ignored-as-token")
def l_zeroed(logits, labels):
    if (labels[:, 1:] == -100).all():
        raise ValueError
    wanted = torch.where(labels == -100, 0, labels)
    return F.cross_entropy(logits[:, :-1].float().flatten(0, 1), wanted[:, 1:].flatten())


@gallery.wrong("answer_loss", "bits")
def l_bits(logits, labels):
    return l_functional(logits, labels) * math.log2(math.e)


@gallery.wrong("answer_loss", "sign")
def l_likelihood(logits, labels):
    return -l_functional(logits, labels)


@gallery.wrong("answer_loss", "perplexity")
def l_perplexity(logits, labels):
    return torch.exp(l_functional(logits, labels))


@gallery.wrong("answer_loss", "not-a-log")
def l_one_minus(logits, labels):
    wanted = labels[:, 1:]
    kept = wanted != -100
    if not kept.any():
        raise ValueError
    p = logits[:, :-1].float().softmax(-1)[kept]
    return (1 - p[torch.arange(len(p)), wanted[kept]]).mean()


@gallery.wrong("answer_loss", "overflow")
def l_exp(logits, labels):
    wanted = labels[:, 1:]
    kept = wanted != -100
    if not kept.any():
        raise ValueError
    e = torch.exp(logits[:, :-1].float()[kept])
    p = e / e.sum(-1, keepdim=True)
    return -torch.log(p[torch.arange(len(p)), wanted[kept]]).mean()


@gallery.wrong("answer_loss", "own-dtype")
def l_dtype(logits, labels):
    if (labels[:, 1:] == -100).all():
        raise ValueError
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


@gallery.wrong("answer_loss", "nan-for-nothing")
def l_trusting(logits, labels):
    return F.cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten())


@gallery.wrong("answer_loss")
def l_float(logits, labels):
    return float(l_functional(logits, labels))


# ---------------------------------------------------------------- adamw_step


@gallery.right("adamw_step")
def a_like_torch(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    b1, b2 = betas
    w = weight - weight * weight_decay * learning_rate
    m = first + (gradient - first) * (1 - b1)
    v = second + (gradient.square() - second) * (1 - b2)
    root = torch.sqrt(v / (1 - b2**step))
    w = w - (learning_rate / (1 - b1**step)) * m / (root + eps)
    return {"weight": w, "first": m, "second": v}


@gallery.right("adamw_step")
def a_numpy(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    w, g, m, v = (t.numpy().astype(np.float64) for t in (weight, gradient, first, second))
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    up, down = m / (1 - betas[0] ** step), np.sqrt(v / (1 - betas[1] ** step)) + eps
    w = w * (1 - learning_rate * weight_decay) - learning_rate * up / down
    found = {"weight": w, "first": m, "second": v}
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in found.items()}


@gallery.right("adamw_step")
def a_on_clones(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    w, m, v = weight.clone(), first.clone(), second.clone()
    m.mul_(betas[0]).add_(gradient, alpha=1 - betas[0])
    v.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    w.mul_(1 - learning_rate * weight_decay)
    root = (v / (1 - betas[1] ** step)).sqrt_().add_(eps)
    w.addcdiv_(m / (1 - betas[0] ** step), root, value=-learning_rate)
    return {"weight": w, "first": m, "second": v}


@gallery.refused("adamw_step")
def a_by_torch(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    """Lets the library do it."""
    p = weight.clone().requires_grad_(True)
    p.grad = gradient.clone()
    adam = torch.optim.AdamW([p], lr=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay)
    adam.state[p] = {
        "step": torch.tensor(step - 1.0), "exp_avg": first.clone(), "exp_avg_sq": second.clone(),
    }  # fmt: skip
    adam.step()
    state = adam.state[p]
    return {"weight": p.detach(), "first": state["exp_avg"], "second": state["exp_avg_sq"]}


@gallery.wrong("adamw_step", "eps-before-correction")
def a_short_form(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    """alpha_t and epsilon hat, as at the end of section 2 of Adam's paper."""
    b1, b2 = betas
    m, v = b1 * first + (1 - b1) * gradient, b2 * second + (1 - b2) * gradient**2
    alpha_t = learning_rate * (1 - b2**step) ** 0.5 / (1 - b1**step)
    w = weight - alpha_t * m / (torch.sqrt(v) + eps) - learning_rate * weight_decay * weight
    return {"weight": w, "first": m, "second": v}


@gallery.wrong("adamw_step", "betas-not-used")
def a_usual_betas(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    return a_like_torch(weight, gradient, first, second, step, learning_rate, weight_decay, eps=eps)


@gallery.wrong("adamw_step", "one-correction")
def a_one_correction(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    m = betas[0] * first + (1 - betas[0]) * gradient
    v = betas[1] * second + (1 - betas[1]) * gradient**2
    m_hat, v_hat = (mean / (1 - betas[0] ** step) for mean in (m, v))
    w = weight - learning_rate * (m_hat / (v_hat.sqrt() + eps) + weight_decay * weight)
    return {"weight": w, "first": m, "second": v}


@gallery.wrong("adamw_step", "old-means-used")
def a_steps_before_updating(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    m_hat, v_hat = first / (1 - betas[0] ** step), second / (1 - betas[1] ** step)
    w = weight - learning_rate * (m_hat / (v_hat.sqrt() + eps) + weight_decay * weight)
    m = betas[0] * first + (1 - betas[0]) * gradient
    v = betas[1] * second + (1 - betas[1]) * gradient**2
    return {"weight": w, "first": m, "second": v}


@gallery.wrong("adamw_step")
def a_first_corrected_only(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    m = betas[0] * first + (1 - betas[0]) * gradient
    v = betas[1] * second + (1 - betas[1]) * gradient**2
    w = weight - learning_rate * (m / (1 - betas[0] ** step) / (v.sqrt() + eps))
    return {"weight": w - learning_rate * weight_decay * weight, "first": m, "second": v}


@gallery.wrong("adamw_step")
def a_means_in_place(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    first.mul_(betas[0]).add_(gradient, alpha=1 - betas[0])
    second.mul_(betas[1]).add_(gradient**2, alpha=1 - betas[1])
    m, v = first / (1 - betas[0] ** step), second / (1 - betas[1] ** step)
    w = weight - learning_rate * (m / (v.sqrt() + eps) + weight_decay * weight)
    return {"weight": w, "first": first, "second": second}


@gallery.wrong("adamw_step", "decay-in-gradient")
def a_l2(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    g = gradient + weight_decay * weight
    m = betas[0] * first + (1 - betas[0]) * g
    v = betas[1] * second + (1 - betas[1]) * g * g
    m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    return {
        "weight": weight - learning_rate * m_hat / (v_hat.sqrt() + eps),
        "first": m,
        "second": v,
    }


@gallery.wrong("adamw_step", "counted-from-zero")
def a_from_zero(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    m = betas[0] * first + (1 - betas[0]) * gradient
    v = betas[1] * second + (1 - betas[1]) * gradient**2
    done = step - 1
    m_hat = m / (1 - betas[0] ** done) if done else m
    v_hat = v / (1 - betas[1] ** done) if done else v
    w = weight - learning_rate * (m_hat / (v_hat.sqrt() + eps) + weight_decay * weight)
    return {"weight": w, "first": m, "second": v}


@gallery.wrong("adamw_step", "in-place")
def a_writes(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    m = betas[0] * first + (1 - betas[0]) * gradient
    v = betas[1] * second + (1 - betas[1]) * gradient * gradient
    m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    old = weight.clone()
    weight[:] = (
        old - learning_rate * m_hat / (v_hat.sqrt() + eps) - learning_rate * weight_decay * old
    )
    return {"weight": weight, "first": m, "second": v}


@gallery.wrong("adamw_step", "not-corrected")
def a_raw(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    m = betas[0] * first + (1 - betas[0]) * gradient
    v = betas[1] * second + (1 - betas[1]) * gradient**2
    w = weight - learning_rate * (m / (v**0.5 + eps) + weight_decay * weight)
    return {"weight": w, "first": m, "second": v}


@gallery.wrong("adamw_step", "square-missing")
def a_abs(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    m = betas[0] * first + (1 - betas[0]) * gradient
    v = betas[1] * second + (1 - betas[1]) * gradient.abs()
    m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    w = weight - learning_rate * (m_hat / (v_hat**0.5 + eps) + weight_decay * weight)
    return {"weight": w, "first": m, "second": v}


@gallery.wrong("adamw_step", "corrected-means-kept")
def a_keeps_corrected(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    found = a_like_torch(
        weight, gradient, first, second, step, learning_rate, weight_decay, betas, eps
    )
    found["first"] /= 1 - betas[0] ** step
    found["second"] /= 1 - betas[1] ** step
    return found


@gallery.wrong("adamw_step", "betas-swapped")
def a_swapped_through(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    b2, b1 = betas
    return a_like_torch(
        weight, gradient, first, second, step, learning_rate, weight_decay, (b1, b2), eps
    )


@gallery.wrong("adamw_step", "shares-swapped")
def a_shares_through(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    b1, b2 = betas
    m, v = (1 - b1) * first + b1 * gradient, (1 - b2) * second + b2 * gradient**2
    m_hat, v_hat = m / (1 - b1**step), v / (1 - b2**step)
    w = weight - learning_rate * (m_hat / (v_hat.sqrt() + eps) + weight_decay * weight)
    return {"weight": w, "first": m, "second": v}


@gallery.wrong("adamw_step")
def a_tuple(
    weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
    betas=(0.9, 0.999), eps=1e-8,
):  # fmt: skip
    found = a_like_torch(
        weight, gradient, first, second, step, learning_rate, weight_decay, betas, eps
    )
    return found["weight"], found["first"], found["second"]


def moved_by(move):
    """A step whose means and corrections are right, and that moves the weight by `move`."""

    def adamw_step(
        weight, gradient, first, second, step, learning_rate, weight_decay=0.01,
        betas=(0.9, 0.999), eps=1e-8,
    ):  # fmt: skip
        m = betas[0] * first + (1 - betas[0]) * gradient
        v = betas[1] * second + (1 - betas[1]) * gradient**2
        m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
        new = move(weight, m_hat, v_hat, learning_rate, weight_decay, eps)
        return {"weight": new, "first": m, "second": v}

    adamw_step.__name__ = move.__name__
    return adamw_step


@gallery.wrong("adamw_step", "decay-without-rate")
@moved_by
def a_decay_alone(w, m, v, lr, wd, eps):
    return (1 - wd) * w - lr * m / (v.sqrt() + eps)


@gallery.wrong("adamw_step", "no-decay")
@moved_by
def a_plain_adam(w, m, v, lr, wd, eps):
    return w - lr * m / (v.sqrt() + eps)


@gallery.wrong("adamw_step", "decay-after")
@moved_by
def a_decay_last(w, m, v, lr, wd, eps):
    return (w - lr * m / (v.sqrt() + eps)) * (1 - lr * wd)


@gallery.wrong("adamw_step", "eps-in-root")
@moved_by
def a_eps_inside(w, m, v, lr, wd, eps):
    return w - lr * (m / torch.sqrt(v + eps) + wd * w)


@gallery.wrong("adamw_step", "no-eps")
@moved_by
def a_no_eps(w, m, v, lr, wd, eps):
    return w - lr * (m / v.sqrt() + wd * w)


@gallery.wrong("adamw_step", "no-root")
@moved_by
def a_no_root(w, m, v, lr, wd, eps):
    return w - lr * (m / (v + eps) + wd * w)


@gallery.wrong("adamw_step", "uphill")
@moved_by
def a_up(w, m, v, lr, wd, eps):
    return w + lr * m / (v.sqrt() + eps) - lr * wd * w


# ---------------------------------------------------------------- share_forgotten


@gallery.right("share_forgotten")
def f_loop(before, after):
    if len(before) != len(after):
        raise ValueError("different questions?")
    known = gone = 0
    for b, a in zip(before, after, strict=True):
        if b:
            known += 1
            if not a:
                gone += 1
    if known == 0:
        raise ValueError("nothing known")
    return gone / known


@gallery.right("share_forgotten")
def f_mean(before, after):
    """A mean over the answers to what was known."""
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if b]
    if not pairs:
        raise ValueError
    return fmean(not a for _, a in pairs)


@gallery.right("share_forgotten")
def f_places(before, after):
    if len(after) != len(before):
        raise ValueError
    known = {i for i, right in enumerate(before) if right}
    if not known:
        raise ValueError("nothing to forget")
    gone = known.difference(i for i, right in enumerate(after) if right)
    return len(gone) / len(known)


@gallery.right("share_forgotten")
def f_numpy(before, after):
    b, a = np.array(before, dtype=bool), np.array(after, dtype=bool)
    if b.shape != a.shape or not b.any():
        raise ValueError
    return float(np.mean(~a[b]))


@gallery.right("share_forgotten")
def f_recursive(before, after):
    def count(b, a):
        if not b and not a:
            return 0, 0
        if not b or not a:
            raise ValueError("not the same questions")
        known, gone = count(b[1:], a[1:])
        return known + b[0], gone + (b[0] and not a[0])

    known, gone = count(before, after)
    if known == 0:
        raise ValueError("nothing was known")
    return gone / known


def of_pairs(formula):
    """An answer that refuses what it must, and gives the formula the pairs of before and after."""

    def share_forgotten(before, after):
        if len(before) != len(after) or sum(before) == 0:
            raise ValueError
        return formula(list(zip(before, after, strict=True)))

    share_forgotten.__name__ = formula.__name__
    return share_forgotten


@gallery.wrong("share_forgotten", "of-all")
@of_pairs
def f_of_all(both):
    return sum(b > a for b, a in both) / len(both)


@gallery.wrong("share_forgotten", "net")
@of_pairs
def f_net(both):
    return (sum(b for b, _ in both) - sum(a for _, a in both)) / sum(b for b, _ in both)


@gallery.wrong("share_forgotten", "net-points")
@of_pairs
def f_points(both):
    return sum(b - a for b, a in both) / len(both)


@gallery.wrong("share_forgotten", "net-never-negative")
@of_pairs
def f_net_or_zero(both):
    return max(0, sum(b for b, _ in both) - sum(a for _, a in both)) / sum(b for b, _ in both)


@gallery.wrong("share_forgotten", "net-points-never-negative")
@of_pairs
def f_points_or_zero(both):
    return max(sum(b - a for b, a in both), 0) / len(both)


@gallery.wrong("share_forgotten")
@of_pairs
def f_net_size(both):
    return abs(sum(b - a for b, a in both)) / sum(b for b, _ in both)


@gallery.wrong("share_forgotten", "kept")
@of_pairs
def f_kept(both):
    return sum(b and a for b, a in both) / sum(b for b, _ in both)


@gallery.wrong("share_forgotten", "wrong-after")
@of_pairs
def f_wrong_now(both):
    return sum(not a for _, a in both) / len(both)


@gallery.wrong("share_forgotten", "changed")
@of_pairs
def f_changed(both):
    return sum(b ^ a for b, a in both) / len(both)


@gallery.wrong("share_forgotten", "learned")
@of_pairs
def f_learned(both):
    return sum(a and not b for b, a in both) / sum(b for b, _ in both)


@gallery.wrong("share_forgotten", "of-what-is-known-now")
@of_pairs
def f_of_now(both):
    return sum(b and not a for b, a in both) / (sum(a for _, a in both) or 1)


@gallery.wrong("share_forgotten", "count")
@of_pairs
def f_count(both):
    return 1.0 * sum(b and not a for b, a in both)


@gallery.wrong("share_forgotten", "nothing-is-zero")
def f_zero(before, after):
    if len(before) != len(after):
        raise ValueError
    gone = [b and not a for b, a in zip(before, after, strict=True)]
    return sum(gone) / max(1, sum(before))


@gallery.wrong("share_forgotten", "lengths-unchecked")
def f_trusting(before, after):
    known = sum(before)
    if known == 0:
        raise ValueError
    gone = 0
    for b, a in zip(before, after, strict=False):
        gone += b and not a
    return gone / known


@gallery.wrong("share_forgotten")
def f_percent(before, after):
    return 100 * f_loop(before, after)
