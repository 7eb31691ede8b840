"""The load-balancing loss of Switch Transformers (arXiv:2101.03961) with k choices for a token, as
Mixtral is trained with it: the tokens of all layers together, without padding.

Checked against float64, token by token, its gradient written out by hand, and against
load_balancing_loss_func of transformers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from labkit.challenges.mixture_of_experts.drawing import spread
from labkit.challenges.mixture_of_experts.experts_per_token import K_TOO_LARGE, K_TOO_SMALL, refuse
from labkit.challenges.mixture_of_experts.not_allowed import MIXTRAL, OLMOE
from labkit.challenges.mixture_of_experts.truths import exact, softmax
from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import normal
from labkit.grading.source.spoiling import spoiled


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
    """Even and uneven batches, several layers, padding, and the gradient."""

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


challenge = Challenge(
    name="load_balancing_loss",
    title="The load-balancing loss",
    check=check_load_balancing_loss,
    points=3,
    hints=(
        "Two lists of one number for each expert: where the tokens went, and where the router "
        "would have liked to send them. Lists that are high in the same places have a large "
        "product.",
        "One layer without padding first. What does a single row of logits give to each of the two "
        "lists? Then ask which rows there are in all: of which layers, and which are no tokens?",
        "Two tokens, both [0.9, 0.1], k 1: both go to expert 0, f = [1, 0], p = [0.9, 0.1]. "
        "2 * (0.9 + 0) = 1.8; an even spread would give 1.",
    ),
    not_allowed=(f"{MIXTRAL}.load_balancing_loss_func", f"{OLMOE}.load_balancing_loss_func"),
)

ROWS = "torch.cat(router_logits)"
CHOSEN = "chosen = probabilities.topk(k, dim=-1).indices"
CHOICES = "choices = F.one_hot(chosen, experts).sum(dim=1).float().mean(dim=0)"


# ---- the formula ---------------------------------------------------------------------------------

challenge.mistake(
    "experts-forgotten",
    "You left out the number of experts: the loss would shrink with every expert that is added.",
    hint="Multiply the sum by the number of experts.",
    answer=spoiled("return experts * ", "return "),
)

challenge.mistake(
    "divided-by-k",
    "Your f are shares of all choices, so an even spread gives 1. Here f counts choices for "
    "each token, k in sum, and an even spread gives k.",
    hint="Divide the choices by the number of tokens, not by tokens times k.",
    answer=spoiled("return experts * ", "return experts / k * "),
)

challenge.mistake(
    "mean-over-experts",
    "You took the mean over experts. The formula multiplies the sum by their number.",
    hint="experts * (f * p).sum()",
    answer=spoiled("return experts * ", "return ", ".sum()", ".mean()"),
)

challenge.mistake(
    "first-choice-only",
    "You counted each token's first choice only. That is Switch, with k 1.",
    hint="Count all k experts of a token: topk(k), not argmax.",
    answer=spoiled("topk(k, dim=-1)", "topk(1, dim=-1)"),
)

challenge.mistake(
    "chances-squared",
    "You multiplied the probabilities by themselves. What is to be even is where tokens really "
    "go: f counts choices.",
    hint="f is counted from topk, p is the mean probability.",
    answer=spoiled("choices * probabilities.mean(dim=0)", "k * probabilities.mean(dim=0) ** 2"),
)

challenge.mistake(
    "choices-squared",
    "You multiplied the choices by themselves. A count has no gradient: the router could not "
    "learn from it.",
    hint="One factor is the mean probability, which has a gradient.",
    answer=spoiled("choices * probabilities.mean(dim=0)", "choices**2 / k"),
)

challenge.mistake(
    "token-by-token",
    "You multiplied for each token and took the mean of that. One token is always uneven: "
    "the batch is to be even.",
    hint="First both means over the tokens, then the product.",
    answer=spoiled(
        ".float().mean(dim=0)", "",
        "(choices * probabilities.mean(dim=0)).sum()", "(choices * probabilities).sum(1).mean()",
    ),
)  # fmt: skip

challenge.mistake(
    "sums",
    "You summed over the tokens. The loss would grow with the batch.",
    hint="f and p are means over the tokens.",
    answer=spoiled(
        "float().mean(dim=0)", "float().sum(dim=0)",
        "probabilities.mean(dim=0)", "probabilities.sum(dim=0)",
    ),
)  # fmt: skip

challenge.mistake(
    "no-gradient",
    "The number is right, but no gradient leads from it back to the logits: the routers could "
    "not learn from it.",
    hint="Only the choices are counted; p has to stay what torch has made of the logits. float(), "
    ".item(), .tolist(), .detach(), NumPy, torch.tensor(...) and no_grad cut the way off.",
    answer=spoiled(ROWS, "torch.cat(router_logits).detach()"),
)


# ---- layers and padding --------------------------------------------------------------------------


@challenge.mistake(
    "layer-by-layer",
    "You took one loss for each layer and their mean. That can be done; what is asked for is "
    "transformers' way: the means f and p over the tokens of all layers together, where expert "
    "3 of one layer and of the next count as one.",
    hint="torch.cat(router_logits) first.",
)
def mean_of_layers(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    losses = [by_bincount([layer], k, attention_mask) for layer in router_logits]
    return torch.stack(losses).mean()


challenge.mistake(
    "last-layer-only",
    "You used one layer. Every layer has a router of its own.",
    hint="torch.cat(router_logits)",
    answer=spoiled(ROWS, "router_logits[-1]", ".repeat(len(router_logits))", ""),
)

challenge.mistake(
    "padding-counted",
    "You counted padding. It all goes the same way, and the router would spread it for nothing.",
    hint="Keep only the rows whose mask is 1; the mask holds for every layer.",
    answer=spoiled("[attention_mask.bool().repeat(len(router_logits))]", ""),
)

challenge.mistake(
    "padding-in-the-count",
    "You left padding out of the sums and divided by the number of all rows.",
    hint="Divide by the number of tokens: the sum of the mask.",
    answer=spoiled(
        "float().mean(dim=0)", f"float().sum(dim=0) / len({ROWS})",
        "probabilities.mean(dim=0)", f"probabilities.sum(dim=0) / len({ROWS})",
    ),
)  # fmt: skip


# ---- what is refused -----------------------------------------------------------------------------

challenge.mistake(
    "empty-unchecked",
    "Of a batch without a token you make NaN, which would spoil every weight at the next step.",
    hint="raise ValueError when no row is left.",
    answer=spoiled("not tokens", "False"),
)

challenge.mistake(
    "k-unchecked",
    "You leave it to torch to refuse k. It takes 0.",
    hint="if not 1 <= k <= experts: raise ValueError(...)",
    answer=spoiled("not 1 <= k <= experts", "False"),
)

# ---- other right answers -------------------------------------------------------------------------


@challenge.alternative
def by_bincount(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    """Choices counted as whole numbers, and the logits chosen from, which have the same order."""
    real = slice(None) if attention_mask is None else attention_mask.bool()
    rows = torch.cat([layer[real] for layer in router_logits])
    refuse(k, rows.shape[-1])
    if not len(rows):
        raise ValueError("no tokens")
    choices = rows.topk(k).indices.flatten().bincount(minlength=rows.shape[-1])
    return choices / len(rows) @ rows.softmax(-1).mean(0) * rows.shape[-1]


@challenge.alternative
def by_summing(router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None) -> Tensor:
    """Layer by layer, padding weighed with 0 as in transformers, divided at the end."""
    experts = router_logits[0].shape[-1]
    refuse(k, experts)
    ones = torch.ones(len(router_logits[0]))
    real = (ones if attention_mask is None else attention_mask.float())[:, None]
    if real.sum() == 0:
        raise ValueError("no tokens")
    choices, chances = torch.zeros(experts), torch.zeros(experts)
    for layer in router_logits:
        p = torch.softmax(layer, dim=1)
        chosen = torch.zeros_like(p).scatter(1, p.topk(k).indices, 1.0)
        choices = choices + (chosen * real).sum(0)
        chances = chances + (p * real).sum(0)
    tokens = real.sum() * len(router_logits)
    return (choices / tokens) @ (chances / tokens) * experts


# ---- mutants that are as right as the reference --------------------------------------------------

challenge.equivalent(
    f"dim=-1->1 | probabilities = {ROWS}.softmax(dim=-1)",
    f"dim=-1->1 | {CHOSEN}",
    because="Logits and hidden states have two dimensions: the last is number 1.",
)

challenge.equivalent(
    f"dim= dropped | {CHOSEN}",
    because="topk's own choice is the last dimension.",
)

challenge.equivalent(
    f"sum() left out | {CHOICES}",
    because="The k choices are added up at the end, with all else.",
)
