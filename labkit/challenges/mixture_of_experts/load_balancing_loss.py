"""Experts times the sum of choices times chances, over all layers, without padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.models.mixtral.modeling_mixtral import (
    load_balancing_loss_func,
)

from labkit.challenges.mixture_of_experts.shared import (
    K_TOO_LARGE,
    K_TOO_SMALL,
    MIXTRAL,
    OLMOE,
    exact,
    normal,
    refused,
    softmax,
    spread,
)
from labkit.grading import Challenge, Submission


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


challenge.mistake(
    "experts-forgotten",
    "You left out the number of experts: the loss would shrink with every expert that is added.",
    hint="Multiply the sum by the number of experts.",
    answer=balance_with(lambda p, chosen, k: balance_of(p, chosen) / p.shape[-1]),
)


challenge.mistake(
    "divided-by-k",
    "Your f are shares of all choices, so an even spread gives 1. Here f counts choices for "
    "each token, k in sum, and an even spread gives k.",
    hint="Divide the choices by the number of tokens, not by tokens times k.",
    answer=balance_with(lambda p, chosen, k: balance_of(p, chosen) / k),
)


challenge.mistake(
    "first-choice-only",
    "You counted each token's first choice only. That is Switch, with k 1.",
    hint="Count all k experts of a token: topk(k), not argmax.",
    answer=balance_with(lambda p, chosen, k: balance_of(p, chosen_by(p, 1))),
)


challenge.mistake(
    "chances-squared",
    "You multiplied the probabilities by themselves. What is to be even is where tokens really "
    "go: f counts choices.",
    hint="f is counted from topk, p is the mean probability.",
    answer=balance_with(lambda p, chosen, k: k * balance_of(p, p)),
)


challenge.mistake(
    "choices-squared",
    "You multiplied the choices by themselves. A count has no gradient: the router could not "
    "learn from it.",
    hint="One factor is the mean probability, which has a gradient.",
    answer=balance_with(lambda p, chosen, k: balance_of(chosen, chosen) / k),
)


right_balance = balance_with(lambda p, chosen, k: balance_of(p, chosen))


@challenge.mistake(
    "no-gradient",
    "The number is right, but no gradient leads from it back to the logits: the routers could "
    "not learn from it.",
    hint="Only the choices are counted; p has to stay what torch has made of the logits. float(), "
    ".item(), .tolist(), .detach(), NumPy, torch.tensor(...) and no_grad cut the way off.",
)
def balance_detached(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    result: Tensor = right_balance([layer.detach() for layer in router_logits], k, attention_mask)
    return result


challenge.mistake(
    "token-by-token",
    "You multiplied for each token and took the mean of that. One token is always uneven: "
    "the batch is to be even.",
    hint="First both means over the tokens, then the product.",
    answer=balance_with(lambda p, chosen, k: p.shape[-1] * (p * chosen).sum(-1).mean()),
)


challenge.mistake(
    "sums",
    "You summed over the tokens. The loss would grow with the batch.",
    hint="f and p are means over the tokens.",
    answer=balance_with(lambda p, chosen, k: balance_of(p, chosen) * len(p) ** 2),
)


challenge.mistake(
    "mean-over-experts",
    "You took the mean over experts. The formula multiplies the sum by their number.",
    hint="experts * (f * p).sum()",
    answer=balance_with(lambda p, chosen, k: balance_of(p, chosen) / p.shape[-1] ** 2),
)


@challenge.mistake(
    "layer-by-layer",
    "You took one loss for each layer and their mean. That can be done; what is asked for is "
    "transformers' way: the means f and p over the tokens of all layers together, where expert "
    "3 of one layer and of the next count as one.",
    hint="torch.cat(router_logits) first.",
)
def layer_by_layer(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    each = [right_balance([layer], k, attention_mask) for layer in router_logits]
    return torch.stack(each).mean()


@challenge.mistake(
    "last-layer-only",
    "You used one layer. Every layer has a router of its own.",
    hint="torch.cat(router_logits)",
)
def last_layer(router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None) -> Tensor:
    result: Tensor = right_balance(router_logits[-1:], k, attention_mask)
    return result


challenge.mistake(
    "padding-counted",
    "You counted padding. It all goes the same way, and the router would spread it for nothing.",
    hint="Keep only the rows whose mask is 1; the mask holds for every layer.",
    answer=balance_with(lambda p, chosen, k: balance_of(p, chosen), lambda logits, mask: logits),
)


@challenge.mistake(
    "padding-in-the-count",
    "You left padding out of the sums and divided by the number of all rows.",
    hint="Divide by the number of tokens: the sum of the mask.",
)
def padded_count(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    whole: Tensor = right_balance(router_logits, k, attention_mask)
    share = 1.0 if attention_mask is None else float(attention_mask.float().mean())
    return whole * share**2


@challenge.mistake(
    "empty-unchecked",
    "Of a batch without a token you make NaN, which would spoil every weight at the next step.",
    hint="raise ValueError when no row is left.",
)
def empty_unchecked(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    rows = torch.cat(kept(router_logits, attention_mask))
    refused(k, rows.shape[-1])
    p = rows.softmax(-1)
    return balance_of(p, chosen_by(p, k))


@challenge.mistake(
    "k-unchecked",
    "You leave it to torch to refuse k. It takes 0.",
    hint="if not 1 <= k <= experts: raise ValueError(...)",
)
def balance_k_unchecked(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    rows = torch.cat(kept(router_logits, attention_mask))
    if not len(rows):
        raise ValueError("no tokens")
    p = rows.softmax(-1)
    return balance_of(p, chosen_by(p, k))


challenge.alternative(right_balance)


@challenge.alternative
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


challenge.equivalent(
    "dim=-1->1 | probabilities = torch.cat(router_logits).softmax(dim=-1)",
    "dim=-1->1 | chosen = probabilities.topk(k, dim=-1).indices",
    because="Logits and hidden states have two dimensions: the last is number 1.",
)


challenge.equivalent(
    "dim= dropped | chosen = probabilities.topk(k, dim=-1).indices",
    because="topk's own choice is the last dimension.",
)


challenge.equivalent(
    "sum() left out | choices = F.one_hot(chosen, experts).sum(dim=1).float().mean(dim=0)",
    because="The k choices are added up at the end, with all else.",
)
