"""The frozen answer plus alpha / rank times B A x."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labkit.challenges.lora.shared import OF_PEFT, adapted, exact, normal
from labkit.grading import Challenge, Submission
from labkit.grading.diagnosis import same_words


def true_linear(
    x: Tensor, weight: Tensor, bias: Tensor, a: Tensor, b: Tensor, alpha: float
) -> Tensor:
    """Written out in float64."""
    frozen = np.einsum("...i,oi->...o", exact(x), exact(weight)) + exact(bias)
    low = np.einsum("...i,ri->...r", exact(x), exact(a))
    added = np.einsum("...r,or->...o", low, exact(b)) * (alpha / a.shape[0])
    return torch.from_numpy(frozen + added).float()


def pefts_linear(x: Tensor, *numbers: Any) -> Tensor:
    """What peft's layer gives with these numbers in it."""
    found: Tensor = adapted(*numbers)(x)
    return found.detach()


def check_lora_linear(s: Submission) -> None:
    """The frozen answer plus alpha / rank times B A x."""

    def expect(
        shape: tuple[int, ...], out: int, rank: int, alpha: float, because: str,
        truth: Callable[..., Tensor] = true_linear,
    ) -> None:  # fmt: skip
        x, width = normal(s, *shape), shape[-1]
        frozen = normal(s, out, width), normal(s, out)
        numbers = (*frozen, normal(s, rank, width), normal(s, out, rank))
        answer = s.lora_linear(x, *numbers, alpha)
        answer.is_tensor(shape=(*shape[:-1], out), dtype=torch.float32)
        expected = truth(x, *numbers, alpha)
        answer.close_to(expected, because=because, rtol=1e-4, atol=1e-4)

    rule = "The frozen layer's answer plus lora_alpha / rank times the adapter's."
    one = torch.tensor
    s.lora_linear(
        one([1.0, 2.0]), one([[1.0, 0.0]]), one([0.5]), one([[1.0, 1.0]]), one([[2.0]]), 3.0
    ).close_to(one([19.5]), because=rule)
    expect((4,), 3, 2, 4.0, rule)
    expect((2, 4), 3, 2, 1.0, rule)
    expect((2, 3, 5), 4, 3, 6.0, "Any shape before the last dimension is kept.")
    expect((3, 4), 4, 4, 8.0, "A square layer hides what is turned: these sizes are equal.")
    expect((3, 6), 2, 1, 16.0, rule)
    expect((3, 6), 2, 5, 0.5, rule)
    expect((2, 4), 3, 2, 0.0, "With lora_alpha 0 the adapter adds nothing.")
    x, weight, bias = normal(s, 2, 4), normal(s, 3, 4), normal(s, 3)
    fresh = s.lora_linear(x, weight, bias, normal(s, 2, 4), torch.zeros(3, 2), 4.0)
    plain = torch.from_numpy(exact(x) @ exact(weight).T + exact(bias)).float()
    fresh.close_to(plain, because="With B at zero the layer does what it did.", atol=1e-4)
    expect((2, 4), 3, 2, 4.0, "peft's layer with the same numbers gives this.", pefts_linear)


challenge = Challenge(
    name="lora_linear",
    title="A linear layer with LoRA",
    check=check_lora_linear,
    points=3,
    hints=(
        "Two layers side by side that see the same x; their answers are added.",
        "Follow x through the adapter and write down the shapes: (..., in) first, (..., out) in "
        "the end. What has to stand between, and which matrix leads there? Then ask of the scale "
        "which of the two answers it belongs to, and which size of lora_A and lora_B is the rank.",
        "x = [1, 2]: through A [[1, 1]] it is 3, through B [[2]] it is 6, times 3/1 it is 18. The "
        "layer gives 1 + 0.5. Together 19.5.",
    ),
    alike=same_words,
    not_allowed=OF_PEFT,
)


challenge.mistake(
    "rank-from-columns",
    "You divide by the number of lora_A's columns. That is `in`; lora_A is (rank, in).",
    hint="The rank is the size that lora_A and lora_B have in common.",
    answer=lambda x, weight, bias, lora_A, lora_B, lora_alpha: (
        x @ weight.T + bias + lora_alpha / lora_A.shape[1] * (x @ lora_A.T @ lora_B.T)
    ),
)


challenge.mistake(
    "rank-from-rows-of-b",
    "You divide by the number of lora_B's rows. That is `out`; lora_B is (out, rank).",
    hint="The rank is the size that lora_A and lora_B have in common.",
    answer=lambda x, weight, bias, lora_A, lora_B, lora_alpha: (
        x @ weight.T + bias + lora_alpha / lora_B.shape[0] * (x @ lora_A.T @ lora_B.T)
    ),
)


challenge.mistake(
    "bias-scaled",
    "Your scale reaches the bias too. The bias belongs to the frozen layer.",
    hint="Scale what came through A and B, and nothing else.",
    answer=lambda x, weight, bias, lora_A, lora_B, lora_alpha: (
        x @ weight.T + lora_alpha / len(lora_A) * (bias + x @ lora_A.T @ lora_B.T)
    ),
)


def linear_with(
    scale: Callable[[float, int], float] = lambda alpha, rank: alpha / rank,
    combine: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda frozen, bias, added: (
        frozen + bias + added
    ),
) -> Callable[..., Tensor]:
    """A complete answer; `scale` from alpha and rank, `combine` from its three parts."""

    def lora_linear(
        x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
    ) -> Tensor:
        added = scale(lora_alpha, len(lora_A)) * (x @ lora_A.T @ lora_B.T)
        return combine(x @ weight.T, bias, added)

    return lora_linear


challenge.mistake(
    "alpha-alone",
    "You scaled by lora_alpha alone. Divided by the rank, one value of lora_alpha serves for "
    "every rank.",
    hint="The factor is lora_alpha / rank; the rank is the number of rows of lora_A.",
    answer=linear_with(lambda alpha, rank: alpha),
)


challenge.mistake(
    "no-scale",
    "You left the scale out: lora_alpha changes nothing in your answer.",
    hint="Multiply the adapter's answer by lora_alpha / rank.",
    answer=linear_with(lambda alpha, rank: 1.0),
)


challenge.mistake(
    "whole-division",
    "`//` throws away what stands behind the point: with lora_alpha 1 and rank 2 it gives 0.",
    hint="One slash: lora_alpha / rank.",
    answer=linear_with(lambda alpha, rank: alpha // rank),
)


challenge.mistake(
    "rank-over-alpha",
    "You scaled by rank / lora_alpha: the wrong way round.",
    hint="A larger lora_alpha means a larger scale: lora_alpha / rank.",
    answer=linear_with(lambda alpha, rank: rank / alpha if alpha else 0.0),
)


challenge.mistake(
    "root-of-rank",
    "You divided by the square root of the rank. That is rsLoRA (arXiv:2312.03732); LoRA "
    "divides by the rank.",
    hint="lora_alpha / rank, without the root.",
    answer=linear_with(lambda alpha, rank: alpha / math.sqrt(rank)),
)


challenge.mistake(
    "scaled-twice",
    "You applied the scale twice, once on the way down and once on the way up.",
    hint="One factor lora_alpha / rank for the whole adapter.",
    answer=linear_with(lambda alpha, rank: (alpha / rank) ** 2),
)


challenge.mistake(
    "all-scaled",
    "You scaled the frozen layer's answer too. The scale belongs to the adapter alone.",
    hint="Compute the frozen answer first, then add the scaled one of the adapter.",
    answer=lambda x, weight, bias, lora_A, lora_B, lora_alpha: (
        lora_alpha / len(lora_A) * (x @ weight.T + bias + x @ lora_A.T @ lora_B.T)
    ),
)


challenge.mistake(
    "adapter-alone",
    "The frozen layer's answer is missing: the adapter comes on top of it.",
    hint="Add x @ weight.T.",
    answer=linear_with(combine=lambda frozen, bias, added: added + bias),
)


challenge.mistake(
    "no-bias",
    "You left the bias out.",
    hint="The frozen layer is x @ weight.T + bias.",
    answer=linear_with(combine=lambda frozen, bias, added: frozen + added),
)


challenge.mistake(
    "bias-twice",
    "You added the bias twice: to the layer's answer and to the adapter's. An adapter has no bias.",
    hint="Add it once.",
    answer=linear_with(combine=lambda frozen, bias, added: frozen + 2 * bias + added),
)


@challenge.mistake(
    "a-and-b-swapped",
    "You sent x through B first. x has `in` numbers: A takes them down to rank, B takes those "
    "up to out.",
    hint="x @ lora_A.T is (..., rank); that @ lora_B.T is (..., out).",
)
def turned(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    return x @ weight.T + bias + lora_alpha / len(lora_A) * (x @ lora_B @ lora_A)


challenge.mistake(
    "subtracted",
    "You subtracted the adapter's answer.",
    hint="It is added.",
    answer=linear_with(combine=lambda frozen, bias, added: frozen + bias - added),
)


challenge.alternative(linear_with())


@challenge.alternative
def by_layers(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """Another right answer: with torch's linear, three times."""
    linear = nn.functional.linear
    low = linear(x, lora_A) * (lora_alpha / lora_A.size(0))
    return linear(x, weight, bias) + linear(low, lora_B)


@challenge.alternative
def by_whole_matrix(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """Another right answer: merged first."""
    return x @ (weight + (lora_alpha / len(lora_A)) * lora_B @ lora_A).T + bias
