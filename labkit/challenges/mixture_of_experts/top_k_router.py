"""The k most probable experts of each token, and their weights: scaled to sum to 1 as in Mixtral
(arXiv:2401.04088), or not, as in OLMoE (arXiv:2409.02060).

Checked against float64, token by token, and against the routers of transformers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import MixtralConfig, OlmoeConfig
from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter
from transformers.models.olmoe.modeling_olmoe import OlmoeTopKRouter

from labkit.challenges.mixture_of_experts.drawing import spread
from labkit.challenges.mixture_of_experts.experts_per_token import K_TOO_LARGE, K_TOO_SMALL, refuse
from labkit.challenges.mixture_of_experts.not_allowed import BLOCKS, MIXTRAL, OLMOE
from labkit.challenges.mixture_of_experts.truths import exact, softmax
from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import normal
from labkit.grading.source.spoiling import spoiled

Routed = tuple[Tensor, Tensor]


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
    """With and without the scale, for every k, in bfloat16, and without a token."""

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
    """What is wrong with the dtypes of weights and experts."""
    found = [part.dtype for part in value]
    return None if found == [torch.float32, torch.int64] else f"they are {found}"


challenge = Challenge(
    name="top_k_router",
    title="The router: softmax and top-k",
    check=check_top_k_router,
    points=3,
    hints=(
        "Two things happen: probabilities are made of logits, and k are chosen. Does it matter "
        "which comes first? Try it on three experts by hand.",
        'What is said of float32 and of "all experts" in the docstring tells what comes first. '
        "torch.topk gives values and places at once. Only one of the two ways needs something "
        "more.",
        "Probabilities 0.5, 0.2, 0.3 and k 2: chosen are 0.5 and 0.3, experts 0 and 2. Scaled: "
        "0.5 / 0.8 = 0.625 and 0.3 / 0.8 = 0.375.",
    ),
    not_allowed=(f"{MIXTRAL}.MixtralTopKRouter", f"{OLMOE}.OlmoeTopKRouter", *BLOCKS),
)

RETURNED = "return weights, chosen"


# ---- softmax, choice and scale -------------------------------------------------------------------


@challenge.mistake(
    "softmax-after-top-k",
    "You chose first and took the softmax of the chosen logits. That is Mixtral's answer, by "
    "another way, but without norm_topk_prob (OLMoE's way) the weights must be shares of all "
    "experts: what went to the others is lost.",
    hint="softmax over all experts, then topk; divide by their sum only where norm_topk_prob asks.",
)
def softmax_of_the_chosen(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    refuse(k, router_logits.shape[-1])
    best, experts = router_logits.float().topk(k)
    return best.softmax(-1), experts


challenge.mistake(
    "softmax-before-top-k-only",
    "You took the softmax over all experts and left it at that. That is OLMoE's way; Mixtral's "
    "(norm_topk_prob) scales the weights that are left, so that they sum to 1.",
    hint="if norm_topk_prob: weights = weights / weights.sum(dim=-1, keepdim=True)",
    answer=spoiled(" / weights.sum(dim=-1, keepdim=True)", ""),
)

challenge.mistake(
    "turned-round",
    "You scale the weights where norm_topk_prob is False, and not where it is True.",
    hint="Scale if norm_topk_prob.",
    answer=spoiled("if norm_topk_prob", "if not norm_topk_prob"),
)

challenge.mistake(
    "softmax-twice",
    "You took the softmax of probabilities. They lie between 0 and 1, so the result is nearly "
    "even whatever the router says.",
    hint="Scaling is a division by the sum.",
    answer=spoiled("weights / weights.sum(dim=-1, keepdim=True)", "weights.softmax(dim=-1)"),
)

challenge.mistake(
    "no-softmax",
    "You weigh by the logits themselves: a weight can then be negative.",
    hint="Take the softmax first.",
    answer=spoiled(".softmax(dim=-1)", ""),
)

challenge.mistake(
    "sigmoid",
    "You took a sigmoid of each logit, as DeepSeek-V3 does. Mixtral's experts compete: softmax.",
    hint="router_logits.float().softmax(dim=-1)",
    answer=spoiled("softmax(dim=-1)", "sigmoid()"),
)

challenge.mistake(
    "in-the-logits-dtype",
    "You took the softmax in the dtype of the logits. In bfloat16 a weight has three digits at "
    "best; Mixtral goes to float32 for it.",
    hint="router_logits.float().softmax(dim=-1)",
    answer=spoiled(".float()", ""),
)

challenge.mistake(
    "softmax-over-tokens",
    "Your softmax runs over the tokens: what one token gets depends on the others in the batch.",
    hint="dim=-1: over the experts.",
    answer=spoiled("softmax(dim=-1)", "softmax(dim=0)"),
)

challenge.mistake(
    "scaled-over-tokens",
    "You divided by the sum over tokens. Each token's own weights must sum to 1.",
    hint="weights.sum(dim=-1, keepdim=True)",
    answer=spoiled("sum(dim=-1, keepdim=True)", "sum(dim=0, keepdim=True)"),
)

challenge.mistake(
    "smallest",
    "You chose the k experts that the router likes least.",
    hint="topk takes the largest unless told otherwise.",
    answer=spoiled("topk(k, dim=-1)", "topk(k, dim=-1, largest=False)"),
)


# ---- what comes back, and what is refused --------------------------------------------------------

challenge.mistake(
    "ordered-by-number",
    "Your experts stand in the order of their numbers. The first is the one that counts most.",
    hint="topk gives them largest first: leave them so.",
    answer=spoiled(
        RETURNED, "return weights.gather(1, chosen.argsort(dim=-1)), chosen.sort(dim=-1).values"
    ),
)

challenge.mistake(
    "whole-rows",
    "Your weights have a place for every expert. Only the k that were chosen come back.",
    hint="Return what topk gives: (tokens, k).",
    answer=spoiled(
        RETURNED,
        "return weights.new_zeros(router_logits.shape).scatter(1, chosen, weights), chosen",
    ),
)

challenge.mistake(
    "other-order",
    "You return the experts before the weights.",
    hint="return weights, experts",
    answer=spoiled(RETURNED, "return chosen, weights"),
)

challenge.mistake(
    "k-cut-to-fit",
    "You quietly take as many experts as there are. Whoever asked for more has made a mistake, "
    "and should hear of it.",
    hint="if not 1 <= k <= experts: raise ValueError(...)",
    answer=spoiled(
        'raise ValueError(f"k is {k}: give 1 to {experts}, the number of experts")',
        "k = min(max(k, 1), experts)",
    ),
)

challenge.mistake(
    "k-unchecked",
    "You leave it to torch to refuse k. It takes 0, and too large a k it refuses with another "
    "exception and no word of experts.",
    hint="if not 1 <= k <= experts: raise ValueError(...)",
    answer=spoiled("not 1 <= k <= experts", "False"),
)

# ---- other right answers -------------------------------------------------------------------------


@challenge.alternative
def softmax_where_it_belongs(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    """The scaled weights are the softmax of the chosen logits, the others one of all logits."""
    refuse(k, router_logits.shape[-1])
    logits = router_logits.float()
    best, experts = logits.topk(k)
    compared_with = best if norm_topk_prob else logits
    return (best - compared_with.logsumexp(-1, keepdim=True)).exp(), experts


@challenge.alternative
def by_sorting(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    """Sorted, then cut."""
    refuse(k, router_logits.shape[-1])
    experts = router_logits.argsort(dim=-1, descending=True)[:, :k]
    weights = F.softmax(router_logits, dim=-1, dtype=torch.float32).gather(1, experts)
    return F.normalize(weights, p=1, dim=-1) if norm_topk_prob else weights, experts


@challenge.alternative
def one_after_the_other(router_logits: Tensor, k: int, norm_topk_prob: bool) -> Routed:
    """The best, then the best of the others, and so on."""
    refuse(k, router_logits.shape[-1])
    chances = left = router_logits.float().softmax(-1)
    experts = torch.empty(len(left), 0, dtype=torch.int64)
    for _ in range(k):
        best = left.argmax(-1, keepdim=True)
        experts = torch.cat([experts, best], 1)
        left = left.scatter(1, best, -1.0)
    weights = chances.gather(1, experts)
    return weights / weights.sum(1, keepdim=True) if norm_topk_prob else weights, experts


# ---- mutants that are as right as the reference --------------------------------------------------

CHOICE = "weights, chosen = router_logits.float().softmax(dim=-1).topk(k, dim=-1)"

challenge.equivalent(
    "-1->1 | experts = router_logits.shape[-1]",
    f"dim=-1->1 | {CHOICE}",
    f"dim=-1->1 | {CHOICE} #2",
    "dim=-1->1 | weights = weights / weights.sum(dim=-1, keepdim=True)",
    because="Logits and hidden states have two dimensions: the last is number 1.",
)

challenge.equivalent(
    f"dim= dropped | {CHOICE}",
    because="topk's own choice is the last dimension.",
)
