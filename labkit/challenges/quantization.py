"""Lesson 12, Quantization: what is right, the mistakes known by name, the hints.

Expected values are counted here number by number in float64 NumPy and by trying every choice; the
tests hold them against bitsandbytes and torch's own quantization. Random weights lie clear of the
middle between two levels, where rounding in float32 would decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.diagnosis import same_values, same_words
from labkit.grading.drawing import draw
from labkit.grading.transport import Reply, Returned

NF4 = (  # labkit.models.quantizing has them too; known answers have to run where labkit is not
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip
LEVELS = torch.tensor(NF4)
Damage = list[dict[int, float]]


def number_between(s: Submission, low: int, high: int, *shape: int) -> Tensor:
    """Random whole numbers from the check's own generator, both ends included, as floats."""
    return torch.randint(low, high + 1, shape, generator=s.generator).float()


def off_centre(s: Submission, *shape: int, by: float = 0.35) -> Tensor:
    """Random fractions that round to 0."""
    return by * (2 * torch.rand(*shape, generator=s.generator) - 1)


# ------------------------------------------------------------------------------------------------
# absmax_quantize


def true_absmax(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Row by row in float64."""
    top = 2 ** (bits - 1) - 1
    codes, scales = [], []
    for row in weight.double().numpy():
        scale = max(abs(number) for number in row) / top or 1.0
        codes.append([round(number / scale) for number in row])
        scales.append([scale])
    return torch.tensor(codes, dtype=torch.int8), torch.tensor(scales, dtype=torch.float32)


def random_rows(s: Submission, rows: int, columns: int, bits: int) -> Tensor:
    """Rows of different sizes whose numbers are clear of the ties; the largest is negative in
    every second row."""
    top = 2 ** (bits - 1) - 1
    steps = number_between(s, 1 - top, top - 1, rows, columns) + off_centre(s, rows, columns)
    steps[:, columns // 2] = top
    steps[::2, columns // 2] = -top
    return steps * torch.rand(rows, 1, generator=s.generator).add(0.1)


def check_absmax_quantize(s: Submission) -> None:
    """Codes and scales of each row, at every number of bits."""

    def expect(weight: Tensor, bits: int, because: str) -> None:
        answer = s.absmax_quantize(weight, bits)
        answer.close_to(true_absmax(weight, bits), because=because, atol=0.0)

        def types(pair: Any) -> str | None:
            kinds = [part.dtype for part in pair]
            wanted = [torch.int8, torch.float32]
            return None if kinds == wanted else "the codes must be int8 and the scales float32"

        answer.holds(types, because="Codes are stored in a byte each.")

    rule = "The largest magnitude of a row becomes 2^(bits-1) - 1."
    expect(torch.tensor([[1.1, -2.0, 0.3]]), 4, rule)
    expect(torch.tensor([[0.9, 2.0, 0.3]]), 8, rule)
    for bits in range(2, 9):
        expect(random_rows(s, 1, 5, bits), bits, rule)
    rows = "Each row (output channel) has a scale of its own."
    expect(torch.tensor([[1.0, 0.4], [100.0, 30.0], [-0.01, 0.004]]), 8, rows)
    expect(random_rows(s, 4, 4, 4), 4, rows)
    expect(random_rows(s, 3, 20, 6), 6, rows)
    expect(random_rows(s, 16, 3, 8), 8, rows)
    nearest = "Codes are rounded to the nearest whole number."
    expect(torch.tensor([[7.0, 1.9, -1.9, 3.6, -3.4]]), 4, nearest)
    ties = "A number halfway between two codes goes to the even one, as torch.round does it."
    expect(torch.tensor([[7.0, 0.5, 1.5, 2.5, -0.5, -2.5, -3.5]]), 4, ties)
    expect(torch.tensor([[-127.0, 0.5, 1.5, 100.5]]), 8, ties)
    halves = number_between(s, -127, 126, 2, 6) + 0.5
    expect(F.pad(halves, (1, 0), value=127.0), 8, ties)
    zero = "A row of zeros stays zero, and its scale is 1: nothing is divided by 0."
    expect(torch.zeros(1, 3), 8, zero)
    expect(torch.tensor([[0.0, 0.0], [1.0, -0.6]]), 4, zero)
    among_others = random_rows(s, 4, 5, 8)
    among_others[draw(s, 4)] = 0
    expect(among_others, 8, zero)
    small = "Small weights have a small scale."
    expect(1e-20 * torch.tensor([[7.0, 2.2], [3.5, -0.9]]), 4, small)

    bits_ = "A byte holds 2 to 8 bits."
    for bits in (1, 9, 0, 16, 10 + draw(s, 1000), -draw(s, 1000)):
        s.absmax_quantize.raises(ValueError, random_rows(s, 1, 3, 4), bits, because=bits_)
    lost = "One NaN or infinity would spoil its whole row."
    for bad in (float("nan"), float("inf"), -float("inf")):
        s.absmax_quantize.raises(ValueError, torch.tensor([[1.0, bad]]), 8, because=lost)
        spoiled = random_rows(s, 3, 4, 8)
        spoiled[draw(s, 3), draw(s, 4)] = bad
        s.absmax_quantize.raises(ValueError, spoiled, 8, because=lost)


def same_codes_and_scales(left: Reply, right: Reply) -> bool:
    """The same mistake: equal values, where one tiny scale is like another but not like 0."""
    return same_values(with_marks(left), with_marks(right))


def with_marks(reply: Reply) -> Reply:
    """A reply with -1 in the place of scales that are next to nothing and above it."""
    if not isinstance(reply, Returned) or type(reply.value) is not tuple or len(reply.value) != 2:
        return reply
    codes, scales = reply.value
    if type(scales) is not Tensor:
        return reply
    tiny = (scales > 0) & (scales < 1e-4)
    return replace(reply, value=(codes, torch.where(tiny, -1.0, scales)))


def refuse(weight: Tensor, bits: int) -> None:
    """What the right answer refuses."""
    if bits < 2 or bits > 8:
        raise ValueError("2 to 8 bits")
    if not torch.isfinite(weight).all():
        raise ValueError("not finite")


def absmax_with(
    scales_of: Callable[[Tensor, int], Tensor] | None = None,
    codes_of: Callable[[Tensor], Tensor] = torch.round,
) -> Callable[..., Any]:
    """A complete answer with scales or a rounding of its own."""

    def absmax_quantize(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
        refuse(weight, bits)
        scales = (scales_of or right_scales)(weight, 2 ** (bits - 1) - 1)
        scales = torch.where(scales == 0, torch.ones_like(scales), scales)
        return codes_of(weight / scales).to(torch.int8), scales

    return absmax_quantize


def right_scales(weight: Tensor, top: int) -> Tensor:
    return weight.abs().max(1, keepdim=True).values / top


def one_scale(weight: Tensor, top: int) -> Tensor:
    return (weight.abs().max() / top).expand(len(weight), 1).clone()


def column_scales(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    codes, scales = absmax_with()(weight.T, bits)
    return codes.T, scales.T


def zero_divided(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    refuse(weight, bits)
    scales = right_scales(weight, 2 ** (bits - 1) - 1)
    return (weight / scales).round().to(torch.int8), scales


def scales_clamped(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    refuse(weight, bits)
    scales = right_scales(weight, 2 ** (bits - 1) - 1).clamp(min=1e-8)
    return (weight / scales).round().to(torch.int8), scales


def everything_taken(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    top = 2 ** (bits - 1) - 1
    scales = right_scales(weight, top)
    scales = torch.where(scales == 0, 1.0, scales)
    return (weight / scales).round().clamp(-top, top).to(torch.int8), scales


def weights_returned(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    codes, scales = absmax_with()(weight, bits)
    return codes * scales, scales


def absmax_by_rows(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Another right answer: one row at a time."""
    refuse(weight, bits)
    codes, scales = [], []
    for row in weight:
        scale = row.abs().max() / (2 ** (bits - 1) - 1)
        scale = scale if scale > 0 else torch.tensor(1.0)
        codes.append(torch.round(row / scale).to(torch.int8))
        scales.append(scale.reshape(1))
    return torch.stack(codes), torch.stack(scales)


ABSMAX_MISTAKES = (
    Mistake(
        "max-instead-of-absmax",
        absmax_with(lambda w, top: w.amax(1, keepdim=True).clamp(min=0) / top),
        "Your scale comes from the largest number, not from the largest magnitude: a row whose "
        "largest magnitude is negative does not fit its codes.",
        "Take abs() before the maximum.",
    ),
    Mistake(
        "one-scale-for-all",
        absmax_with(one_scale),
        "You took one scale for the whole matrix: small rows lose all their digits.",
        "The maximum is taken along dimension 1, and kept as a column: keepdim=True.",
    ),
    Mistake(
        "scale-per-column",
        column_scales,
        "Your scales belong to the columns (input features). A row of the matrix is an output "
        "channel, and each row has its scale.",
        "amax(dim=1, keepdim=True) has shape (out, 1).",
    ),
    Mistake(
        "cut-instead-of-rounded",
        absmax_with(codes_of=torch.trunc),
        "You cut the digits off instead of rounding: converting to int8 goes towards 0.",
        "Call .round() before .to(torch.int8).",
    ),
    Mistake(
        "rounded-down",
        absmax_with(codes_of=torch.floor),
        "You round down: every weight that is no whole number of steps comes back too small.",
        "The nearest whole number: torch.round.",
    ),
    Mistake(
        "half-rounded-up",
        absmax_with(codes_of=lambda x: (x + 0.5).floor()),
        "A number halfway between two codes goes to the even one in torch, ONNX and bitsandbytes; "
        "yours always goes up, which shifts the weights on average.",
        "torch.round does it.",
    ),
    Mistake(
        "one-code-too-many",
        absmax_with(lambda w, top: w.abs().amax(1, keepdim=True) / (top + 1)),
        "You divided by 2^(bits-1): the largest weight then has the code 128 at 8 bits, which does "
        "not fit into int8 and comes back as -128.",
        "Divide the largest magnitude by 2^(bits-1) - 1.",
    ),
    Mistake(
        "all-codes-positive",
        absmax_with(lambda w, top: w.abs().amax(1, keepdim=True) / (2 * top + 1)),
        "You divided by 2^bits - 1, as if all codes were positive. One bit is for the sign.",
        "The largest code is 2^(bits-1) - 1: 7 at 4 bits, 127 at 8.",
    ),
    Mistake(
        "zero-row-divided",
        zero_divided,
        "The scale of a row of zeros comes out as 0 and is to be 1: whatever is divided by 0, here "
        "or by those who use the scales, becomes NaN or infinite.",
        "torch.where(largest == 0, 1.0, largest / top).",
    ),
    Mistake(
        "scale-next-to-zero",
        scales_clamped,
        "The scale of a row of zeros is to be 1. Yours is a tiny number that only keeps you from "
        "dividing by 0, and it takes rows of very small weights for zeros.",
        "Ask where the largest magnitude is exactly 0, and put 1 there; clamp nothing.",
    ),
    Mistake(
        "everything-accepted",
        everything_taken,
        "You accept a number of bits that the codes cannot have, or a weight with NaN in it.",
        "Begin with two checks that raise ValueError: 2 <= bits <= 8, weight.isfinite().all().",
    ),
    Mistake(
        "weights-returned",
        weights_returned,
        "You returned the weight that comes back. Return what is stored: the codes.",
        "Return (weight / scales).round() as int8, and the scales.",
    ),
)  # fmt: skip

ABSMAX_HINTS = (
    "Which number of a row decides how large a step has to be, so that every code fits?",
    "Begin with one row, [7.0, -14.0, 3.5], at 4 bits. Which code must -14 get, and how much is "
    "one code worth then? Now a second row, ten times as large: what do the two share, and in "
    "which shape can a matrix be divided by one number a row? What does a row of zeros give?",
    "4 bits: codes -7 … 7. Row [1.1, -2.0, 0.3]: scale 2 / 7 = 0.2857; 1.1 / 0.2857 = 3.85 → 4, "
    "-2.0 → -7, 0.3 → 1.05 → 1.",
)


# ------------------------------------------------------------------------------------------------
# zero_point_quantize


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
    """Weights whose zero point is `zero`, clear of all ties; the smallest lies `below` of a step
    under code 0."""
    low, high = -zero - below, 2**bits - 1 - zero - below
    steps = number_between(s, -zero, 2**bits - 1 - zero, *shape) + off_centre(s, *shape, by=0.2)
    flat = steps.flatten().clamp(low, high)
    flat[0], flat[-1] = low, high
    return flat.reshape(shape) * 0.037


def one_sided(s: Submission, bits: int) -> Tensor:
    """Weights above 0, far from it, and clear of all ties."""
    top = 2**bits - 1
    steps = number_between(s, top // 2, top - 1, 6) + off_centre(s, 6)
    return F.pad(steps, (0, 1), value=float(top)) * 0.037


def halfway(s: Submission) -> Tensor:
    """Weights of 8 bits and step 1 whose ends lie halfway between two codes: both go up."""
    zero = 2 + 2 * draw(s, 126)
    ends = torch.tensor([0.5 - zero, 255.5 - zero])
    steps = number_between(s, 1 - zero, 254 - zero, 6) + off_centre(s, 6, by=0.15) + 0.25
    return torch.cat([ends, steps])


def check_zero_point_quantize(s: Submission) -> None:
    """Codes, scale and zero point, for weights on one side of zero and on both."""

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


def zero_point_with(
    ends: Callable[[Tensor], tuple[float, float]] | None = None,
    steps: Callable[[int], int] = lambda bits: 2**bits - 1,
    zero_of: Callable[[float, float, float], int] = lambda low, high, scale: round(-low / scale),
    codes_of: Callable[[Tensor, int, int], Tensor] | None = None,
) -> Callable[..., Any]:
    """A complete answer with one step of its own."""

    def zero_point_quantize(weight: Tensor, bits: int) -> tuple[Tensor, float, int]:
        low, high = (ends or ends_with_zero)(weight)
        scale = (high - low) / steps(bits) or 1.0
        zero = zero_of(low, high, scale)
        codes = (codes_of or clamped)(weight / scale, zero, 2**bits - 1)
        return codes.to(torch.uint8), scale, zero

    return zero_point_quantize


def ends_with_zero(weight: Tensor) -> tuple[float, float]:
    return min(0.0, float(weight.min())), max(0.0, float(weight.max()))


def ends_of_the_data(weight: Tensor) -> tuple[float, float]:
    return float(weight.min()), float(weight.max())


def ends_alike(weight: Tensor) -> tuple[float, float]:
    largest = float(weight.abs().max())
    return -largest, largest


def clamped(steps: Tensor, zero: int, top: int) -> Tensor:
    return (steps.round() + zero).clamp(0, top)


def never_clamped(steps: Tensor, zero: int, top: int) -> Tensor:
    return (steps.round() + zero) % 256


def down_to_a_code(low: float, high: float, scale: float) -> int:
    return int(-low / scale)


def cut_off(steps: Tensor, zero: int, top: int) -> Tensor:
    return (steps.trunc() + zero).clamp(0, top)


def floored(steps: Tensor, zero: int, top: int) -> Tensor:
    return (steps.floor() + zero).clamp(0, top)


def zero_division(weight: Tensor, bits: int) -> tuple[Tensor, float, int]:
    low, high = ends_with_zero(weight)
    scale = (high - low) / (2**bits - 1)
    zero = round(-low / scale)
    return clamped(weight / scale, zero, 2**bits - 1).to(torch.uint8), scale, zero


def zero_point_in_numpy(weight: Tensor, bits: int) -> tuple[Tensor, float, int]:
    """Another right answer."""
    numbers = weight.numpy().astype(np.float64)
    low, high = min(0.0, numbers.min()), max(0.0, numbers.max())
    if low == high:
        return torch.zeros(weight.shape, dtype=torch.uint8), 1.0, 0
    scale = (high - low) / (2**bits - 1)
    zero = int(np.rint(-low / scale))
    codes = np.clip(np.rint(numbers / scale) + zero, 0, 2**bits - 1)
    return torch.from_numpy(codes.astype(np.uint8)), float(scale), zero


ZERO_POINT_MISTAKES = (
    Mistake(
        "zero-not-in-the-range",
        zero_point_with(ends_of_the_data),
        "Your range runs from the smallest weight to the largest even when 0 lies outside. The "
        "zero point is then no code at all, and 0 cannot be stored.",
        "low = min(smallest, 0), high = max(largest, 0).",
    ),
    Mistake(
        "codes-not-clamped",
        zero_point_with(codes_of=never_clamped),
        "A code came out past the last one: rounding the weight and rounding the zero point can "
        "both go up. Such a code has no place in these bits.",
        "codes.clamp(0, 2^bits - 1) before they become uint8.",
    ),
    Mistake(
        "one-step-too-many",
        zero_point_with(steps=lambda bits: 2**bits),
        "You divided the range into 2^bits steps. There are 2^bits codes, and one step fewer "
        "between them.",
        "scale = (high - low) / (2^bits - 1).",
    ),
    Mistake(
        "range-made-symmetric",
        zero_point_with(ends_alike),
        "You made the range the same on both sides of 0. That is absmax; the zero point is there "
        "so that a lopsided range wastes no codes.",
        "Take the smallest and the largest weight, not the largest magnitude.",
    ),
    Mistake(
        "zero-point-not-added",
        zero_point_with(codes_of=lambda steps, zero, top: steps.round().clamp(0, top)),
        "You clamp before adding the zero point, or never add it: all negative weights become 0.",
        "codes = (weight / scale).round() + zero_point, then clamp.",
    ),
    Mistake(
        "sign-of-the-zero-point",
        zero_point_with(zero_of=lambda low, high, scale: round(low / scale)),
        "Your zero point has the wrong sign. It is the code that 0 gets: how many steps 0 lies "
        "above the smallest weight.",
        "zero_point = round(-low / scale).",
    ),
    Mistake(
        "zero-point-from-the-top",
        zero_point_with(zero_of=lambda low, high, scale: round(high / scale)),
        "Your zero point counts the steps from 0 to the largest weight. Code 0 is the smallest.",
        "zero_point = round(-low / scale).",
    ),
    Mistake(
        "rounded-down",
        zero_point_with(codes_of=floored),
        "You round the codes down. The nearest code halves the largest error.",
        "Use .round(). Converting to uint8 cuts off what stands behind the point.",
    ),
    Mistake(
        "zero-point-cut-off",
        zero_point_with(zero_of=down_to_a_code),
        "Your zero point is not rounded: int() cuts off what stands behind the point, and makes 1 "
        "of 1.6. All weights are then moved by up to one step.",
        "round(), not int().",
    ),
    Mistake(
        "codes-cut-off",
        zero_point_with(codes_of=cut_off),
        "Your codes are not rounded: a conversion to whole numbers cuts off what stands behind the "
        "point, towards 0, from above and from below.",
        "Call .round() before you convert.",
    ),
    Mistake(
        "half-rounded-up",
        zero_point_with(
            zero_of=lambda low, high, scale: int(-low / scale + 0.5),
            codes_of=lambda steps, zero, top: ((steps + 0.5).floor() + zero).clamp(0, top),
        ),
        "What lies halfway between two codes goes to the even one, as round and torch.round have "
        "it; yours always goes up.",
        "round() and torch.round, not + 0.5 and cutting off.",
    ),
    Mistake(
        "all-cut-off",
        zero_point_with(zero_of=down_to_a_code, codes_of=cut_off),
        "Neither your codes nor the zero point are rounded: a conversion to whole numbers cuts off "
        "what stands behind the point.",
        "round() for the zero point, .round() for the codes.",
    ),
    Mistake(
        "all-rounded-down",
        zero_point_with(zero_of=down_to_a_code, codes_of=floored),
        "You round down twice, the zero point and the codes. The nearest halves the largest error.",
        "round() for the zero point, .round() for the codes.",
    ),
    Mistake(
        "division-by-zero",
        zero_division,
        "If every weight is 0, the range is 0, and so is the scale that you divide by.",
        "Make the scale 1.0 where the range is 0.",
    ),
)  # fmt: skip

ZERO_POINT_HINTS = (
    "Lay the codes 0 … 2^bits - 1 over the range of the weights, ends on ends. Which code falls "
    "on 0?",
    "Draw the four codes of 2 bits below the weights -1 and 2, ends on ends: how many steps lie "
    "between the codes? Draw it again for weights from 1 to 3: how far must the line reach, so "
    "that one of the codes can mean 0? And [-1.5, 1.5]: what becomes of 1.5, if both are rounded?",
    "[-1, 0, 2] at 2 bits: three steps from -1 to 2, so the scale is 1. 0 lies one step above the "
    "bottom: zero point 1. Codes -1 + 1 = 0, 0 + 1 = 1, 2 + 1 = 3.",
)


# ------------------------------------------------------------------------------------------------
# nf4_quantize


def true_nf4(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Block by block, each number against all 16 levels, in float64."""
    numbers = weight.double().flatten().tolist()
    codes, scales = [], []
    for first in range(0, len(numbers), block_size):
        block = numbers[first : first + block_size]
        largest = max(abs(number) for number in block)
        scales.append(largest)
        for number in block:
            distances = [abs(number - level * largest) for level in NF4]
            codes.append(int(np.argmin(distances)) if largest else NF4.index(0.0))
    codes += [0] * (len(codes) % 2)
    packed = [16 * a + b for a, b in zip(codes[::2], codes[1::2], strict=True)]
    return torch.tensor(packed, dtype=torch.uint8), torch.tensor(scales, dtype=torch.float32)


def near_levels(s: Submission, *shape: int, block_size: int) -> Tensor:
    """Weights near the levels of their block, clear of the middles between them."""
    count = int(np.prod(shape))
    codes = torch.randint(0, 16, (count,), generator=s.generator)
    scaled = (LEVELS[codes] + off_centre(s, count, by=0.03)).clamp(-1, 1)
    scaled[::block_size] = -1.0
    scaled[:: 2 * block_size] = 1.0
    blocks = torch.arange(count) // block_size
    sizes = torch.rand(int(blocks.max()) + 1, generator=s.generator).add(0.2)
    return (scaled * sizes[blocks]).reshape(shape)


def check_nf4_quantize(s: Submission) -> None:
    """The bytes and the scales that bitsandbytes stores."""

    def expect(weight: Tensor, block_size: int, because: str) -> None:
        answer = s.nf4_quantize(weight, block_size)
        answer.close_to(true_nf4(weight, block_size), because=because, atol=0.0)
        answer.holds(bytes_and_floats, because="The bytes are uint8 and the scales float32.")

    rule = "The code is the place of the nearest level; the first of two is in the upper bits."
    expect(torch.tensor([1.0, -2.0]), 2, rule)
    expect(torch.tensor([1.0, -2.0, 0.3, 0.6]), 4, rule)
    expect(LEVELS.clone(), 16, rule)
    expect(-3 * LEVELS, 16, rule)
    expect((LEVELS[1:] + LEVELS[:-1]) / 2 + 0.01, 15, rule)
    expect(F.pad((LEVELS[1:] + LEVELS[:-1]) / 2 - 0.01, (1, 0), value=1.0), 16, rule)
    expect(near_levels(s, 64, block_size=64), 64, rule)
    blocks = "Each block of neighbours has its own absmax; blocks run on over the ends of rows."
    expect(torch.tensor([[1.0, 0.5, 100.0, 30.0], [0.02, -0.01, -7.0, 0.0]]), 2, blocks)
    expect(near_levels(s, 4, 8, block_size=4), 4, blocks)
    expect(near_levels(s, 8, 6, block_size=8), 8, blocks)
    expect(near_levels(s, 6, 128, block_size=64), 64, blocks)
    expect(near_levels(s, 2, 3, 4, block_size=6), 6, blocks)
    expect(near_levels(s, 3, 4, block_size=4), 4, blocks)
    short = "The last block may be shorter; nothing is stored for numbers that are not there."
    expect(near_levels(s, 6, block_size=4), 4, short)
    expect(near_levels(s, 2, 35, block_size=64), 64, short)
    expect(torch.tensor([1.0, -2.0]), 64, short)
    odd = "An odd number of codes fills its last byte with 0."
    expect(torch.tensor([1.0, -2.0, 0.3]), 3, odd)
    expect(torch.tensor([0.7]), 1, odd)
    expect(near_levels(s, 27, block_size=4), 4, odd)
    expect(near_levels(s, 5, 5, block_size=4), 4, odd)
    zero = "A block of zeros has the code of 0.0, which is 7, and absmax 0."
    expect(torch.zeros(4), 2, zero)
    expect(torch.tensor([0.0, 0.0, 1.0, -0.4]), 2, zero)
    among_others = near_levels(s, 6, 4, block_size=4)
    among_others[draw(s, 6)] = 0
    expect(among_others, 4, zero)
    expect(1e-20 * LEVELS, 16, "Small weights have a small scale.")


def bytes_and_floats(parts: Any) -> str | None:
    """What is wrong with the types of packed codes and scales."""
    kinds = [part.dtype for part in parts]
    return None if kinds == [torch.uint8, torch.float32] else f"they are {kinds}"


def blocks_of(weight: Tensor, size: int) -> Tensor:
    flat = weight.flatten()
    return F.pad(flat, (0, -len(flat) % size)).view(-1, size)


def nearest(scaled: Tensor) -> Tensor:
    return (scaled[..., None] - LEVELS).abs().argmin(-1)


def packed(codes: Tensor) -> Tensor:
    codes = F.pad(codes, (0, len(codes) % 2))
    return (codes[::2] << 4 | codes[1::2]).to(torch.uint8)


def nf4_with(
    absmax_of: Callable[[Tensor], Tensor] = lambda blocks: blocks.abs().amax(1),
    code: Callable[[Tensor], Tensor] = nearest,
    pack: Callable[[Tensor], Tensor] = packed,
    order: Callable[[Tensor], Tensor] = lambda weight: weight,
) -> Callable[..., Any]:
    """A complete answer with one step of its own."""

    def nf4_quantize(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
        blocks = blocks_of(order(weight), block_size)
        absmax = absmax_of(blocks)
        codes = code(blocks / torch.where(absmax == 0, 1.0, absmax)[:, None])
        return pack(codes.flatten()[: weight.numel()]), absmax

    return nf4_quantize


def low_nibble_first(codes: Tensor) -> Tensor:
    codes = F.pad(codes, (0, len(codes) % 2))
    return (codes[1::2] << 4 | codes[::2]).to(torch.uint8)


def halves_packed(codes: Tensor) -> Tensor:
    codes = F.pad(codes, (0, len(codes) % 2))
    half = len(codes) // 2
    return (codes[:half] << 4 | codes[half:]).to(torch.uint8)


def last_code_seven(codes: Tensor) -> Tensor:
    codes = F.pad(codes, (0, len(codes) % 2), value=NF4.index(0.0))
    return (codes[::2] << 4 | codes[1::2]).to(torch.uint8)


def blocks_in_rows(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Each row cut into blocks by itself."""
    blocks = [b for row in weight.reshape(-1, weight.shape[-1]) for b in row.split(block_size)]
    absmax = torch.stack([block.abs().max() for block in blocks])
    scaled = [b / (a if a > 0 else 1.0) for b, a in zip(blocks, absmax, strict=True)]
    return packed(nearest(torch.cat(scaled))), absmax


def padding_left_in(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    blocks = blocks_of(weight, block_size)
    absmax = blocks.abs().amax(1)
    codes = nearest(blocks / torch.where(absmax == 0, 1.0, absmax)[:, None])
    return packed(codes.flatten()), absmax


def no_padding(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    blocks = weight.reshape(-1, block_size)
    absmax = blocks.abs().amax(1)
    codes = nearest(blocks / torch.where(absmax == 0, 1.0, absmax)[:, None])
    return packed(codes.flatten()), absmax


def nan_blocks(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    blocks = blocks_of(weight, block_size)
    absmax = blocks.abs().amax(1)
    codes = nearest(blocks / absmax[:, None])
    return packed(codes.flatten()[: weight.numel()]), absmax


def one_absmax(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    blocks = blocks_of(weight, block_size)
    absmax = weight.abs().max().expand(len(blocks)).clone()
    codes = nearest(blocks / absmax.clamp(min=1e-38)[:, None])
    return packed(codes.flatten()[: weight.numel()]), absmax


def even_levels(scaled: Tensor) -> Tensor:
    return (scaled * 7.5 + 7.5).round().clamp(0, 15).long()


def level_below(scaled: Tensor) -> Tensor:
    return torch.bucketize(scaled, LEVELS, right=True) - 1


def nf4_by_loops(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Another right answer: block by block."""
    codes, absmax = [], []
    for block in weight.flatten().split(block_size):
        largest = block.abs().max()
        absmax.append(largest)
        codes.append(nearest(block / largest if largest > 0 else block))
    return packed(torch.cat(codes)), torch.stack(absmax)


NF4_MISTAKES = (
    Mistake(
        "packing-order-swapped",
        nf4_with(pack=low_nibble_first),
        "You put the first of two codes into the lower four bits. bitsandbytes puts it into the "
        "upper ones; read with its kernel, all neighbours would change places.",
        "first * 16 + second.",
    ),
    Mistake(
        "halves-packed",
        nf4_with(pack=halves_packed),
        "You packed the first half of the codes with the second half. A byte holds two neighbours.",
        "Pair codes[0] with codes[1], codes[2] with codes[3]: reshape(-1, 2).",
    ),
    Mistake(
        "blocks-over-the-columns",
        nf4_with(order=lambda weight: weight.transpose(0, -1)),
        "Your blocks run down the columns. In memory, and in bitsandbytes, they run along the "
        "rows.",
        "weight.flatten().reshape(-1, block_size).",
    ),
    Mistake(
        "blocks-begin-in-each-row",
        blocks_in_rows,
        "Your blocks begin anew in each row. The weight is stored as one long line: a block runs "
        "on over the end of a row, and only the last block of all may be shorter.",
        "Flatten the weight before you cut it into blocks.",
    ),
    Mistake(
        "last-half-byte-seven",
        nf4_with(pack=last_code_seven),
        "After an odd number of codes the lower four bits of the last byte are to be 0. Yours are "
        "7, the code of a number 0.0 that is not there.",
        "Fill the codes up to an even number with 0, not the weight.",
    ),
    Mistake(
        "max-instead-of-absmax",
        nf4_with(absmax_of=lambda blocks: blocks.amax(1)),
        "Your scale comes from the largest number of a block, not from the largest magnitude.",
        "Take abs() before the maximum.",
    ),
    Mistake(
        "one-scale-for-all",
        one_absmax,
        "You scale all the blocks by the largest magnitude of the whole weight.",
        "absmax = blocks.abs().amax(dim=1), one for each block.",
    ),
    Mistake(
        "padding-left-in",
        padding_left_in,
        "You store codes for numbers that only filled up the last block.",
        "Cut the codes back to weight.numel() before you pack them.",
    ),
    Mistake(
        "padding-forgotten",
        no_padding,
        "A weight whose size is no multiple of the block size cannot be reshaped into blocks.",
        "Fill the flat weight up with -len(flat) % block_size zeros first.",
    ),
    Mistake(
        "zero-block-divided",
        nan_blocks,
        "The codes of a block of zeros are to be 7, the place of 0.0, and yours are not. Where 0 "
        "is divided by 0 the result, NaN, has no nearest level.",
        "Divide by absmax.clamp(min=1e-38), or by 1 where absmax is 0.",
    ),
    Mistake(
        "evenly-spaced-levels",
        nf4_with(code=even_levels),
        "Your 16 levels are evenly spaced. Those of NF4 lie close together near 0, where most "
        "weights are.",
        "Compare with NF4: the nearest level, or torch.bucketize with the middles between them.",
    ),
    Mistake(
        "level-below",
        nf4_with(code=level_below),
        "You take the next level below, which need not be the nearest one.",
        "The borders for torch.bucketize are the middles: (NF4[1:] + NF4[:-1]) / 2.",
    ),
)  # fmt: skip

NF4_HINTS = (
    "Four steps: cut into blocks, divide by the largest magnitude, find the nearest level, put two "
    "codes into a byte. Write and print them one at a time.",
    "Leave the bytes for later and get the codes of one whole block right: which number takes "
    "level 0 or 15, and where between two levels does the nearest one change? Then a weight of "
    "five numbers in blocks of four: what is missing, and what of it must not be stored?",
    "[1.0, -2.0] in a block of 2: absmax 2, scaled 0.5 and -1. Nearest to 0.5 is 0.4407, level 12; "
    "-1 is level 0. The byte is 12 * 16 + 0 = 192.",
)


# ------------------------------------------------------------------------------------------------
# allocate_bits


def least_damage(sizes: list[int], damage: Damage, budget: float) -> float:
    """The smallest sum of damage within the budget: every choice tried, or, for many layers, the
    smallest damage for each number of bits that can be left."""
    if np.prod([len(options) for options in damage]) <= 5000:
        fits = [
            sum(damage[i][b] for i, b in enumerate(choice))
            for choice in product(*damage)
            if sum(size * b for size, b in zip(sizes, choice, strict=True)) <= budget
        ]
        return min(fits)
    unit = int(np.gcd.reduce(sizes))
    best = np.zeros(int(budget // unit) + 1)
    for size, options in zip(sizes, damage, strict=True):
        longer = np.full_like(best, np.inf)
        for bits, hurt in options.items():
            cost = size // unit * bits
            longer[cost:] = np.minimum(longer[cost:], best[: len(best) - cost] + hurt)
        best = longer
    return float(best[-1])


def random_damage(s: Submission, layers: int, bits: tuple[int, ...] = (2, 3, 4, 8)) -> Damage:
    """Damage that falls with the bits, at a pace of each layer's own."""
    scales = (3 * torch.rand(layers, generator=s.generator)).exp().tolist()
    wobble = torch.rand(layers, len(bits), generator=s.generator).add(0.5).tolist()
    return [
        {b: scale * w * 4.0**-b for b, w in zip(bits, row, strict=True)}
        for scale, row in zip(scales, wobble, strict=True)
    ]


def check_allocate_bits(s: Submission) -> None:
    """Within the budget, and no other choice does less damage."""

    def expect(sizes: list[int], damage: Damage, budget: float, because: str) -> None:
        best = least_damage(sizes, damage, budget)

        def problem(chosen: Any) -> str | None:
            return what_is_wrong(chosen, sizes, damage, budget, best)

        s.allocate_bits(sizes, damage, budget).holds(problem, because=because)

    two = [{2: 0.5, 4: 0.1}, {2: 0.5, 4: 0.15}]
    expect([10, 30], two, 120, "The sum of size x bits stays within the budget.")
    expect([10, 30], two, 160, "A budget may be used to the last bit.")
    expect([10, 30], two, 159.5, "A budget need not be a whole number.")
    expect([10], [{8: 0.0, 4: 0.3}], 40, "One layer.")
    expect([10], [{3: 0.2}], 30, "One layer with one choice.")
    best = "No other choice within the budget does less damage."
    expect([10, 10], [{2: 0.9, 4: 0.1}, {2: 0.5, 4: 0.4}], 60, best)
    expect([10, 10], [{2: 0.5, 4: 0.4}, {2: 0.9, 4: 0.1}], 60, best)
    expect([30, 10, 10], [{2: 1.0, 4: 0.1}, {2: 0.5, 4: 0.1}, {2: 0.5, 4: 0.1}], 140, best)
    expect([30, 20, 20], [{2: 1.0, 4: 0.0}, {2: 0.6, 4: 0.0}, {2: 0.6, 4: 0.0}], 220, best)
    expect([10, 20], [{2: 0.1, 4: 0.3}, {2: 0.5, 4: 0.1}], 120, "More bits can do more damage.")
    expect([10, 20], [{2: -0.1, 4: 0.3}, {2: 0.5, 4: -0.2}], 200, "Damage below 0 is a gain.")
    expect([10, 20], [{3: 0.1, 2: 0.5}, {8: 0.0, 5: 0.2}], 130, "Layers can differ in choices.")
    for layers, share in ((3, 2.4), (4, 3.1), (5, 2.7), (6, 4.5)):
        sizes = [int(n) for n in number_between(s, 1, 4, layers).tolist()]
        expect(sizes, random_damage(s, layers), share * sum(sizes), best)
    sizes = [65536, 65536, 65536, 65536, 196608, 196608, 196608] * 4
    many = "A real model has many layers: the 4^28 choices of 28 layers are too many to try."
    expect(sizes, random_damage(s, 28), 3.0 * sum(sizes), many)

    none = "If even the fewest bits are too many, nothing can be chosen."
    s.allocate_bits.raises(ValueError, [10, 30], two, 79, because=none)
    s.allocate_bits.raises(ValueError, [10], [{8: 0.1}], 0, because=none)
    sizes = [int(n) for n in number_between(s, 1, 1000, 5).tolist()]
    short = 2 * sum(sizes) - 1 - draw(s, sum(sizes))
    s.allocate_bits.raises(ValueError, sizes, random_damage(s, 5), short, because=none)


def what_is_wrong(
    chosen: Any, sizes: list[int], damage: Damage, budget: float, best: float
) -> str | None:
    """The choice is one of those allowed, fits, and is as good as the best."""
    if type(chosen) is not list or len(chosen) != len(sizes):
        return f"A list of {len(sizes)} numbers of bits was expected, one for each layer."
    for i, bits in enumerate(chosen):
        if type(bits) is not int or bits not in damage[i]:
            return f"Layer {i} got {bits!r}; it may have {sorted(damage[i])}."
    taken = sum(size * bits for size, bits in zip(sizes, chosen, strict=True))
    if taken > budget:
        return f"{chosen} takes {taken:,} bits of {budget:,}."
    hurt = sum(options[bits] for options, bits in zip(damage, chosen, strict=True))
    if hurt > best + 1e-9 + 1e-6 * abs(best):
        return f"{chosen} does damage of {hurt:.5g}; {best:.5g} is possible."
    return None


def refuse_if_nothing_fits(sizes: list[int], damage: Damage, budget: float) -> None:
    if sum(size * min(options) for size, options in zip(sizes, damage, strict=True)) > budget:
        raise ValueError("nothing fits")


def by_recursion(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    """Another right answer: from the first layer on, with what is left of the budget."""

    @cache
    def best(i: int, left: float) -> tuple[float, tuple[int, ...]]:
        if i == len(sizes):
            return 0.0, ()
        found: list[tuple[float, tuple[int, ...]]] = [(float("inf"), ())]
        for bits, hurt in damage[i].items():
            if sizes[i] * bits <= left:
                rest, chosen = best(i + 1, left - sizes[i] * bits)
                found.append((hurt + rest, (bits, *chosen)))
        return min(found)

    hurt, chosen = best(0, budget)
    if hurt == float("inf"):
        raise ValueError("nothing fits")
    return list(chosen)


def all_the_best(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    refuse_if_nothing_fits(sizes, damage, budget)
    return [min(options, key=lambda bits: options[bits]) for options in damage]


def all_alike(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    refuse_if_nothing_fits(sizes, damage, budget)
    share = budget / sum(sizes)
    return [max((b for b in options if b <= share), default=min(options)) for options in damage]


def fewest(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    refuse_if_nothing_fits(sizes, damage, budget)
    return [min(options) for options in damage]


def greedy(
    worth: Callable[[float, int, int], float], sizes: list[int], damage: Damage, budget: float
) -> list[int]:
    """From the fewest bits up, the upgrade that is worth most, as long as one fits."""
    refuse_if_nothing_fits(sizes, damage, budget)
    chosen = [min(options) for options in damage]
    while True:
        left = budget - sum(n * b for n, b in zip(sizes, chosen, strict=True))
        steps = [
            (worth(damage[i][now] - damage[i][b], b - now, sizes[i]), i, b)
            for i, now in enumerate(chosen)
            for b in damage[i]
            if b > now and (b - now) * sizes[i] <= left and damage[i][b] < damage[i][now]
        ]
        if not steps:
            return chosen
        _, i, b = max(steps)
        chosen[i] = b


def greedy_by_gain(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    return greedy(lambda gain, bits, size: gain, sizes, damage, budget)


def greedy_by_bit(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    return greedy(lambda gain, bits, size: gain / (bits * size), sizes, damage, budget)


def from_the_top(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    """From the most bits down, the step that does the least damage for each bit that it frees."""
    refuse_if_nothing_fits(sizes, damage, budget)
    chosen = [max(options) for options in damage]
    while sum(n * b for n, b in zip(sizes, chosen, strict=True)) > budget:
        _, i, bits = min(
            ((damage[i][b] - damage[i][now]) / ((now - b) * sizes[i]), i, b)
            for i, now in enumerate(chosen)
            for b in damage[i]
            if b < now
        )
        chosen[i] = bits
    return chosen


def sizes_ignored(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    alike = [round(sum(sizes) / len(sizes))] * len(sizes)
    return by_recursion(alike, damage, budget)


def budget_not_used_up(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    refuse_if_nothing_fits(sizes, damage, budget)
    try:
        return by_recursion(sizes, damage, budget - 0.25)
    except ValueError:
        return fewest(sizes, damage, budget)


def average_damage(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    heavy = [{b: h * n for b, h in d.items()} for n, d in zip(sizes, damage, strict=True)]
    return by_recursion(sizes, heavy, budget)


def nothing_refused(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    try:
        return by_recursion(sizes, damage, budget)
    except ValueError:
        return [min(options) for options in damage]


ALLOCATE_MISTAKES = (
    Mistake(
        "budget-ignored",
        all_the_best,
        "You gave each layer the most bits or the best, whatever they cost: together they take "
        "more than the budget.",
        "Add up size x bits, and keep within the budget.",
    ),
    Mistake(
        "all-alike",
        all_alike,
        "You gave all layers the same bits. The point of measuring each layer is that some need "
        "more than others.",
        "Compare choices by their sum of damage.",
    ),
    Mistake(
        "fewest-bits",
        fewest,
        "You took the fewest bits everywhere, and left the rest of the budget unused.",
        "The budget is there to be used: what would it buy?",
    ),
    Mistake(
        "largest-gain-first",
        greedy_by_gain,
        "You upgrade first where the damage falls most, whatever that costs. A large layer can eat "
        "a budget that two small ones would have used better.",
        "Keep, for each number of bits taken so far, the best choice for the layers so far.",
    ),
    Mistake(
        "best-gain-per-bit-first",
        greedy_by_bit,
        "You upgrade first where a bit buys most. That is nearly right, and often good enough; but "
        "it can leave a rest of the budget that another choice would use.",
        "Keep, for each number of bits taken so far, the best choice for the layers so far.",
    ),
    Mistake(
        "least-harm-first",
        from_the_top,
        "You begin with the most bits and give back where a bit is missed least. That is nearly "
        "right; but once given back, a bit does not return, although it might fit in the end.",
        "Keep, for each number of bits taken so far, the best choice for the layers so far.",
    ),
    Mistake(
        "sizes-ignored",
        sizes_ignored,
        "You count as if all the layers had the same size.",
        "A layer takes size x bits.",
    ),
    Mistake(
        "damage-weighed-by-size",
        average_damage,
        "You multiply the damage by the layer's size. It is the rise of the whole model's loss "
        "already.",
        "Add the damages up as they are.",
    ),
    Mistake(
        "budget-never-used-up",
        budget_not_used_up,
        "You refuse a choice that takes exactly the budget. It fits.",
        "Compare with <=.",
    ),
    Mistake(
        "nothing-refused",
        nothing_refused,
        "If nothing fits, you return something all the same. It would not fit on the machine.",
        "Raise ValueError when no choice is left.",
    ),
)  # fmt: skip

ALLOCATE_HINTS = (
    "Look at one layer after the other. Of two beginnings that took the same number of bits, can "
    "the one with more damage ever win?",
    "Write down by hand all beginnings of three layers of equal size, each with 2 or 4 bits. How "
    "many are there after two layers, and how many *different* numbers of bits have they taken? "
    "What has to be known of a beginning to go on from it?",
    "Sizes 10 and 30, both {2: 0.5, 4: 0.1}, budget 120. After layer one: {20: 0.5, 40: 0.1}. "
    "After layer two: 20 + 60 = 80: 1.0; 40 + 60 = 100: 0.6; with 4 bits 140 or 160, too many. "
    "Best is 0.6: [4, 2].",
)


CHALLENGES = (
    Challenge(
        name="absmax_quantize",
        title="Whole numbers with one scale a row",
        points=2,
        check=check_absmax_quantize,
        mistakes=ABSMAX_MISTAKES,
        alternatives=(absmax_with(), absmax_by_rows),
        hints=ABSMAX_HINTS,
        alike=same_codes_and_scales,
        not_allowed=(
            "bitsandbytes.functional.int8_vectorwise_quant",
            "torch.ao.quantization.PerChannelMinMaxObserver",
        ),
    ),
    Challenge(
        name="zero_point_quantize",
        title="A range that need not be symmetric",
        points=2,
        check=check_zero_point_quantize,
        mistakes=ZERO_POINT_MISTAKES,
        alternatives=(zero_point_with(), zero_point_in_numpy),
        hints=ZERO_POINT_HINTS,
        not_allowed=(
            "torch.ao.quantization.MinMaxObserver",
            "torch.quantize_per_tensor_dynamic",
        ),
    ),
    Challenge(
        name="nf4_quantize",
        title="NF4, byte for byte",
        points=4,
        check=check_nf4_quantize,
        mistakes=NF4_MISTAKES,
        alternatives=(nf4_with(), nf4_by_loops),
        hints=NF4_HINTS,
        alike=same_words,
        not_allowed=(
            "bitsandbytes.functional.quantize_4bit",
            "bitsandbytes.functional.quantize_nf4",
            "bitsandbytes.nn.Params4bit",
            "bitsandbytes.nn.LinearNF4",
        ),
    ),
    Challenge(
        name="allocate_bits",
        title="A budget of bits for a whole model",
        points=3,
        check=check_allocate_bits,
        mistakes=ALLOCATE_MISTAKES,
        alternatives=(by_recursion,),
        hints=ALLOCATE_HINTS,
    ),
)


# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
EQUIVALENT = {
    "absmax_quantize: dim=1->-1 | largest = weight.abs().amax(dim=1, keepdim=True)": (
        "The weight is a matrix: its last dimension is dimension 1."
    ),
    "absmax_quantize: Eq->LtE | scales = torch.where(largest == 0, 1.0, largest / top)": (
        "No magnitude is below 0."
    ),
    "zero_point_quantize: 0->-1 | return codes.clamp(0, top).to(torch.uint8), scale, zero_point": (
        "No code is below 0: round(-x) + round(x) is 0 for the smallest weight. Only at the top "
        "can two roundings go up together."
    ),
    "nf4_quantize: dim=1->-1 | absmax = blocks.abs().amax(dim=1)": (
        "The blocks are a matrix: its last dimension is dimension 1."
    ),
    "nf4_quantize: 1->-1 | return (pairs[:, 0] * 16 + pairs[:, 1]).to(torch.uint8), absmax": (
        "A pair has two codes: the last is the second."
    ),
    "allocate_bits: 0.0->1.0 | best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}": (
        "All sums of damage begin at the same number; their order stays."
    ),
    "allocate_bits: 0.0->-1.0 | best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}": (
        "All sums of damage begin at the same number; their order stays."
    ),
    "allocate_bits: strict= dropped | for size, options in zip(sizes, damage, strict=True):": (
        "There is one damage for each size; nothing is said of other calls."
    ),
    "allocate_bits: strict=True->False | for size, options in zip(sizes, damage, strict=True):": (
        "There is one damage for each size; nothing is said of other calls."
    ),
    "allocate_bits: Lt->LtE | if total <= budget and candidate < longer.get(total, "
    '(float("inf"), [])):': "Two candidates are never equal: their choices differ.",
    "allocate_bits: if False | if not best:": "min of nothing raises a ValueError too.",
    "allocate_bits: line dropped | raise ValueError("
    'f"no choice fits {budget} bits: give more, or allow fewer bits a weight")': (
        "min of nothing raises a ValueError too."
    ),
    "allocate_bits: 1->-1 | return min(best.values())[1]": "The choice is the last of two.",
}
