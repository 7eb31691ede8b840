"""A LoRA adapter merged into its layer: W + alpha / rank B A, rounded once to the weight's dtype.

Checked against float64 NumPy, against peft's merge, and bit by bit on whole numbers that nearly
cancel: exact in float32, they show in half precision where something was rounded too early.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from labkit.challenges.lora.peft_layers import OF_PEFT, peft_layer
from labkit.grading import Challenge, Submission
from labkit.grading.checks.diagnosis import same_words
from labkit.grading.checks.drawing import draw, normal
from labkit.grading.source.spoiling import spoiled


def true_merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """Written out in float64, rounded once to the weight's dtype."""
    w, down, up = (tensor.double().numpy() for tensor in (weight, a, b))
    merged = w + np.einsum("or,ri->oi", up, down) * (alpha / len(a))
    return torch.from_numpy(merged).float().to(weight.dtype)


def pefts_merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """The weight that is left after peft has merged."""
    both = peft_layer(weight, torch.zeros(len(weight)), a, b, alpha)
    both.merge()
    merged: Tensor = both.get_base_layer().weight
    return merged.detach()


def check_merge_adapter(s: Submission) -> None:
    def expect(
        out: int, width: int, rank: int, alpha: float, because: str,
        truth: Callable[..., Tensor] = true_merge,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        weight, a, b = normal(s, out, width).to(dtype), normal(s, rank, width), normal(s, out, rank)
        answer = s.merge_adapter(weight, a, b, alpha)
        answer.is_tensor(shape=(out, width), dtype=dtype)
        room = 1e-4 if dtype is torch.float32 else 1e-2
        answer.close_to(truth(weight, a, b, alpha), because=because, rtol=room, atol=room / 10)

    rule = "The weight plus lora_alpha / rank times B times A."
    one = torch.tensor
    s.merge_adapter(one([[1.0, 0.0]]), one([[1.0, 1.0]]), one([[2.0]]), 3.0).close_to(
        one([[7.0, 6.0]]), because=rule
    )
    expect(3, 4, 2, 4.0, rule)
    expect(4, 3, 2, 1.0, rule)
    expect(4, 4, 4, 8.0, "A square layer hides what is turned: these sizes are equal.")
    expect(2, 6, 5, 0.5, rule)
    expect(5, 2, 1, 16.0, rule)
    expect(3, 4, 2, 0.0, "With lora_alpha 0 the weight stays.")
    kind = "The merged weight has the dtype of the weight; it is rounded once, at the end."
    expect(3, 4, 2, 4.0, kind, dtype=torch.bfloat16)
    far = one([[1000.0, -1000.0]], dtype=torch.bfloat16)
    small = s.merge_adapter(far, one([[1.0, 1.0]]), one([[3.0]]), 1.0)
    small.close_to(one([[1004.0, -996.0]], dtype=torch.bfloat16), because=kind, rtol=1e-3)
    cancels = one([[-1000.0]], dtype=torch.bfloat16)
    small = s.merge_adapter(cancels, one([[1003.0]]), one([[1.0]]), 1.0)
    small.equals(one([[3.0]], dtype=torch.bfloat16), because=kind)
    for dtype in (torch.bfloat16, torch.float16):
        numbers = nearly_cancelling(s, 3, 5, dtype)
        s.merge_adapter(*numbers).equals(true_merge(*numbers), because=kind)
    expect(3, 4, 2, 4.0, "peft merges to this.", pefts_merge)


def nearly_cancelling(
    s: Submission, out: int, width: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Whole numbers, exact in float32 in whatever order they are added up, and so large that it
    shows if the adapter is rounded to the dtype before: little is left of their sum."""

    def whole(size: int, *shape: int) -> Tensor:
        return torch.randint(-size, size + 1, shape, generator=s.generator).float()

    a, b, alpha = whole(100, 2, width), whole(100, out, 2), float(2 << draw(s, 2))
    return (whole(50, out, width) - alpha / 2 * b @ a).to(dtype), a, b, alpha


challenge = Challenge(
    name="merge_adapter",
    title="Merge",
    check=check_merge_adapter,
    points=2,
    hints=(
        "x W^T + s (x A^T) B^T is x times one matrix. Which?",
        "Write down the shapes of weight, lora_A and lora_B, and see what can be multiplied to "
        "give that of the weight. What did the layer do to the adapter's answer before it added "
        "it? And bfloat16 holds some three digits: at which moment does rounding cost least?",
        "B [[2]] times A [[1, 1]] is [[2, 2]]; times 3/1 it is [[6, 6]]; plus [[1, 0]] it is [[7, "
        "6]].",
    ),
    alike=same_words,
    not_allowed=OF_PEFT,
)

SCALE, PRODUCT = "lora_alpha / rank", "(lora_B @ lora_A)"
SUM = f"(weight.float() + {SCALE} * {PRODUCT})"


# ---- rounding, and whose weight it is ------------------------------------------------------------

challenge.mistake(
    "rounded-first",
    "You round the adapter's product to the weight's dtype before you add it. Then two "
    "numbers are rounded and their sum once more; bfloat16 has three digits.",
    hint="Add in float32; .to(weight.dtype) comes last.",
    answer=spoiled(SUM, f"weight + ({SCALE} * {PRODUCT})"),
)

challenge.mistake(
    "dtype-lost",
    "A bfloat16 weight comes back as float32: the merged model would take twice the memory.",
    hint="Add in float32 and end with .to(weight.dtype).",
    answer=spoiled(".to(weight.dtype)", ""),
)

challenge.mistake(
    "in-place",
    "You merged into the caller's weight. Whoever wants to take the adapter out again, or to "
    "put in another one, has lost the base.",
    hint="`weight += …` writes into the caller's tensor. Return a new one.",
    answer=spoiled(SUM, f"weight.add_(({SCALE} * {PRODUCT}).to(weight.dtype))"),
)


# ---- the scale -----------------------------------------------------------------------------------

challenge.mistake(
    "no-scale",
    "You merged without the scale. The merged layer then says something else than layer and "
    "adapter did.",
    hint="Multiply B @ A by lora_alpha / rank before you add it.",
    answer=spoiled(SCALE, "1.0"),
)

challenge.mistake(
    "alpha-alone",
    "You scaled by lora_alpha alone.",
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
    "scaled-twice",
    "You applied the scale twice.",
    hint="One factor lora_alpha / rank.",
    answer=spoiled(SCALE, "(lora_alpha / rank) ** 2"),
)

challenge.mistake(
    "root-of-rank",
    "You divided by the square root of the rank, which is rsLoRA's scale.",
    hint="lora_alpha / rank, without the root.",
    answer=spoiled(SCALE, "lora_alpha / rank**0.5"),
)

challenge.mistake(
    "rank-from-columns",
    "You divide by the number of lora_A's columns. That is `in`; lora_A is (rank, in).",
    hint="The rank is the size that lora_A and lora_B have in common.",
    answer=spoiled("lora_A.shape[0]", "lora_A.shape[1]"),
)

challenge.mistake(
    "all-scaled",
    "You scaled the frozen weight too.",
    hint="Only B @ A is scaled.",
    answer=spoiled(SUM, f"({SCALE} * (weight.float() + lora_B @ lora_A))"),
)


# ---- what is multiplied, and what is added -------------------------------------------------------

challenge.mistake(
    "a-times-b",
    "You multiplied A by B. (out, rank) times (rank, in) is B @ A; the other way round it is "
    "(rank, rank), or fails.",
    hint="lora_B @ lora_A.",
    answer=spoiled(PRODUCT, "(lora_A @ lora_B)"),
)

challenge.mistake(
    "turned",
    "You turned the product round.",
    hint="B @ A has the weight's shape (out, in) as it is.",
    answer=spoiled(PRODUCT, "(lora_B @ lora_A).T"),
)

challenge.mistake(
    "subtracted",
    "You subtracted the adapter. That is how one takes it out again.",
    hint="Merging adds.",
    answer=spoiled("weight.float() +", "weight.float() -"),
)

challenge.mistake(
    "replaced",
    "You returned the adapter's product without the weight.",
    hint="Add it to the weight.",
    answer=spoiled("weight.float() + ", ""),
)


@challenge.alternative
def by_addmm(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    """One fused product."""
    factor = lora_alpha / lora_A.shape[0]
    return torch.addmm(weight.to(torch.float32), lora_B, lora_A, alpha=factor).type(weight.dtype)


@challenge.alternative
def rank_by_rank(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    """A sum of outer products, in float64."""
    merged = weight.double()
    for row, column in zip(lora_A, lora_B.T, strict=True):
        merged = merged + torch.outer(column, row).double() * lora_alpha / len(lora_A)
    return merged.to(weight.dtype)


@challenge.alternative
def by_unit_vectors(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    """What layer and adapter make of each unit vector is a column of the merged weight."""
    unit = torch.eye(weight.shape[1])
    added = unit @ lora_A.T @ lora_B.T * lora_alpha / len(lora_A)
    return (unit @ weight.float().T + added).T.contiguous().to(weight.dtype)


challenge.equivalent(
    f"float() left out | return {SUM}.to(weight.dtype)",
    because="The product is float32, and so is then the sum.",
)
challenge.equivalent(
    f"float->double | return {SUM}.to(weight.dtype)",
    because="The sum is only more exact than asked for.",
)
