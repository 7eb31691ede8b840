"""Codes and scales of each row, at every number of bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.challenges.quantization.shared import number_between, off_centre
from labkit.grading import Challenge, Submission
from labkit.grading.diagnosis import same_values
from labkit.grading.drawing import draw
from labkit.grading.transport import Reply, Returned


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


challenge = Challenge(
    name="absmax_quantize",
    title="Whole numbers with one scale a row",
    check=check_absmax_quantize,
    points=2,
    hints=(
        "Which number of a row decides how large a step has to be, so that every code fits?",
        "Begin with one row, [7.0, -14.0, 3.5], at 4 bits. Which code must -14 get, and how much "
        "is one code worth then? Now a second row, ten times as large: what do the two share, and "
        "in which shape can a matrix be divided by one number a row? What does a row of zeros "
        "give?",
        "4 bits: codes -7 … 7. Row [1.1, -2.0, 0.3]: scale 2 / 7 = 0.2857; 1.1 / 0.2857 = 3.85 → "
        "4, -2.0 → -7, 0.3 → 1.05 → 1.",
    ),
    alike=same_codes_and_scales,
    not_allowed=(
        "bitsandbytes.functional.int8_vectorwise_quant",
        "torch.ao.quantization.PerChannelMinMaxObserver",
    ),
)


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


challenge.mistake(
    "max-instead-of-absmax",
    "Your scale comes from the largest number, not from the largest magnitude: a row whose "
    "largest magnitude is negative does not fit its codes.",
    hint="Take abs() before the maximum.",
    answer=absmax_with(lambda w, top: w.amax(1, keepdim=True).clamp(min=0) / top),
)


def one_scale(weight: Tensor, top: int) -> Tensor:
    return (weight.abs().max() / top).expand(len(weight), 1).clone()


challenge.mistake(
    "one-scale-for-all",
    "You took one scale for the whole matrix: small rows lose all their digits.",
    hint="The maximum is taken along dimension 1, and kept as a column: keepdim=True.",
    answer=absmax_with(one_scale),
)


@challenge.mistake(
    "scale-per-column",
    "Your scales belong to the columns (input features). A row of the matrix is an output "
    "channel, and each row has its scale.",
    hint="amax(dim=1, keepdim=True) has shape (out, 1).",
)
def column_scales(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    codes, scales = absmax_with()(weight.T, bits)
    return codes.T, scales.T


challenge.mistake(
    "cut-instead-of-rounded",
    "You cut the digits off instead of rounding: converting to int8 goes towards 0.",
    hint="Call .round() before .to(torch.int8).",
    answer=absmax_with(codes_of=torch.trunc),
)


challenge.mistake(
    "rounded-down",
    "You round down: every weight that is no whole number of steps comes back too small.",
    hint="The nearest whole number: torch.round.",
    answer=absmax_with(codes_of=torch.floor),
)


challenge.mistake(
    "half-rounded-up",
    "A number halfway between two codes goes to the even one in torch, ONNX and bitsandbytes; "
    "yours always goes up, which shifts the weights on average.",
    hint="torch.round does it.",
    answer=absmax_with(codes_of=lambda x: (x + 0.5).floor()),
)


challenge.mistake(
    "one-code-too-many",
    "You divided by 2^(bits-1): the largest weight then has the code 128 at 8 bits, which does "
    "not fit into int8 and comes back as -128.",
    hint="Divide the largest magnitude by 2^(bits-1) - 1.",
    answer=absmax_with(lambda w, top: w.abs().amax(1, keepdim=True) / (top + 1)),
)


challenge.mistake(
    "all-codes-positive",
    "You divided by 2^bits - 1, as if all codes were positive. One bit is for the sign.",
    hint="The largest code is 2^(bits-1) - 1: 7 at 4 bits, 127 at 8.",
    answer=absmax_with(lambda w, top: w.abs().amax(1, keepdim=True) / (2 * top + 1)),
)


@challenge.mistake(
    "zero-row-divided",
    "The scale of a row of zeros comes out as 0 and is to be 1: whatever is divided by 0, here "
    "or by those who use the scales, becomes NaN or infinite.",
    hint="torch.where(largest == 0, 1.0, largest / top).",
)
def zero_divided(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    refuse(weight, bits)
    scales = right_scales(weight, 2 ** (bits - 1) - 1)
    return (weight / scales).round().to(torch.int8), scales


@challenge.mistake(
    "scale-next-to-zero",
    "The scale of a row of zeros is to be 1. Yours is a tiny number that only keeps you from "
    "dividing by 0, and it takes rows of very small weights for zeros.",
    hint="Ask where the largest magnitude is exactly 0, and put 1 there; clamp nothing.",
)
def scales_clamped(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    refuse(weight, bits)
    scales = right_scales(weight, 2 ** (bits - 1) - 1).clamp(min=1e-8)
    return (weight / scales).round().to(torch.int8), scales


@challenge.mistake(
    "everything-accepted",
    "You accept a number of bits that the codes cannot have, or a weight with NaN in it.",
    hint="Begin with two checks that raise ValueError: 2 <= bits <= 8, weight.isfinite().all().",
)
def everything_taken(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    top = 2 ** (bits - 1) - 1
    scales = right_scales(weight, top)
    scales = torch.where(scales == 0, 1.0, scales)
    return (weight / scales).round().clamp(-top, top).to(torch.int8), scales


@challenge.mistake(
    "weights-returned",
    "You returned the weight that comes back. Return what is stored: the codes.",
    hint="Return (weight / scales).round() as int8, and the scales.",
)
def weights_returned(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    codes, scales = absmax_with()(weight, bits)
    return codes * scales, scales


challenge.alternative(absmax_with())


@challenge.alternative
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


challenge.equivalent(
    "dim=1->-1 | largest = weight.abs().amax(dim=1, keepdim=True)",
    because="The weight is a matrix: its last dimension is dimension 1.",
)


challenge.equivalent(
    "Eq->LtE | scales = torch.where(largest == 0, 1.0, largest / top)",
    because="No magnitude is below 0.",
)
