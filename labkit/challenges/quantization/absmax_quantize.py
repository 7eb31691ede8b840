"""Signed codes and one scale a row: the vector-wise absmax of LLM.int8() (arXiv:2208.07339).

Checked against the definition, number by number in float64; the tests compare it with
bitsandbytes at 8 bits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.challenges.quantization.drawing import fractions, whole_numbers
from labkit.grading import Challenge, Submission
from labkit.grading.checks.diagnosis import same_values
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled
from labkit.grading.transports.transport import Reply, Returned


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
    """Rows of different sizes, clear of ties; the largest is negative in every second row."""
    top = 2 ** (bits - 1) - 1
    steps = whole_numbers(s, 1 - top, top - 1, rows, columns) + fractions(s, rows, columns)
    steps[:, columns // 2] = top
    steps[::2, columns // 2] = -top
    return steps * torch.rand(rows, 1, generator=s.generator).add(0.1)


def check_absmax_quantize(s: Submission) -> None:
    """Codes and scales of each row at every number of bits, and what is refused."""

    def expect(weight: Tensor, bits: int, because: str) -> None:
        answer = s.absmax_quantize(weight, bits)
        answer.close_to(true_absmax(weight, bits), because=because, atol=0.0)
        answer.holds(bytes_and_floats, because="Codes are stored in a byte each.")

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
    halves = whole_numbers(s, -127, 126, 2, 6) + 0.5
    expect(F.pad(halves, (1, 0), value=127.0), 8, ties)
    zero = "A row of zeros stays zero, and its scale is 1: nothing is divided by 0."
    expect(torch.zeros(1, 3), 8, zero)
    expect(torch.tensor([[0.0, 0.0], [1.0, -0.6]]), 4, zero)
    among_others = random_rows(s, 4, 5, 8)
    among_others[draw(s, 4)] = 0
    expect(among_others, 8, zero)
    small = "Small weights have a small scale."
    expect(1e-20 * torch.tensor([[7.0, 2.2], [3.5, -0.9]]), 4, small)

    byte = "A byte holds 2 to 8 bits."
    for bits in (1, 9, 0, 16, 10 + draw(s, 1000), -draw(s, 1000)):
        s.absmax_quantize.raises(ValueError, random_rows(s, 1, 3, 4), bits, because=byte)
    lost = "One NaN or infinity would spoil its whole row."
    for bad in (float("nan"), float("inf"), -float("inf")):
        s.absmax_quantize.raises(ValueError, torch.tensor([[1.0, bad]]), 8, because=lost)
        weight = random_rows(s, 3, 4, 8)
        weight[draw(s, 3), draw(s, 4)] = bad
        s.absmax_quantize.raises(ValueError, weight, 8, because=lost)


def bytes_and_floats(pair: Any) -> str | None:
    """What is wrong with the types of codes and scales."""
    if [part.dtype for part in pair] == [torch.int8, torch.float32]:
        return None
    return "the codes must be int8 and the scales float32"


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

LARGEST = "weight.abs().amax(dim=1, keepdim=True)"
SCALES = "torch.where(largest == 0, 1.0, largest / top)"

# ---- which scale ---------------------------------------------------------------------------------

challenge.mistake(
    "max-instead-of-absmax",
    "Your scale comes from the largest number, not from the largest magnitude: a row whose "
    "largest magnitude is negative does not fit its codes.",
    hint="Take abs() before the maximum.",
    answer=spoiled("weight.abs()", "weight"),
)

challenge.mistake(
    "one-scale-for-all",
    "You took one scale for the whole matrix: small rows lose all their digits.",
    hint="The maximum is taken along dimension 1, and kept as a column: keepdim=True.",
    answer=spoiled(LARGEST, "weight.abs().max().repeat(len(weight), 1)"),
)

challenge.mistake(
    "scale-per-column",
    "Your scales belong to the columns (input features). A row of the matrix is an output "
    "channel, and each row has its scale.",
    hint="amax(dim=1, keepdim=True) has shape (out, 1).",
    answer=spoiled("dim=1", "dim=0"),
)

challenge.mistake(
    "one-code-too-many",
    "You divided by 2^(bits-1): the largest weight then has the code 128 at 8 bits, which does "
    "not fit into int8 and comes back as -128.",
    hint="Divide the largest magnitude by 2^(bits-1) - 1.",
    answer=spoiled("2 ** (bits - 1) - 1", "2 ** (bits - 1)"),
)

challenge.mistake(
    "all-codes-positive",
    "You divided by 2^bits - 1, as if all codes were positive. One bit is for the sign.",
    hint="The largest code is 2^(bits-1) - 1: 7 at 4 bits, 127 at 8.",
    answer=spoiled("2 ** (bits - 1) - 1", "2**bits - 1"),
)

# ---- rounding ------------------------------------------------------------------------------------

challenge.mistake(
    "cut-instead-of-rounded",
    "You cut the digits off instead of rounding: converting to int8 goes towards 0.",
    hint="Call .round() before .to(torch.int8).",
    answer=spoiled(".round()", ""),
)

challenge.mistake(
    "rounded-down",
    "You round down: every weight that is no whole number of steps comes back too small.",
    hint="The nearest whole number: torch.round.",
    answer=spoiled(".round()", ".floor()"),
)

challenge.mistake(
    "half-rounded-up",
    "A number halfway between two codes goes to the even one in torch, ONNX and bitsandbytes; "
    "yours always goes up, which shifts the weights on average.",
    hint="torch.round does it.",
    answer=spoiled("(weight / scales).round()", "(weight / scales + 0.5).floor()"),
)

challenge.mistake(
    "weights-returned",
    "You returned the weight that comes back. Return what is stored: the codes.",
    hint="Return (weight / scales).round() as int8, and the scales.",
    answer=spoiled(".to(torch.int8)", " * scales"),
)

# ---- zeros, and what is refused ------------------------------------------------------------------

challenge.mistake(
    "zero-row-divided",
    "The scale of a row of zeros comes out as 0 and is to be 1: whatever is divided by 0, here "
    "or by those who use the scales, becomes NaN or infinite.",
    hint="torch.where(largest == 0, 1.0, largest / top).",
    answer=spoiled(SCALES, "largest / top"),
)

challenge.mistake(
    "scale-next-to-zero",
    "The scale of a row of zeros is to be 1. Yours is a tiny number that only keeps you from "
    "dividing by 0, and it takes rows of very small weights for zeros.",
    hint="Ask where the largest magnitude is exactly 0, and put 1 there; clamp nothing.",
    answer=spoiled(SCALES, "(largest / top).clamp(min=1e-8)"),
)

challenge.mistake(
    "everything-accepted",
    "You accept a number of bits that the codes cannot have, or a weight with NaN in it.",
    hint="Begin with two checks that raise ValueError: 2 <= bits <= 8, weight.isfinite().all().",
    answer=spoiled("not 2 <= bits <= 8", "False", "not weight.isfinite().all()", "False"),
)

# ---- other right answers -------------------------------------------------------------------------


@challenge.alternative
def row_by_row(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """A row at a time."""
    if bits < 2 or bits > 8 or weight.isnan().any() or weight.isinf().any():
        raise ValueError("2 to 8 bits, finite weights")
    codes, scales = [], []
    for row in weight:
        scale = row.abs().max() / (2 ** (bits - 1) - 1)
        scale = scale if scale > 0 else torch.tensor(1.0)
        codes.append(torch.round(row / scale).to(torch.int8))
        scales.append(scale.reshape(1))
    return torch.stack(codes), torch.stack(scales)


@challenge.alternative
def in_numpy(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """All rows at once, the magnitude from both ends of a row."""
    rows = weight.numpy()
    if bits not in range(2, 9) or not np.isfinite(rows).all():
        raise ValueError("2 to 8 bits, finite weights")
    scales = np.maximum(rows.max(1), -rows.min(1))[:, None] / np.float32(2 ** (bits - 1) - 1)
    scales[scales == 0] = 1
    return torch.from_numpy(np.rint(rows / scales).astype(np.int8)), torch.from_numpy(scales)


# ---- mutants that are as right as the reference --------------------------------------------------

challenge.equivalent(
    f"dim=1->-1 | largest = {LARGEST}",
    because="The weight is a matrix: its last dimension is dimension 1.",
)

challenge.equivalent(
    f"Eq->LtE | scales = {SCALES}",
    because="No magnitude is below 0.",
)
