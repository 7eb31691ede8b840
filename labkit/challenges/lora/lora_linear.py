"""A linear layer with a LoRA adapter (arXiv:2106.09685, equation 3): W x + b + alpha / rank B A x.

Checked against the sums in float64 NumPy, and against peft's layer with the same numbers in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from labkit.challenges.lora.peft_layers import OF_PEFT, peft_layer
from labkit.grading import Challenge, Submission
from labkit.grading.checks.diagnosis import same_words
from labkit.grading.checks.drawing import normal
from labkit.grading.source.spoiling import spoiled


def true_linear(
    x: Tensor, weight: Tensor, bias: Tensor, a: Tensor, b: Tensor, alpha: float
) -> Tensor:
    """Written out in float64."""
    inputs, w, c, down, up = (tensor.double().numpy() for tensor in (x, weight, bias, a, b))
    frozen = np.einsum("...i,oi->...o", inputs, w) + c
    low = np.einsum("...i,ri->...r", inputs, down)
    return torch.from_numpy(frozen + np.einsum("...r,or->...o", low, up) * (alpha / len(a))).float()


def pefts_linear(x: Tensor, *numbers: Any) -> Tensor:
    """What peft's layer gives with these numbers in it."""
    found: Tensor = peft_layer(*numbers)(x)
    return found.detach()


def check_lora_linear(s: Submission) -> None:
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
    plain = (x.double() @ weight.double().T + bias.double()).float()
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

SCALE = "lora_alpha / rank"


# ---- the scale -----------------------------------------------------------------------------------

challenge.mistake(
    "no-scale",
    "You left the scale out: lora_alpha changes nothing in your answer.",
    hint="Multiply the adapter's answer by lora_alpha / rank.",
    answer=spoiled(SCALE, "1.0"),
)

challenge.mistake(
    "alpha-alone",
    "You scaled by lora_alpha alone. Divided by the rank, one value of lora_alpha serves for "
    "every rank.",
    hint="The factor is lora_alpha / rank; the rank is the number of rows of lora_A.",
    answer=spoiled(SCALE, "lora_alpha"),
)

challenge.mistake(
    "whole-division",
    "`//` throws away what stands behind the point: with lora_alpha 1 and rank 2 it gives 0.",
    hint="One slash: lora_alpha / rank.",
    answer=spoiled(SCALE, "lora_alpha // rank"),
)

challenge.mistake(
    "rank-over-alpha",
    "You scaled by rank / lora_alpha: the wrong way round.",
    hint="A larger lora_alpha means a larger scale: lora_alpha / rank.",
    answer=spoiled(SCALE, "(rank / lora_alpha if lora_alpha else 0.0)"),
)

challenge.mistake(
    "root-of-rank",
    "You divided by the square root of the rank. That is rsLoRA (arXiv:2312.03732); LoRA "
    "divides by the rank.",
    hint="lora_alpha / rank, without the root.",
    answer=spoiled(SCALE, "lora_alpha / rank**0.5"),
)

challenge.mistake(
    "scaled-twice",
    "You applied the scale twice, once on the way down and once on the way up.",
    hint="One factor lora_alpha / rank for the whole adapter.",
    answer=spoiled(SCALE, "(lora_alpha / rank) ** 2"),
)

challenge.mistake(
    "rank-from-columns",
    "You divide by the number of lora_A's columns. That is `in`; lora_A is (rank, in).",
    hint="The rank is the size that lora_A and lora_B have in common.",
    answer=spoiled("lora_A.shape[0]", "lora_A.shape[1]"),
)

challenge.mistake(
    "rank-from-rows-of-b",
    "You divide by the number of lora_B's rows. That is `out`; lora_B is (out, rank).",
    hint="The rank is the size that lora_A and lora_B have in common.",
    answer=spoiled("lora_A.shape[0]", "lora_B.shape[0]"),
)


# ---- what is scaled, and what is added -----------------------------------------------------------

challenge.mistake(
    "all-scaled",
    "You scaled the frozen layer's answer too. The scale belongs to the adapter alone.",
    hint="Compute the frozen answer first, then add the scaled one of the adapter.",
    answer=spoiled("frozen + lora_alpha / rank * (", "lora_alpha / rank * (frozen + "),
)

challenge.mistake(
    "bias-scaled",
    "Your scale reaches the bias too. The bias belongs to the frozen layer.",
    hint="Scale what came through A and B, and nothing else.",
    answer=spoiled(" + bias", "", "lora_B.T)", "lora_B.T + bias)"),
)

challenge.mistake(
    "no-bias",
    "You left the bias out.",
    hint="The frozen layer is x @ weight.T + bias.",
    answer=spoiled(" + bias", ""),
)

challenge.mistake(
    "bias-twice",
    "You added the bias twice: to the layer's answer and to the adapter's. An adapter has no bias.",
    hint="Add it once.",
    answer=spoiled("frozen +", "frozen + bias +"),
)

challenge.mistake(
    "adapter-alone",
    "The frozen layer's answer is missing: the adapter comes on top of it.",
    hint="Add x @ weight.T.",
    answer=spoiled("x @ weight.T + ", ""),
)

challenge.mistake(
    "subtracted",
    "You subtracted the adapter's answer.",
    hint="It is added.",
    answer=spoiled("frozen +", "frozen -"),
)

challenge.mistake(
    "a-and-b-swapped",
    "You sent x through B first. x has `in` numbers: A takes them down to rank, B takes those "
    "up to out.",
    hint="x @ lora_A.T is (..., rank); that @ lora_B.T is (..., out).",
    answer=spoiled("x @ lora_A.T @ lora_B.T", "x @ lora_B @ lora_A"),
)


@challenge.alternative
def by_layers(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """With torch's linear, three times."""
    low = linear(x, lora_A) * (lora_alpha / lora_A.size(0))
    return linear(x, weight, bias) + linear(low, lora_B)


@challenge.alternative
def merged_first(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """One matrix for layer and adapter."""
    return x @ (weight + (lora_alpha / len(lora_A)) * lora_B @ lora_A).T + bias


@challenge.alternative
def rank_by_rank(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """A row of A says how much of a column of B is added."""
    answer = linear(x, weight, bias)
    for row, column in zip(lora_A, lora_B.T, strict=True):
        answer = answer + (x * row).sum(-1, keepdim=True) * column * lora_alpha / len(lora_A)
    return answer
