"""Unsigned codes, a scale and a zero point: the affine quantization of Jacob et al. 2017
(arXiv:1712.05877), for weights on one side of zero and on both.

Checked against the nearest of all values that the codes stand for, in float64; the tests compare
it with torch's MinMaxObserver.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.challenges.quantization.drawing import fractions, whole_numbers
from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled


def true_zero_point(weight: Tensor, bits: int) -> tuple[Tensor, float, int]:
    """Number by number in float64: the nearest of the values that the codes stand for."""
    numbers = weight.double().flatten().tolist()
    low, high, top = min(0.0, *numbers), max(0.0, *numbers), 2**bits - 1
    scale = (high - low) / top or 1.0
    zero = int(np.rint(-low / scale))
    values = [(code - zero) * scale for code in range(top + 1)]
    codes = [int(np.argmin([abs(value - number) for value in values])) for number in numbers]
    return torch.tensor(codes, dtype=torch.uint8).reshape(weight.shape), scale, zero


def lopsided(s: Submission, *shape: int, bits: int, zero: int, below: float = 0.2) -> Tensor:
    """Weights with the zero point `zero`, clear of all ties; the smallest lies `below` of a step
    under code 0."""
    low, high = -zero - below, 2**bits - 1 - zero - below
    steps = whole_numbers(s, -zero, 2**bits - 1 - zero, *shape) + fractions(s, *shape, within=0.2)
    flat = steps.flatten().clamp(low, high)
    flat[0], flat[-1] = low, high
    return flat.reshape(shape) * 0.037


def one_sided(s: Submission, bits: int) -> Tensor:
    """Weights above 0, far from it, and clear of all ties."""
    top = 2**bits - 1
    steps = whole_numbers(s, top // 2, top - 1, 6) + fractions(s, 6)
    return F.pad(steps, (0, 1), value=float(top)) * 0.037


def halfway(s: Submission) -> Tensor:
    """Weights of 8 bits and step 1 whose ends lie halfway between two codes: both go up."""
    zero = 2 + 2 * draw(s, 126)
    ends = torch.tensor([0.5 - zero, 255.5 - zero])
    steps = whole_numbers(s, 1 - zero, 254 - zero, 6) + fractions(s, 6, within=0.15) + 0.25
    return torch.cat([ends, steps])


def check_zero_point_quantize(s: Submission) -> None:
    """Codes, scale and zero point, wherever zero lies."""

    def expect(weight: Tensor, bits: int, because: str) -> None:
        answer = s.zero_point_quantize(weight, bits)
        answer.close_to(true_zero_point(weight, bits), because=because, atol=0.0)
        answer.holds(stored_as_uint8, because="Codes are stored as uint8.")

    rule = "The range from the smallest to the largest weight has 2^bits - 1 steps."
    expect(torch.tensor([-1.0, 0.0, 2.0]), 2, rule)
    expect(torch.tensor([-1.0, 0.1, 2.1, 6.0]), 3, rule)
    for bits in range(2, 9):
        expect(lopsided(s, 5, bits=bits, zero=1), bits, rule)
    for zero in (0, 3, 100, 250):
        expect(lopsided(s, 4, 6, bits=8, zero=zero), 8, rule)
    expect(lopsided(s, 2, 3, 4, bits=4, zero=9), 4, rule)
    inside = "The range always holds 0, so that 0 comes back as 0."
    expect(torch.tensor([1.0, 2.0, 3.0]), 2, inside)
    expect(torch.tensor([4.9, 5.1, 6.0]), 4, inside)
    expect(torch.tensor([-2.0, -3.0, -1.0]), 2, inside)
    expect(torch.tensor([[4.0]]), 8, inside)
    expect(torch.tensor([-4.0]), 3, inside)
    expect(one_sided(s, 4), 4, inside)
    expect(-one_sided(s, 7), 7, inside)
    nearest = "The zero point is rounded to the nearest code too."
    expect(torch.tensor([-1.4, 1.6]), 2, nearest)
    expect(torch.tensor([-1.6, 1.4, 0.2]), 2, nearest)
    for zero in (1, 57, 200):
        expect(lopsided(s, 5, bits=8, zero=zero, below=-0.3), 8, nearest)
    edge = (
        "Where the weight and the zero point are both rounded up, the code stays within the ends."
    )
    expect(torch.tensor([-1.5, 1.5]), 2, edge)
    expect(halfway(s), 8, edge)
    nothing = "If every weight is 0, the scale is 1 and the zero point 0."
    expect(torch.zeros(2, 2), 8, nothing)


def stored_as_uint8(parts: Any) -> str | None:
    """What is wrong with the types of codes, scale and zero point."""
    codes, scale, zero = parts
    if codes.dtype is not torch.uint8:
        return f"the codes are {codes.dtype}"
    if type(scale) not in (float, int) or type(zero) is not int:
        return "the scale must be a float and the zero point an int: call .item() or round()"
    return None


challenge = Challenge(
    name="zero_point_quantize",
    title="A range that need not be symmetric",
    check=check_zero_point_quantize,
    points=2,
    hints=(
        "Lay the codes 0 … 2^bits - 1 over the range of the weights, ends on ends. Which code "
        "falls on 0?",
        "Draw the four codes of 2 bits below the weights -1 and 2, ends on ends: how many steps "
        "lie between the codes? Draw it again for weights from 1 to 3: how far must the line "
        "reach, so that one of the codes can mean 0? And [-1.5, 1.5]: what becomes of 1.5, if "
        "both are rounded?",
        "[-1, 0, 2] at 2 bits: three steps from -1 to 2, so the scale is 1. 0 lies one step above "
        "the bottom: zero point 1. Codes -1 + 1 = 0, 0 + 1 = 1, 2 + 1 = 3.",
    ),
    not_allowed=(
        "torch.ao.quantization.MinMaxObserver",
        "torch.quantize_per_tensor_dynamic",
    ),
)

LOW = "min(weight.min().item(), 0.0)"
HIGH = "max(weight.max().item(), 0.0)"
ZERO = "round(-low / scale)"
ROUNDED = "(weight / scale).round()"

# ---- which range ---------------------------------------------------------------------------------

challenge.mistake(
    "zero-not-in-the-range",
    "Your range runs from the smallest weight to the largest even when 0 lies outside. The "
    "zero point is then no code at all, and 0 cannot be stored.",
    hint="low = min(smallest, 0), high = max(largest, 0).",
    answer=spoiled(LOW, "weight.min().item()", HIGH, "weight.max().item()"),
)

challenge.mistake(
    "range-made-symmetric",
    "You made the range the same on both sides of 0. That is absmax; the zero point is there "
    "so that a lopsided range wastes no codes.",
    hint="Take the smallest and the largest weight, not the largest magnitude.",
    answer=spoiled(LOW, "-weight.abs().max().item()", HIGH, "weight.abs().max().item()"),
)

challenge.mistake(
    "one-step-too-many",
    "You divided the range into 2^bits steps. There are 2^bits codes, and one step fewer "
    "between them.",
    hint="scale = (high - low) / (2^bits - 1).",
    answer=spoiled("(high - low) / top", "(high - low) / 2**bits"),
)

challenge.mistake(
    "division-by-zero",
    "If every weight is 0, the range is 0, and so is the scale that you divide by.",
    hint="Make the scale 1.0 where the range is 0.",
    answer=spoiled(" or 1.0", ""),
)

# ---- the zero point ------------------------------------------------------------------------------

challenge.mistake(
    "codes-not-clamped",
    "A code came out past the last one: rounding the weight and rounding the zero point can "
    "both go up. Such a code has no place in these bits.",
    hint="codes.clamp(0, 2^bits - 1) before they become uint8.",
    answer=spoiled("codes.clamp(0, top)", "codes.int()"),
)

challenge.mistake(
    "zero-point-not-added",
    "You clamp before adding the zero point, or never add it: all negative weights become 0.",
    hint="codes = (weight / scale).round() + zero_point, then clamp.",
    answer=spoiled(" + zero_point", ""),
)

challenge.mistake(
    "sign-of-the-zero-point",
    "Your zero point has the wrong sign. It is the code that 0 gets: how many steps 0 lies "
    "above the smallest weight.",
    hint="zero_point = round(-low / scale).",
    answer=spoiled("-low", "low"),
)

challenge.mistake(
    "zero-point-from-the-top",
    "Your zero point counts the steps from 0 to the largest weight. Code 0 is the smallest.",
    hint="zero_point = round(-low / scale).",
    answer=spoiled("-low", "high"),
)

# ---- rounding ------------------------------------------------------------------------------------

challenge.mistake(
    "rounded-down",
    "You round the codes down. The nearest code halves the largest error.",
    hint="Use .round(). Converting to uint8 cuts off what stands behind the point.",
    answer=spoiled(".round()", ".floor()"),
)

challenge.mistake(
    "zero-point-cut-off",
    "Your zero point is not rounded: int() cuts off what stands behind the point, and makes 1 "
    "of 1.6. All weights are then moved by up to one step.",
    hint="round(), not int().",
    answer=spoiled(ZERO, "int(-low / scale)"),
)

challenge.mistake(
    "codes-cut-off",
    "Your codes are not rounded: a conversion to whole numbers cuts off what stands behind the "
    "point, towards 0, from above and from below.",
    hint="Call .round() before you convert.",
    answer=spoiled(".round()", ".trunc()"),
)

challenge.mistake(
    "half-rounded-up",
    "What lies halfway between two codes goes to the even one, as round and torch.round have "
    "it; yours always goes up.",
    hint="round() and torch.round, not + 0.5 and cutting off.",
    answer=spoiled(ZERO, "int(-low / scale + 0.5)", ROUNDED, "(weight / scale + 0.5).floor()"),
)

challenge.mistake(
    "all-cut-off",
    "Neither your codes nor the zero point are rounded: a conversion to whole numbers cuts off "
    "what stands behind the point.",
    hint="round() for the zero point, .round() for the codes.",
    answer=spoiled(ZERO, "int(-low / scale)", ".round()", ".trunc()"),
)

challenge.mistake(
    "all-rounded-down",
    "You round down twice, the zero point and the codes. The nearest halves the largest error.",
    hint="round() for the zero point, .round() for the codes.",
    answer=spoiled(ZERO, "int(-low / scale)", ".round()", ".floor()"),
)

# ---- other right answers -------------------------------------------------------------------------


@challenge.alternative
def in_numpy(weight: Tensor, bits: int) -> tuple[Tensor, float, int]:
    """In float64."""
    numbers = weight.numpy().astype(np.float64)
    low, high = min(0.0, numbers.min()), max(0.0, numbers.max())
    if low == high:
        return torch.zeros(weight.shape, dtype=torch.uint8), 1.0, 0
    scale = (high - low) / (2**bits - 1)
    zero = int(np.rint(-low / scale))
    codes = np.clip(np.rint(numbers / scale) + zero, 0, 2**bits - 1)
    return torch.from_numpy(codes.astype(np.uint8)), float(scale), zero


@challenge.alternative
def steps_clamped_first(weight: Tensor, bits: int) -> tuple[Tensor, float, int]:
    """A 0 among the weights puts 0 into the range, and steps from 0 are clamped, not codes."""
    low, high = F.pad(weight.flatten(), (0, 1)).aminmax()
    scale = float(high - low) / (2**bits - 1) or 1.0
    zero = round(-float(low) / scale)
    steps = (weight / scale).round().clamp(-zero, 2**bits - 1 - zero)
    return (steps + zero).byte(), scale, zero


# ---- mutants that are as right as the reference --------------------------------------------------

challenge.equivalent(
    "0->-1 | return codes.clamp(0, top).to(torch.uint8), scale, zero_point",
    because="No code is below 0: round(-x) + round(x) is 0 for the smallest weight. Only at "
    "the top can two roundings go up together.",
)
