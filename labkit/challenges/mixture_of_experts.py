"""Lesson 15, mixture of experts: what is right, the mistakes known by name, the hints.

Expected values come from float64 NumPy, token by token, and for each challenge also from the
mixtures of transformers themselves, with the same numbers in them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    AutoModelForCausalLM,
    MixtralConfig,
    OlmoeConfig,
    PhimoeConfig,
    Qwen3MoeConfig,
)
from transformers.models.mixtral.modeling_mixtral import (
    MixtralExperts,
    MixtralTopKRouter,
    load_balancing_loss_func,
)
from transformers.models.olmoe.modeling_olmoe import OlmoeTopKRouter

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.drawing import draw

Routed = tuple[Tensor, Tensor]
Counts = dict[str, int]
GAP = 1 / 8
K_TOO_LARGE = "There are fewer experts than k."
K_TOO_SMALL = "A token goes to one expert at least."


def exact(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def normal(s: Submission, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=s.generator)


def spread(scores: Tensor) -> Tensor:
    """The same order with gaps between neighbours: no choice hangs on rounding, in bfloat16 too."""
    return scores + GAP * scores.argsort(dim=-1).argsort(dim=-1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis, in float64."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


# ------------------------------------------------------------------------------------------------
# top_k_router


def true_routes(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    """Token by token, in float64."""
    weights, experts = [], []
    for row in exact(router_logits):
        p = softmax(row)
        best = sorted(range(len(row)), key=lambda i: -row[i])[:k]
        whole = sum(p[i] for i in best) if norm_topk_prob else 1.0
        weights.append([p[i] / whole for i in best])
        experts.append(best)
    return torch.tensor(weights).float().view(-1, k), torch.tensor(experts).long().view(-1, k)


@torch.no_grad()
def library_routes(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    """Mixtral's router, or OLMoE's where nothing is scaled; its weight lets the logits through."""
    experts = router_logits.shape[-1]
    sizes: dict[str, Any] = {"hidden_size": experts, "num_experts_per_tok": k}
    router = (
        MixtralTopKRouter(MixtralConfig(num_local_experts=experts, **sizes))
        if norm_topk_prob
        else OlmoeTopKRouter(OlmoeConfig(num_experts=experts, norm_topk_prob=False, **sizes))
    )
    router.weight.copy_(torch.eye(experts))
    _, weights, chosen = router(router_logits.float())
    return weights, chosen


def check_top_k_router(s: Submission) -> None:
    """Softmax over all, the k largest, and the scale where it is asked for."""

    def expect(logits: Tensor, k: int, norm: bool, because: str) -> None:
        answer = s.top_k_router(logits, k, norm)
        answer.close_to(true_routes(logits, k, norm), because=because, rtol=1e-4, atol=1e-5)
        answer.holds(kinds_of_route, because="Weights are float32, experts int64.")

    plain = "The weights are the largest softmax probabilities, taken over all experts."
    scaled = "With norm_topk_prob the weights of a token sum to 1."
    by_hand = torch.tensor([[0.5, 0.2, 0.3]]).log()
    expect(by_hand, 2, False, plain)
    expect(by_hand, 2, True, scaled)
    for tokens, experts, k in ((1, 4, 2), (3, 4, 1), (4, 8, 2), (4, 4, 3), (5, 3, 2)):
        expect(spread(2 * normal(s, tokens, experts)), k, False, plain)
        expect(spread(2 * normal(s, tokens, experts)), k, True, scaled)
    every = "With k as large as there are experts, all of them are chosen."
    expect(spread(normal(s, 3, 4)), 4, True, every)
    expect(spread(normal(s, 3, 4)), 4, False, every)
    expect(torch.tensor([[100.0, 90.0, 99.0]]), 2, True, "Large logits are numbers like others.")
    half = "The softmax of bfloat16 logits is taken in float32."
    expect(spread(normal(s, 3, 8)).bfloat16(), 2, True, half)
    expect(spread(normal(s, 3, 8)).bfloat16(), 2, False, half)
    expect(torch.zeros(0, 4), 2, True, "No token, no choice: the shapes are (0, k).")
    logits = spread(normal(s, 6, 8))
    for norm in (True, False):
        s.top_k_router(logits, 2, norm).close_to(
            library_routes(logits, 2, norm), because="The routers of transformers give this."
        )
    s.top_k_router.raises(ValueError, normal(s, 2, 3), 4, True, because=K_TOO_LARGE)
    for k in (0, -1):
        s.top_k_router.raises(ValueError, normal(s, 2, 3), k, True, because=K_TOO_SMALL)


def kinds_of_route(value: Any) -> str | None:
    found = [part.dtype for part in value]
    return None if found == [torch.float32, torch.int64] else f"they are {found}"


def refused(k: int, experts: int) -> None:
    if k < 1 or k > experts:
        raise ValueError(f"k {k} of {experts}")


def scaled_if(weights: Tensor, wanted: bool) -> Tensor:
    return weights / weights.sum(-1, keepdim=True) if wanted else weights


def router_with(weigh: Callable[[Tensor, int, bool], Routed]) -> Callable[..., Any]:
    """A complete answer; `weigh` gets float32 logits."""

    def top_k_router(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Any:
        refused(k, router_logits.shape[-1])
        return weigh(router_logits.float(), k, norm_topk_prob)

    return top_k_router


def softmax_first(logits: Tensor, k: int, norm: bool) -> Routed:
    weights, experts = torch.softmax(logits, -1).topk(k)
    return scaled_if(weights, norm), experts


def softmax_where_it_belongs(logits: Tensor, k: int, norm: bool) -> Routed:
    """Another right answer: scaled weights are the softmax of the chosen logits."""
    best, experts = logits.topk(k)
    whole = best if norm else logits
    return (best - whole.logsumexp(-1, keepdim=True)).exp(), experts


def by_sorting(logits: Tensor, k: int, norm: bool) -> Routed:
    """Another right answer: sorted, then cut."""
    experts = logits.argsort(dim=-1, descending=True)[:, :k]
    return scaled_if(F.softmax(logits, dim=-1).gather(1, experts), norm), experts


def softmax_after(logits: Tensor, k: int, norm: bool) -> Routed:
    best, experts = logits.topk(k)
    return best.softmax(-1), experts


def softmax_twice(logits: Tensor, k: int, norm: bool) -> Routed:
    best, experts = logits.softmax(-1).topk(k)
    return (best.softmax(-1) if norm else best), experts


def logits_scaled(logits: Tensor, k: int, norm: bool) -> Routed:
    best, experts = logits.topk(k)
    return scaled_if(best, norm), experts


def sigmoids(logits: Tensor, k: int, norm: bool) -> Routed:
    best, experts = logits.sigmoid().topk(k)
    return scaled_if(best, norm), experts


def over_tokens(logits: Tensor, k: int, norm: bool) -> Routed:
    best, experts = logits.softmax(0).topk(k)
    return scaled_if(best, norm), experts


def smallest(logits: Tensor, k: int, norm: bool) -> Routed:
    best, experts = logits.softmax(-1).topk(k, largest=False)
    return scaled_if(best, norm), experts


def by_number(logits: Tensor, k: int, norm: bool) -> Routed:
    weights, experts = softmax_first(logits, k, norm)
    experts, order = experts.sort(-1)
    return weights.gather(1, order), experts


def whole_rows(logits: Tensor, k: int, norm: bool) -> Routed:
    weights, experts = softmax_first(logits, k, norm)
    return torch.zeros_like(logits).scatter(1, experts, weights), experts


def scaled_over_tokens(logits: Tensor, k: int, norm: bool) -> Routed:
    weights, experts = logits.softmax(-1).topk(k)
    return (weights / weights.sum(0, keepdim=True) if norm else weights), experts


def in_logits_dtype(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    refused(k, router_logits.shape[-1])
    weights, experts = router_logits.softmax(-1).topk(k)
    return scaled_if(weights, norm_topk_prob), experts


def k_unchecked(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    return softmax_first(router_logits.float(), k, norm_topk_prob)


def k_cut(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    k = min(max(k, 1), router_logits.shape[-1])
    return softmax_first(router_logits.float(), k, norm_topk_prob)


ROUTER_MISTAKES = (
    Mistake(
        "softmax-after-top-k",
        router_with(softmax_after),
        "You chose first and took the softmax of the chosen logits. That is Mixtral's answer, by "
        "another way, but without norm_topk_prob (OLMoE's way) the weights must be shares of all "
        "experts: what went to the others is lost.",
        "softmax over all experts, then topk; divide by their sum only where norm_topk_prob asks.",
    ),
    Mistake(
        "softmax-before-top-k-only",
        router_with(lambda logits, k, norm: softmax_first(logits, k, False)),
        "You took the softmax over all experts and left it at that. That is OLMoE's way; Mixtral's "
        "(norm_topk_prob) scales the weights that are left, so that they sum to 1.",
        "if norm_topk_prob: weights = weights / weights.sum(dim=-1, keepdim=True)",
    ),
    Mistake(
        "turned-round",
        router_with(lambda logits, k, norm: softmax_first(logits, k, not norm)),
        "You scale the weights where norm_topk_prob is False, and not where it is True.",
        "Scale if norm_topk_prob.",
    ),
    Mistake(
        "softmax-twice",
        router_with(softmax_twice),
        "You took the softmax of probabilities. They lie between 0 and 1, so the result is nearly "
        "even whatever the router says.",
        "Scaling is a division by the sum.",
    ),
    Mistake(
        "no-softmax",
        router_with(logits_scaled),
        "You weigh by the logits themselves: a weight can then be negative.",
        "Take the softmax first.",
    ),
    Mistake(
        "sigmoid",
        router_with(sigmoids),
        "You took a sigmoid of each logit, as DeepSeek-V3 does. Mixtral's experts compete: "
        "softmax.",
        "router_logits.float().softmax(dim=-1)",
    ),
    Mistake(
        "softmax-over-tokens",
        router_with(over_tokens),
        "Your softmax runs over the tokens: what one token gets depends on the others in the "
        "batch.",
        "dim=-1: over the experts.",
    ),
    Mistake(
        "scaled-over-tokens",
        router_with(scaled_over_tokens),
        "You divided by the sum over tokens. Each token's own weights must sum to 1.",
        "weights.sum(dim=-1, keepdim=True)",
    ),
    Mistake(
        "smallest",
        router_with(smallest),
        "You chose the k experts that the router likes least.",
        "topk takes the largest unless told otherwise.",
    ),
    Mistake(
        "ordered-by-number",
        router_with(by_number),
        "Your experts stand in the order of their numbers. The first is the one that counts most.",
        "topk gives them largest first: leave them so.",
    ),
    Mistake(
        "whole-rows",
        router_with(whole_rows),
        "Your weights have a place for every expert. Only the k that were chosen come back.",
        "Return what topk gives: (tokens, k).",
    ),
    Mistake(
        "other-order",
        router_with(lambda logits, k, norm: softmax_first(logits, k, norm)[::-1]),
        "You return the experts before the weights.",
        "return weights, experts",
    ),
    Mistake(
        "in-the-logits-dtype",
        in_logits_dtype,
        "You took the softmax in the dtype of the logits. In bfloat16 a weight has three digits at "
        "best; Mixtral goes to float32 for it.",
        "router_logits.float().softmax(dim=-1)",
    ),
    Mistake(
        "k-cut-to-fit",
        k_cut,
        "You quietly take as many experts as there are. Whoever asked for more has made a mistake, "
        "and should hear of it.",
        "if not 1 <= k <= experts: raise ValueError(...)",
    ),
    Mistake(
        "k-unchecked",
        k_unchecked,
        "You leave it to torch to refuse k. It takes 0, and too large a k it refuses with another "
        "exception and no word of experts.",
        "if not 1 <= k <= experts: raise ValueError(...)",
    ),
)

ROUTER_HINTS = (
    "Two things happen: probabilities are made of logits, and k are chosen. Does it matter which "
    "comes first? Try it on three experts by hand.",
    'What is said of float32 and of "all experts" in the docstring tells what comes first. '
    "torch.topk gives values and places at once. Only one of the two ways needs something more.",
    "Probabilities 0.5, 0.2, 0.3 and k 2: chosen are 0.5 and 0.3, experts 0 and 2. Scaled: "
    "0.5 / 0.8 = 0.625 and 0.3 / 0.8 = 0.375.",
)


# ------------------------------------------------------------------------------------------------
# load_balancing_loss


def true_balance(logits: list[Tensor], k: int, mask: Tensor | None = None) -> Tensor:
    """Token by token, in float64."""
    experts = logits[0].shape[-1]
    choices, chances, tokens = np.zeros(experts), np.zeros(experts), 0
    for layer in logits:
        for place, row in enumerate(exact(layer)):
            if mask is None or mask[place]:
                tokens += 1
                chances += softmax(row)
                choices[np.argsort(-row)[:k]] += 1
    return torch.tensor(experts * float(choices @ chances) / tokens**2)


def true_pull(logits: list[Tensor], k: int, mask: Tensor | None = None) -> list[Tensor]:
    """The gradient for each layer's logits: experts · p · (f - the sum of f · p) / tokens."""
    chances = [softmax(exact(layer)) for layer in logits]
    real = np.ones(len(logits[0])) if mask is None else exact(mask)
    tokens = real.sum() * len(logits)
    chosen = [np.argsort(np.argsort(-exact(layer))) < k for layer in logits]
    f = sum(real @ each for each in chosen) / tokens
    scale = real[:, None] * logits[0].shape[-1] / tokens
    return [torch.tensor(scale * p * (f - (p @ f)[:, None])).float() for p in chances]


def library_balance(logits: list[Tensor], k: int, mask: Tensor | None = None) -> Tensor:
    """What transformers trains a Mixtral with."""
    found = load_balancing_loss_func(tuple(logits), logits[0].shape[-1], k, mask)
    assert isinstance(found, Tensor)
    return found


def check_load_balancing_loss(s: Submission) -> None:
    """Experts times the sum of choices times chances, over all layers, without padding."""

    def drawn(layers: int, tokens: int, experts: int, lean: float) -> list[Tensor]:
        favoured = torch.arange(experts).float()
        numbers = range(1, layers + 1)
        return [spread(normal(s, tokens, experts) + lean * n * favoured) for n in numbers]

    def expect(
        layers: int, tokens: int, experts: int, k: int, because: str, mask: Tensor | None = None,
        truth: Callable[..., Tensor] = true_balance, lean: float = 0.0,
    ) -> None:  # fmt: skip
        logits = drawn(layers, tokens, experts, lean)
        arguments = (logits, k) if mask is None else (logits, k, mask)
        answer = s.load_balancing_loss(*arguments)
        answer.close_to(truth(*arguments), because=because, rtol=1e-4)
        answer.is_tensor(shape=(), dtype=torch.float32)

    rule = "experts · sum of f · p: choices for each token, and mean probability."
    one_sided = torch.tensor([[0.9, 0.1], [0.9, 0.1]]).log()
    s.load_balancing_loss([one_sided], 1).close_to(torch.tensor(1.8), because=rule)
    expect(1, 3, 4, 1, rule)
    expect(1, 6, 4, 2, rule, lean=0.5)
    expect(1, 5, 8, 3, rule, lean=0.3)
    even = torch.eye(4) / 100
    s.load_balancing_loss([even], 1).close_to(
        true_balance([even], 1), because="Spread evenly, it is k."
    )
    together = "The tokens of all layers count together: f and p are means over all of them."
    expect(2, 4, 4, 2, together, lean=0.5)
    expect(3, 5, 6, 2, together, lean=-0.5)
    padding = "Padding is no token: it is left out of choices, of probabilities and of the count."
    expect(1, 4, 4, 2, padding, torch.tensor([1, 1, 0, 0]), lean=0.5)
    expect(2, 5, 4, 1, padding, torch.tensor([0, 1, 1, 1, 0]), lean=0.5)
    expect(2, 3, 4, 2, "A mask of ones hides nothing.", torch.ones(3).long(), lean=0.5)
    same = "transformers' load_balancing_loss_func gives this."
    expect(2, 6, 8, 2, same, truth=library_balance, lean=0.2)
    expect(2, 6, 8, 2, same, torch.tensor([1, 1, 1, 0, 1, 0]), library_balance, 0.2)
    expect(1, 4, 3, 3, "With k as large as there are experts it is k, whatever they say.")
    back = "Routers learn through this loss: a gradient has to reach the logits of every layer."
    for mask in (None, torch.tensor([1, 1, 0, 1])):
        logits = drawn(2, 4, 5, 0.3)
        arguments = (logits, 2) if mask is None else (logits, 2, mask)
        pull = s.load_balancing_loss.gradient(0, *arguments)
        pull.close_to(true_pull(*arguments), because=back)
    nothing = "There is nothing to take a mean of."
    s.load_balancing_loss.raises(ValueError, [torch.zeros(0, 4)], 2, because=nothing)
    hidden = torch.zeros(3).long()
    s.load_balancing_loss.raises(ValueError, [normal(s, 3, 4)], 2, hidden, because=nothing)
    s.load_balancing_loss.raises(ValueError, [normal(s, 3, 4)], 5, because=K_TOO_LARGE)
    s.load_balancing_loss.raises(ValueError, [normal(s, 3, 4)], 0, because=K_TOO_SMALL)


def chosen_by(probabilities: Tensor, k: int) -> Tensor:
    """(tokens, experts): 1 where a token goes."""
    places = probabilities.topk(k, dim=-1).indices
    return torch.zeros_like(probabilities).scatter(1, places, 1.0)


def balance_of(probabilities: Tensor, chosen: Tensor) -> Tensor:
    """The loss of tokens that count all."""
    return probabilities.shape[-1] * (chosen.mean(0) * probabilities.mean(0)).sum()


def kept(logits: list[Tensor], mask: Tensor | None) -> list[Tensor]:
    return logits if mask is None else [layer[mask.bool()] for layer in logits]


def balance_with(
    loss: Callable[[Tensor, Tensor, int], Tensor],
    keep: Callable[[list[Tensor], Tensor | None], list[Tensor]] = kept,
) -> Callable[..., Any]:
    """A complete answer: which rows are kept, and what comes of probabilities and choices."""

    def load_balancing_loss(
        router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
    ) -> Any:
        rows = torch.cat(keep(router_logits, attention_mask))
        if attention_mask is not None and not attention_mask.any():
            raise ValueError("padding only")
        refused(k, rows.shape[-1])
        if not len(rows):
            raise ValueError("no token")
        probabilities = rows.softmax(-1)
        return loss(probabilities, chosen_by(probabilities, k), k)

    return load_balancing_loss


right_balance = balance_with(lambda p, chosen, k: balance_of(p, chosen))


def by_counting(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    """Another right answer: layer by layer as transformers does, divided at the end."""
    experts = router_logits[0].shape[-1]
    refused(k, experts)
    ones = torch.ones(len(router_logits[0]))
    keep = (ones if attention_mask is None else attention_mask.float())[:, None]
    if keep.sum() == 0:
        raise ValueError("no tokens")
    choices, chances = torch.zeros(experts), torch.zeros(experts)
    for layer in router_logits:
        p = torch.softmax(layer, dim=1)
        choices = choices + (chosen_by(p, k) * keep).sum(0)
        chances = chances + (p * keep).sum(0)
    tokens = keep.sum() * len(router_logits)
    return (choices / tokens) @ (chances / tokens) * experts


def layer_by_layer(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    each = [right_balance([layer], k, attention_mask) for layer in router_logits]
    return torch.stack(each).mean()


def last_layer(router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None) -> Tensor:
    result: Tensor = right_balance(router_logits[-1:], k, attention_mask)
    return result


def padded_count(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    whole: Tensor = right_balance(router_logits, k, attention_mask)
    share = 1.0 if attention_mask is None else float(attention_mask.float().mean())
    return whole * share**2


def empty_unchecked(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    rows = torch.cat(kept(router_logits, attention_mask))
    refused(k, rows.shape[-1])
    p = rows.softmax(-1)
    return balance_of(p, chosen_by(p, k))


def balance_detached(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    result: Tensor = right_balance([layer.detach() for layer in router_logits], k, attention_mask)
    return result


def balance_k_unchecked(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    rows = torch.cat(kept(router_logits, attention_mask))
    if not len(rows):
        raise ValueError("no tokens")
    p = rows.softmax(-1)
    return balance_of(p, chosen_by(p, k))


BALANCE_MISTAKES = (
    Mistake(
        "experts-forgotten",
        balance_with(lambda p, chosen, k: balance_of(p, chosen) / p.shape[-1]),
        "You left out the number of experts: the loss would shrink with every expert that is "
        "added.",
        "Multiply the sum by the number of experts.",
    ),
    Mistake(
        "divided-by-k",
        balance_with(lambda p, chosen, k: balance_of(p, chosen) / k),
        "Your f are shares of all choices, so an even spread gives 1. Here f counts choices for "
        "each token, k in sum, and an even spread gives k.",
        "Divide the choices by the number of tokens, not by tokens times k.",
    ),
    Mistake(
        "first-choice-only",
        balance_with(lambda p, chosen, k: balance_of(p, chosen_by(p, 1))),
        "You counted each token's first choice only. That is Switch, with k 1.",
        "Count all k experts of a token: topk(k), not argmax.",
    ),
    Mistake(
        "chances-squared",
        balance_with(lambda p, chosen, k: k * balance_of(p, p)),
        "You multiplied the probabilities by themselves. What is to be even is where tokens really "
        "go: f counts choices.",
        "f is counted from topk, p is the mean probability.",
    ),
    Mistake(
        "choices-squared",
        balance_with(lambda p, chosen, k: balance_of(chosen, chosen) / k),
        "You multiplied the choices by themselves. A count has no gradient: the router could not "
        "learn from it.",
        "One factor is the mean probability, which has a gradient.",
    ),
    Mistake(
        "no-gradient",
        balance_detached,
        "The number is right, but no gradient leads from it back to the logits: the routers could "
        "not learn from it.",
        "Only the choices are counted; p has to stay what torch has made of the logits. float(), "
        ".item(), .tolist(), .detach(), NumPy, torch.tensor(...) and no_grad cut the way off.",
    ),
    Mistake(
        "token-by-token",
        balance_with(lambda p, chosen, k: p.shape[-1] * (p * chosen).sum(-1).mean()),
        "You multiplied for each token and took the mean of that. One token is always uneven: "
        "the batch is to be even.",
        "First both means over the tokens, then the product.",
    ),
    Mistake(
        "sums",
        balance_with(lambda p, chosen, k: balance_of(p, chosen) * len(p) ** 2),
        "You summed over the tokens. The loss would grow with the batch.",
        "f and p are means over the tokens.",
    ),
    Mistake(
        "mean-over-experts",
        balance_with(lambda p, chosen, k: balance_of(p, chosen) / p.shape[-1] ** 2),
        "You took the mean over experts. The formula multiplies the sum by their number.",
        "experts * (f * p).sum()",
    ),
    Mistake(
        "layer-by-layer",
        layer_by_layer,
        "You took one loss for each layer and their mean. That can be done; what is asked for is "
        "transformers' way: the means f and p over the tokens of all layers together, where expert "
        "3 of one layer and of the next count as one.",
        "torch.cat(router_logits) first.",
    ),
    Mistake(
        "last-layer-only",
        last_layer,
        "You used one layer. Every layer has a router of its own.",
        "torch.cat(router_logits)",
    ),
    Mistake(
        "padding-counted",
        balance_with(lambda p, chosen, k: balance_of(p, chosen), lambda logits, mask: logits),
        "You counted padding. It all goes the same way, and the router would spread it for "
        "nothing.",
        "Keep only the rows whose mask is 1; the mask holds for every layer.",
    ),
    Mistake(
        "padding-in-the-count",
        padded_count,
        "You left padding out of the sums and divided by the number of all rows.",
        "Divide by the number of tokens: the sum of the mask.",
    ),
    Mistake(
        "empty-unchecked",
        empty_unchecked,
        "Of a batch without a token you make NaN, which would spoil every weight at the next step.",
        "raise ValueError when no row is left.",
    ),
    Mistake(
        "k-unchecked",
        balance_k_unchecked,
        "You leave it to torch to refuse k. It takes 0.",
        "if not 1 <= k <= experts: raise ValueError(...)",
    ),
)

BALANCE_HINTS = (
    "Two lists of one number for each expert: where the tokens went, and where the router would "
    "have liked to send them. Lists that are high in the same places have a large product.",
    "One layer without padding first. What does a single row of logits give to each of the two "
    "lists? Then ask which rows there are in all: of which layers, and which are no tokens?",
    "Two tokens, both [0.9, 0.1], k 1: both go to expert 0, f = [1, 0], p = [0.9, 0.1]. "
    "2 * (0.9 + 0) = 1.8; an even spread would give 1.",
)


# ------------------------------------------------------------------------------------------------
# sparse_experts


def silu(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / (1 + np.exp(-x)))


def true_experts(
    x: Tensor, index: Tensor, weights: Tensor, gate_up: Tensor, down: Tensor
) -> Tensor:
    """Token by token, in float64."""
    inner = down.shape[-1]
    mixed = np.zeros(x.shape)
    for token, row in enumerate(exact(x)):
        for expert, weight in zip(index[token].tolist(), exact(weights[token]), strict=True):
            both = exact(gate_up[expert]) @ row
            mixed[token] += weight * exact(down[expert]) @ (silu(both[:inner]) * both[inner:])
    return torch.from_numpy(mixed).float()


@torch.no_grad()
def library_experts(
    x: Tensor, index: Tensor, weights: Tensor, gate_up: Tensor, down: Tensor
) -> Tensor:
    """Mixtral's experts with these numbers in them."""
    experts, hidden, inner = down.shape
    config = MixtralConfig(hidden_size=hidden, intermediate_size=inner, num_local_experts=experts)
    config._experts_implementation = "eager"
    theirs = MixtralExperts(config)
    theirs.gate_up_proj.copy_(gate_up)
    theirs.down_proj.copy_(down)
    found: Tensor = theirs(x, index, weights)
    return found


def check_sparse_experts(s: Submission) -> None:
    """Weighted sum of what each token's experts say; experts without a token stay unused."""

    def layer(experts: int, hidden: int, inner: int) -> tuple[Tensor, Tensor]:
        return normal(s, experts, 2 * inner, hidden), normal(s, experts, hidden, inner)

    def routed(tokens: int, experts: int, k: int) -> tuple[Tensor, Tensor]:
        scores, index = torch.rand(tokens, experts, generator=s.generator).topk(k)
        return index, scores

    def expect(
        tokens: int, experts: int, hidden: int, inner: int, k: int, because: str,
        truth: Callable[..., Tensor] = true_experts,
    ) -> None:  # fmt: skip
        numbers = (normal(s, tokens, hidden), *routed(tokens, experts, k))
        weights = layer(experts, hidden, inner)
        answer = s.sparse_experts(*numbers, *weights)
        answer.close_to(truth(*numbers, *weights), because=because, rtol=1e-4, atol=1e-4)

    rule = "Each expert says down(silu(gate(x)) · up(x)), weighted."
    by_hand = (
        torch.tensor([[1.0, 2.0]]), torch.tensor([[0]]), torch.tensor([[0.5]]),
        torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]), torch.tensor([[[1.0], [0.0]]]),
    )  # fmt: skip
    s.sparse_experts(*by_hand).close_to(true_experts(*by_hand), because=rule)
    expect(1, 2, 3, 2, 1, rule)
    expect(1, 3, 2, 4, 2, "What a token's experts say is added up.")
    expect(4, 3, 4, 2, 2, "What a token's experts say is added up.")
    expect(6, 4, 3, 5, 3, rule)
    expect(3, 4, 4, 4, 4, "Every expert can have every token.")
    unused = "An expert that no token chose is not used: whatever is in it does not show."
    gate_up, down = layer(3, 4, 2)
    gate_up[1], down[1] = torch.nan, torch.inf
    apart = (normal(s, 3, 4), torch.tensor([[0, 2], [2, 0], [2, 0]]), torch.rand(
        3, 2, generator=s.generator))  # fmt: skip
    s.sparse_experts(*apart, gate_up, down).close_to(
        true_experts(*apart, gate_up, down), because=unused, atol=1e-4
    )
    crowd = (normal(s, 4, 3), torch.full((4, 1), 2), torch.rand(4, 1, generator=s.generator))
    all_to_one = layer(3, 3, 2)
    s.sparse_experts(*crowd, *all_to_one).close_to(
        true_experts(*crowd, *all_to_one), because="All tokens may go to one expert.", atol=1e-4
    )
    expect(0, 3, 4, 2, 2, "No token: the answer is (0, hidden).")
    expect(8, 8, 6, 4, 2, "MixtralExperts of transformers gives this.", library_experts)
    beyond = "There is no expert of that number."
    for number in (3, -1):
        s.sparse_experts.raises(
            ValueError, normal(s, 2, 4), torch.tensor([[0, 1], [number, 0]]), torch.ones(2, 2),
            *layer(3, 4, 2), because=beyond,
        )  # fmt: skip


def one_expert(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    gate, up = (x @ gate_up.T).chunk(2, -1)
    return (F.silu(gate) * up) @ down.T


def numbered(index: Tensor, experts: int) -> None:
    if bool(((index < 0) | (index >= experts)).any()):
        raise ValueError("no such expert")


Expert = Callable[[Tensor, Tensor, Tensor], Tensor]
Put = Callable[[Tensor, Tensor, Tensor, Tensor], None]


def added(mixed: Tensor, token: Tensor, said: Tensor, weight: Tensor) -> None:
    mixed.index_add_(0, token, said * weight)


def put(mixed: Tensor, token: Tensor, said: Tensor, weight: Tensor) -> None:
    mixed[token] = said * weight


def unweighted(mixed: Tensor, token: Tensor, said: Tensor, weight: Tensor) -> None:
    mixed.index_add_(0, token, said)


def experts_with(
    expert: Expert = one_expert,
    put: Put = added,
    weigh: Callable[[Tensor], Tensor] = lambda weights: weights,
    finish: Callable[[Tensor, int], Tensor] = lambda mixed, k: mixed,
) -> Callable[..., Any]:
    """A complete answer by grouping, each part of which can be another."""

    def sparse_experts(
        hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
        gate_up_proj: Tensor, down_proj: Tensor,
    ) -> Any:  # fmt: skip
        numbered(top_k_index, len(down_proj))
        weights = weigh(top_k_weights)
        mixed = torch.zeros_like(hidden_states)
        for number in range(len(down_proj)):
            token, choice = (top_k_index == number).nonzero(as_tuple=True)
            if len(token):
                said = expert(hidden_states[token], gate_up_proj[number], down_proj[number])
                put(mixed, token, said, weights[token, choice, None])
        return finish(mixed, top_k_index.shape[-1])

    return sparse_experts


def token_by_token(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Tensor:  # fmt: skip
    """Another right answer, if a slow one."""
    numbered(top_k_index, len(down_proj))
    mixed = torch.zeros(hidden_states.shape)
    for t in range(len(hidden_states)):
        for j, e in enumerate(top_k_index[t].tolist()):
            said = one_expert(hidden_states[t], gate_up_proj[e], down_proj[e])
            mixed[t] = mixed[t] + top_k_weights[t, j] * said
    return mixed


def by_sorted_choices(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Tensor:  # fmt: skip
    """Another right answer: choices sorted by expert, one run for each."""
    numbered(top_k_index, len(down_proj))
    order = top_k_index.flatten().argsort(stable=True)
    token = order // top_k_index.shape[1]
    runs = top_k_index.flatten().bincount(minlength=len(down_proj)).tolist()
    said = [
        one_expert(hidden_states[rows], gate_up_proj[e], down_proj[e])
        for e, rows in enumerate(token.split(runs))
        if len(rows)
    ]
    mixed = torch.zeros_like(hidden_states)
    weighted = torch.cat([mixed[:0], *said]) * top_k_weights.flatten()[order, None]
    return mixed.index_add(0, token, weighted)


def every_expert(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Tensor:  # fmt: skip
    numbered(top_k_index, len(down_proj))
    shares = torch.zeros(len(hidden_states), len(down_proj))
    shares = shares.scatter(1, top_k_index, top_k_weights)
    said = [one_expert(hidden_states, g, d) for g, d in zip(gate_up_proj, down_proj, strict=True)]
    return torch.einsum("te,eth->th", shares, torch.stack(said))


def first_weight(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Any:  # fmt: skip
    same = top_k_weights[:, :1].expand_as(top_k_weights)
    return right_experts(hidden_states, top_k_index, same, gate_up_proj, down_proj)


def first_choice(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Any:  # fmt: skip
    numbered(top_k_index, len(down_proj))
    return right_experts(
        hidden_states, top_k_index[:, :1], top_k_weights[:, :1], gate_up_proj, down_proj
    )


def weight_by_number(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Any:  # fmt: skip
    order = top_k_index.argsort(-1).argsort(-1)
    return right_experts(
        hidden_states, top_k_index, top_k_weights.gather(1, order), gate_up_proj, down_proj
    )


def numbers_unchecked(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Tensor:  # fmt: skip
    mixed = torch.zeros_like(hidden_states)
    for number in range(len(down_proj)):
        token, choice = torch.where(top_k_index == number)
        if len(token):
            said = one_expert(hidden_states[token], gate_up_proj[number], down_proj[number])
            mixed[token] += said * top_k_weights[token, choice, None]
    return mixed


def up_gated(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    up, gate = (x @ gate_up.T).chunk(2, -1)
    return (F.silu(gate) * up) @ down.T


def interleaved(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    both = x @ gate_up.T
    return (F.silu(both[:, ::2]) * both[:, 1::2]) @ down.T


def no_silu(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    gate, up = (x @ gate_up.T).chunk(2, -1)
    return (gate * up) @ down.T


def gelu(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    gate, up = (x @ gate_up.T).chunk(2, -1)
    return (F.gelu(gate) * up) @ down.T


def summed_gate(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    gate, up = (x @ gate_up.T).chunk(2, -1)
    return (F.silu(gate) + up) @ down.T


right_experts = experts_with()

EXPERTS_MISTAKES = (
    Mistake(
        "every-expert",
        every_expert,
        "You let every expert work on every token and weighed most of it with 0. The sum is right "
        "and nothing is saved: all experts were computed.",
        "For each expert find its tokens (torch.where(top_k_index == expert)) and give it only "
        "those; skip one that has none.",
    ),
    Mistake(
        "overwritten",
        experts_with(put=put),
        "An expert's answer takes the place of what another has said on the same token. Only the "
        "expert of the highest number is heard.",
        "Add: mixed[token] += …, or index_add_.",
    ),
    Mistake(
        "unweighted",
        experts_with(put=unweighted),
        "You added the experts' answers without their weights.",
        "Multiply by top_k_weights[token, choice, None].",
    ),
    Mistake(
        "mean-of-experts",
        experts_with(finish=lambda mixed, k: mixed / k),
        "You divided by k. The weights say already what each expert counts.",
        "A plain weighted sum.",
    ),
    Mistake(
        "scaled-again",
        experts_with(weigh=lambda w: w / w.sum(-1, keepdim=True)),
        "You scaled the weights to sum to 1. Whether they do is the router's affair.",
        "Use top_k_weights as they are.",
    ),
    Mistake(
        "first-weight-for-all",
        first_weight,
        "All experts of a token count like its first.",
        "torch.where gives two answers: the token, and which of its choices it was.",
    ),
    Mistake(
        "weights-by-number",
        weight_by_number,
        "You give the first weight to the expert with the smallest number. It belongs to the "
        "expert that stands first.",
        "Weight and expert share their place: top_k_weights[token, choice].",
    ),
    Mistake(
        "first-choice-only",
        first_choice,
        "You use each token's first expert only.",
        "All k choices count: look for the expert in every column of top_k_index.",
    ),
    Mistake(
        "gate-and-up-swapped",
        experts_with(up_gated),
        "You put the up projection through silu. The first half of the rows is the gate.",
        "gate, up = (...).chunk(2, dim=-1)",
    ),
    Mistake(
        "interleaved",
        experts_with(interleaved),
        "You read gate and up from every other row, as gpt-oss stores them. Mixtral has all rows "
        "of the gate first.",
        "gate, up = (...).chunk(2, dim=-1)",
    ),
    Mistake(
        "no-silu",
        experts_with(no_silu),
        "You multiplied gate and up as they are.",
        "silu(gate) * up",
    ),
    Mistake(
        "gelu",
        experts_with(gelu),
        "You put the gate through GELU. Mixtral's is SiLU: x times its sigmoid.",
        "torch.nn.functional.silu(gate)",
    ),
    Mistake(
        "gate-added",
        experts_with(summed_gate),
        "You added gate and up. A gate multiplies.",
        "silu(gate) * up",
    ),
    Mistake(
        "input-added",
        lambda hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj: (
            hidden_states
            + right_experts(hidden_states, top_k_index, top_k_weights, gate_up_proj, down_proj)
        ),
        "You added the input. The block around the experts does that, once.",
        "Start from zeros.",
    ),
    Mistake(
        "numbers-unchecked",
        numbers_unchecked,
        "A token that goes to an expert there is not comes back as if nothing had been wrong, "
        "short of what that expert should have said.",
        "raise ValueError for numbers below 0, or not below the number of experts.",
    ),
)

EXPERTS_HINTS = (
    "Turn it round: don't ask which experts a token has, ask which tokens an expert has.",
    "Take one expert. In which rows of top_k_index does it stand, and in which column of each? "
    "torch.where says both. What is each of the two needed for? And mind that another expert may "
    "have said something on the same token already.",
    "x = [1, 2], gate [0, 1] gives 2, up [1, 1] gives 3. silu(2) = 2 / (1 + e^-2) = 1.7616; times "
    "3 is 5.2848; down [[1], [0]] gives [5.2848, 0]; weight 0.5: [2.6424, 0].",
)


# ------------------------------------------------------------------------------------------------
# count_parameters

CONFIG_CLASSES = {
    "mixtral": MixtralConfig,
    "olmoe": OlmoeConfig,
    "phimoe": PhimoeConfig,
    "qwen3_moe": Qwen3MoeConfig,
}
COMMON = {"hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 20}
UNTIED = COMMON | {"tie_word_embeddings": False}
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "two experts": ("mixtral", UNTIED | {
        "num_hidden_layers": 1, "intermediate_size": 12, "num_local_experts": 2,
        "num_experts_per_tok": 1}),
    "eight experts": ("mixtral", UNTIED | {
        "num_hidden_layers": 3, "intermediate_size": 6, "num_local_experts": 8,
        "num_experts_per_tok": 2}),
    "all active": ("mixtral", UNTIED | {
        "num_hidden_layers": 2, "intermediate_size": 10, "num_local_experts": 3,
        "num_experts_per_tok": 3}),
    "not said": ("mixtral", COMMON | {
        "num_hidden_layers": 2, "intermediate_size": 10, "num_local_experts": 4,
        "num_experts_per_tok": 1}),
    "tied": ("mixtral", COMMON | {
        "num_hidden_layers": 2, "intermediate_size": 10, "num_local_experts": 4,
        "num_experts_per_tok": 1, "tie_word_embeddings": True}),
    "other name": ("olmoe", UNTIED | {
        "num_hidden_layers": 2, "intermediate_size": 4, "num_experts": 16,
        "num_experts_per_tok": 4}),
    "fine-grained": ("qwen3_moe", UNTIED | {
        "num_hidden_layers": 2, "intermediate_size": 24, "moe_intermediate_size": 3,
        "num_experts": 16, "num_experts_per_tok": 4, "head_dim": 4}),
}  # fmt: skip
MIXTRAL_8X7B = {
    "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 14_336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_local_experts": 8, "num_experts_per_tok": 2, "tie_word_embeddings": False,
}  # fmt: skip
PHI_3_5_MOE = MIXTRAL_8X7B | {
    "vocab_size": 32_064, "intermediate_size": 6400, "num_local_experts": 16
}  # fmt: skip
QWEN3_30B_A3B = {
    "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 6144,
    "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8,
    "tie_word_embeddings": False,
}  # fmt: skip
# Counted from the models of transformers on the meta device (tests/challenges).
MIXTRAL_COUNTS = {"total": 46_702_526_464, "active": 12_879_659_008}
PHI_COUNTS = {"total": 41_872_261_120, "active": 6_640_107_520}
QWEN3_COUNTS = {"total": 30_531_911_680, "active": 3_352_821_760}


def counted(kind: str, config: dict[str, Any]) -> Counts:
    """What a model of transformers has: tensors of two dimensions and more; nothing is drawn."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(CONFIG_CLASSES[kind](**config, eos_token_id=None))
    matrices = {name: p.numel() for name, p in model.named_parameters() if p.dim() > 1}
    total = sum(matrices.values())
    experts = config.get("num_local_experts") or config["num_experts"]
    inside = sum(count for name, count in matrices.items() if ".experts." in name)
    idle = inside // experts * (experts - config["num_experts_per_tok"])
    return {"total": total, "active": total - idle}


def true_counts(config: dict[str, Any]) -> Counts:
    """Matrix by matrix."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    head_dim = config.get("head_dim", hidden // heads)
    query, key = heads * head_dim, config["num_key_value_heads"] * head_dim
    experts = config.get("num_local_experts") or config["num_experts"]
    inner = config.get("moe_intermediate_size", config["intermediate_size"])
    outside = [(config["vocab_size"], hidden)] * (1 if config.get("tie_word_embeddings") else 2)
    layer = [(query, hidden), (key, hidden), (key, hidden), (hidden, query), (experts, hidden)]
    expert = [(inner, hidden), (inner, hidden), (hidden, inner)]

    def with_experts(number: int) -> int:
        layers = [*layer, *expert * number] * config["num_hidden_layers"]
        return sum(rows * columns for rows, columns in [*outside, *layers])

    return {"total": with_experts(experts), "active": with_experts(config["num_experts_per_tok"])}


@lru_cache
def tiny_counts(name: str) -> tuple[int, int]:
    found = counted(*TINY[name])
    return found["total"], found["active"]


def check_count_parameters(s: Submission) -> None:
    """All matrices, and those of a token's experts, as the real models have them."""

    def expect(config: dict[str, Any], counts: Counts, because: str) -> None:
        answer = s.count_parameters(config)
        answer.equals(counts, because=because)
        answer.holds(are_whole, because="Weights are counted: ints.")

    def expect_tiny(name: str, because: str) -> None:
        total, active = tiny_counts(name)
        expect(TINY[name][1], {"total": total, "active": active}, because)

    def expect_drawn(because: str, **changes: Any) -> None:
        config = drawn_config(s) | changes
        expect(config, true_counts(config), because)

    once = "Embedding, head, attention, router, experts."
    expect_tiny("two experts", once)
    each = "Embedding, head, attention, router, experts; each layer has its own."
    expect_tiny("eight experts", each)
    expect_drawn(each, tie_word_embeddings=False)
    expect_drawn(each, tie_word_embeddings=False)
    expect_tiny("all active", "With every expert active, active is total.")
    silent = "Where tie_word_embeddings is absent it is False: the head is a matrix of its own."
    expect_tiny("not said", silent)
    expect_drawn(silent)
    tied = "A tied head is the embedding: it is counted once."
    expect_tiny("tied", tied)
    expect_drawn(tied, tie_word_embeddings=True)
    other = "OLMoE's config says num_experts."
    expect_tiny("other name", other)
    config = drawn_config(s)
    config["num_experts"] = config.pop("num_local_experts")
    expect(config, true_counts(config), other)
    small = "moe_intermediate_size is the size of an expert; head_dim counts where it is given."
    expect_tiny("fine-grained", small)
    for _ in range(2):
        inner, longer = 1 + draw(s, 90), 41 + draw(s, 40)
        expect_drawn(small, tie_word_embeddings=False, moe_intermediate_size=inner, head_dim=longer)
    expect(MIXTRAL_8X7B, MIXTRAL_COUNTS, "Mixtral 8x7B: 46.7 billion, and 12.9 of them active.")
    expect(PHI_3_5_MOE, PHI_COUNTS, "Phi-3.5-MoE: 42 billion, and 6.6 of them active.")
    expect(QWEN3_30B_A3B, QWEN3_COUNTS, "Qwen3-30B-A3B: 30.5 billion, and 3.35 of them active.")
    config = drawn_config(s)
    for chosen, because in ((config["num_local_experts"] + 1, K_TOO_LARGE), (0, K_TOO_SMALL)):
        wrong = config | {"num_experts_per_tok": chosen}
        s.count_parameters.raises(ValueError, wrong, because=because)


def drawn_config(s: Submission) -> dict[str, Any]:
    """A small mixture as Mixtral's config has it, but for tie_word_embeddings."""
    key_value_heads, experts = 1 + draw(s, 5), 3 + draw(s, 14)
    heads = key_value_heads * (2 + draw(s, 3))
    return {
        "vocab_size": 100 + draw(s, 900), "hidden_size": heads * (2 + 2 * draw(s, 20)),
        "intermediate_size": 100 + draw(s, 900), "num_hidden_layers": 2 + draw(s, 30),
        "num_attention_heads": heads, "num_key_value_heads": key_value_heads,
        "num_local_experts": experts, "num_experts_per_tok": 1 + draw(s, experts - 1),
    }  # fmt: skip


def are_whole(value: Any) -> str | None:
    return None if all(type(n) is int for n in value.values()) else f"{value} holds another type"


def parts(config: dict[str, Any]) -> dict[str, int]:
    """The sizes in the formula."""
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    return {
        "vocab": config["vocab_size"],
        "hidden": hidden,
        "layers": config["num_hidden_layers"],
        "heads": heads,
        "kv_heads": config["num_key_value_heads"],
        "head_dim": config.get("head_dim", hidden // heads),
        "experts": config.get("num_local_experts", config.get("num_experts")),
        "chosen": config["num_experts_per_tok"],
        "inner": config.get("moe_intermediate_size", config.get("intermediate_size")),
        "ends": 1 if config.get("tie_word_embeddings", False) else 2,
    }


def true_count(n: dict[str, int], experts: int) -> int:
    """All weights with so many experts in each layer; the router has a row for each there is."""
    attention = n["hidden"] * n["head_dim"] * (2 * n["heads"] + 2 * n["kv_heads"])
    router = n["hidden"] * n["experts"]
    layer = attention + router + experts * 3 * n["hidden"] * n["inner"]
    return n["ends"] * n["vocab"] * n["hidden"] + n["layers"] * layer


def counts_with(
    change: Callable[[dict[str, Any], dict[str, int]], dict[str, int]] = lambda config, n: {},
    finish: Callable[[dict[str, int], Counts], Counts] = lambda n, counts: counts,
) -> Callable[[dict[str, Any]], Counts]:
    """A complete answer; `change` gives other sizes, `finish` other counts."""

    def count_parameters(config: dict[str, Any]) -> Counts:
        n = parts(config)
        refused(n["chosen"], n["experts"])
        n |= change(config, n)
        counts = {k: true_count(n, n[v]) for k, v in (("total", "experts"), ("active", "chosen"))}
        return finish(n, counts)

    return count_parameters


def less_the_idle(config: dict[str, Any]) -> Counts:
    """Another right answer: all weights, and all but those that rest."""
    n = parts(config)
    if not 0 < n["chosen"] <= n["experts"]:
        raise ValueError("experts per token")
    total = true_count(n, n["experts"])
    resting = n["layers"] * (n["experts"] - n["chosen"])
    return {"total": total, "active": total - 3 * resting * n["hidden"] * n["inner"]}


def without(size: Callable[[dict[str, int]], int]) -> Callable[[dict[str, Any]], Counts]:
    """Both counts less something."""
    return counts_with(
        finish=lambda n, counts: {key: value - size(n) for key, value in counts.items()}
    )


def named_seven(config: dict[str, Any]) -> Counts:
    n = parts(config)
    refused(n["chosen"], n["experts"])
    one = true_count(n, 1) - n["layers"] * n["hidden"] * n["experts"]
    return {"total": n["experts"] * one, "active": n["chosen"] * one}


def count_k_unchecked(config: dict[str, Any]) -> Counts:
    n = parts(config)
    return {"total": true_count(n, n["experts"]), "active": true_count(n, n["chosen"])}


COUNT_MISTAKES = (
    Mistake(
        "eight-whole-models",
        named_seven,
        "You took the mixture for so many whole models: 8x7B would be 57 billion. Only the "
        "feed-forward layers are there eight times; embedding and attention are shared.",
        "Multiply the experts alone by their number.",
    ),
    Mistake(
        "share-of-the-total",
        counts_with(finish=lambda n, c: c | {"active": c["total"] * n["chosen"] // n["experts"]}),
        "You took k / experts of the total as active. Embedding, attention and router work for "
        "every token.",
        "Only the experts' part depends on k.",
    ),
    Mistake(
        "router-by-k",
        counts_with(
            finish=lambda n, c: (
                c
                | {"active": c["active"] - n["layers"] * n["hidden"] * (n["experts"] - n["chosen"])}
            )
        ),
        "You counted the router's rows for the chosen experts only. To choose, it has to score "
        "them all.",
        "The router is hidden x experts, always.",
    ),
    Mistake(
        "router-forgotten",
        without(lambda n: n["layers"] * n["hidden"] * n["experts"]),
        "You forgot the routers: hidden x experts in each layer.",
        "Add num_hidden_layers * hidden_size * experts to both.",
    ),
    Mistake(
        "two-matrices",
        counts_with(
            finish=lambda n, c: {
                "total": c["total"] - n["layers"] * n["experts"] * n["hidden"] * n["inner"],
                "active": c["active"] - n["layers"] * n["chosen"] * n["hidden"] * n["inner"],
            }
        ),
        "You gave each expert two matrices. With a gate there are three: gate, up, down.",
        "3 * hidden_size * the inner size",
    ),
    Mistake(
        "all-heads-alike",
        counts_with(lambda config, n: {"kv_heads": n["heads"]}),
        "You counted as many key and value heads as query heads.",
        "Key and value have num_key_value_heads.",
    ),
    Mistake(
        "head-dim-computed",
        counts_with(lambda config, n: {"head_dim": n["hidden"] // n["heads"]}),
        "You computed head_dim where the config gives it. heads times head_dim need not be "
        "hidden_size.",
        "config.get('head_dim') or hidden_size // num_attention_heads",
    ),
    Mistake(
        "head-dim-of-key-value-heads",
        counts_with(
            lambda config, n: {"head_dim": config.get("head_dim", n["hidden"] // n["kv_heads"])}
        ),
        "You divided hidden_size by the key-value heads. The attention heads share it; a "
        "key-value head is as long as one of those.",
        "hidden_size // num_attention_heads",
    ),
    Mistake(
        "dense-size-taken",
        counts_with(lambda config, n: {"inner": config["intermediate_size"]}),
        "You took intermediate_size for an expert's inner size where the config has "
        "moe_intermediate_size: Qwen3-30B-A3B's experts would be eight times as large.",
        "config.get('moe_intermediate_size') or config['intermediate_size']",
    ),
    Mistake(
        "tied-counted-twice",
        counts_with(lambda config, n: {"ends": 2}),
        "You counted a tied output head a second time.",
        "With tie_word_embeddings there is one matrix of vocab_size x hidden_size.",
    ),
    Mistake(
        "tied-where-not-said",
        counts_with(
            lambda config, n: {"ends": 1 if config.get("tie_word_embeddings", True) else 2}
        ),
        "You take the output head for tied where the config does not say so. tie_word_embeddings "
        "that is absent is False.",
        "config.get('tie_word_embeddings', False)",
    ),
    Mistake(
        "head-forgotten",
        counts_with(lambda config, n: {"ends": 1}),
        "You forgot the output head: where it is not tied, it is as large as the embedding.",
        "Twice vocab_size x hidden_size, unless tie_word_embeddings.",
    ),
    Mistake(
        "embedding-inactive",
        counts_with(
            finish=lambda n, c: c | {"active": c["active"] - n["ends"] * n["vocab"] * n["hidden"]}
        ),
        "You left embedding and output head out of the active weights. By the usual count, which "
        "gives Mixtral its 12.9 billion, they are in.",
        "Leave out nothing but the experts that are not chosen.",
    ),
    Mistake(
        "norms-counted",
        without(lambda n: -n["hidden"] * (2 * n["layers"] + 1)),
        "You counted the norms: two of hidden_size weights in each layer, and one at the end. By "
        "the count that is asked for they are left out.",
        "Matrices only.",
    ),
    Mistake(
        "one-layer",
        counts_with(lambda config, n: {"layers": 1}),
        "You counted one layer.",
        "Attention, router and experts come num_hidden_layers times.",
    ),
    Mistake(
        "k-unchecked",
        count_k_unchecked,
        "You accept more experts per token than there are, or none: more active than total.",
        "if not 1 <= num_experts_per_tok <= experts: raise ValueError(...)",
    ),
)

COUNT_HINTS = (
    "What is there once, what once for each layer, what once for each expert of each layer? Only "
    "the last kind can be idle.",
    "Write down the shape of every matrix: at the two ends, in a layer's attention (queries and "
    "output are as wide as all heads, keys and values as the key-value heads), its router, one "
    "expert. Then say for each how often it is there, and how often it works for a token.",
    "Mixtral 8x7B: an expert is 3 * 4096 * 14336 = 176 million. 32 layers of 8: 45.1 billion; of "
    "2: 11.3 billion. All else is 1.6 billion. Together 46.7 and 12.9.",
)


MIXTRAL = "transformers.models.mixtral.modeling_mixtral"
OLMOE = "transformers.models.olmoe.modeling_olmoe"
ROUTERS = (f"{MIXTRAL}.MixtralTopKRouter", f"{OLMOE}.OlmoeTopKRouter")
LAYERS = (f"{MIXTRAL}.MixtralExperts", f"{OLMOE}.OlmoeExperts")
BLOCKS = (f"{MIXTRAL}.MixtralSparseMoeBlock", f"{OLMOE}.OlmoeSparseMoeBlock")

CHALLENGES = (
    Challenge(
        name="top_k_router",
        title="The router: softmax and top-k",
        points=3,
        check=check_top_k_router,
        mistakes=ROUTER_MISTAKES,
        alternatives=(
            router_with(softmax_first),
            router_with(softmax_where_it_belongs),
            router_with(by_sorting),
        ),
        hints=ROUTER_HINTS,
        not_allowed=(*ROUTERS, *BLOCKS),
    ),
    Challenge(
        name="load_balancing_loss",
        title="The load-balancing loss",
        points=3,
        check=check_load_balancing_loss,
        mistakes=BALANCE_MISTAKES,
        alternatives=(right_balance, by_counting),
        hints=BALANCE_HINTS,
        not_allowed=(f"{MIXTRAL}.load_balancing_loss_func", f"{OLMOE}.load_balancing_loss_func"),
    ),
    Challenge(
        name="sparse_experts",
        title="Experts that work on their own tokens",
        points=4,
        check=check_sparse_experts,
        mistakes=EXPERTS_MISTAKES,
        alternatives=(right_experts, token_by_token, by_sorted_choices),
        hints=EXPERTS_HINTS,
        not_allowed=(*LAYERS, *BLOCKS),
    ),
    Challenge(
        name="count_parameters",
        title="Parameters: resident and active",
        points=3,
        check=check_count_parameters,
        mistakes=COUNT_MISTAKES,
        alternatives=(counts_with(), less_the_idle),
        hints=COUNT_HINTS,
    ),
)

# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
TWO = "Logits and hidden states have two dimensions: the last is number 1."
SOFTMAX = (
    "top_k_router: {} | weights, chosen = router_logits.float().softmax(dim=-1).topk(k, dim=-1)"
)
CHOICES = "load_balancing_loss: {} | chosen = probabilities.topk(k, dim=-1).indices"
RANGE = (
    "sparse_experts: top_k_index->{} | if top_k_index.numel() and not 0 <= top_k_index.min() <= "
    "top_k_index.max() < experts:"
)
EQUIVALENT = {
    "top_k_router: -1->1 | experts = router_logits.shape[-1]": TWO,
    SOFTMAX.format("dim= dropped"): "topk's own choice is the last dimension.",
    SOFTMAX.format("dim=-1->1"): TWO,
    SOFTMAX.format("dim=-1->1") + " #2": TWO,
    "top_k_router: dim=-1->1 | weights = weights / weights.sum(dim=-1, keepdim=True)": TWO,
    "load_balancing_loss: dim=-1->1 | "
    "probabilities = torch.cat(router_logits).softmax(dim=-1)": TWO,
    CHOICES.format("dim= dropped"): "topk's own choice is the last dimension.",
    CHOICES.format("dim=-1->1"): TWO,
    "load_balancing_loss: sum() left out | choices = F.one_hot(chosen, experts).sum(dim=1).float()"
    ".mean(dim=0)": "The k choices are added up at the end, with all else.",
    "sparse_experts: gate_up_proj->down_proj | experts = len(gate_up_proj)": (
        "Both have one matrix for each expert."
    ),
    **dict.fromkeys(
        (RANGE.format(name) for name in ("hidden_states", "top_k_weights")),
        "Without a token all three are empty.",
    ),
    "sparse_experts: tolist() left out | for expert in top_k_index.unique().tolist():": (
        "A tensor of one number is an index as well."
    ),
    "sparse_experts: dim=-1->1 | "
    "gate, up = F.linear(hidden_states[token], gate_up_proj[expert]).chunk(2, dim=-1)": TWO,
}
