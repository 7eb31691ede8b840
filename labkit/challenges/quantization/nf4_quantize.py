"""NF4 in blocks, two codes to a byte, as bitsandbytes stores it (QLoRA, arXiv:2305.14314).

Checked against each number's distance to all 16 levels, in float64; the tests compare it with
bitsandbytes, byte for byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.challenges.quantization.drawing import fractions
from labkit.grading import Challenge, Submission
from labkit.grading.checks.diagnosis import same_words
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

NF4 = (  # also in labkit.models.quantization; known answers have to run where labkit is not
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip
LEVELS = torch.tensor(NF4)


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
    scaled = (LEVELS[codes] + fractions(s, count, within=0.03)).clamp(-1, 1)
    scaled[::block_size] = -1.0
    scaled[:: 2 * block_size] = 1.0
    blocks = torch.arange(count) // block_size
    sizes = torch.rand(int(blocks.max()) + 1, generator=s.generator).add(0.2)
    return (scaled * sizes[blocks]).reshape(shape)


def check_nf4_quantize(s: Submission) -> None:
    """Bytes and scales, for blocks of every kind."""

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


challenge = Challenge(
    name="nf4_quantize",
    title="NF4, byte for byte",
    check=check_nf4_quantize,
    points=4,
    hints=(
        "Four steps: cut into blocks, divide by the largest magnitude, find the nearest level, "
        "put two codes into a byte. Write and print them one at a time.",
        "Leave the bytes for later and get the codes of one whole block right: which number takes "
        "level 0 or 15, and where between two levels does the nearest one change? Then a weight of "
        "five numbers in blocks of four: what is missing, and what of it must not be stored?",
        "[1.0, -2.0] in a block of 2: absmax 2, scaled 0.5 and -1. Nearest to 0.5 is 0.4407, "
        "level 12; -1 is level 0. The byte is 12 * 16 + 0 = 192.",
    ),
    alike=same_words,
    not_allowed=(
        "bitsandbytes.functional.quantize_4bit",
        "bitsandbytes.functional.quantize_nf4",
        "bitsandbytes.nn.Params4bit",
        "bitsandbytes.nn.LinearNF4",
    ),
)

NEAREST = "torch.bucketize(scaled, (NF4[1:] + NF4[:-1]) / 2)"
BYTES = "pairs[:, 0] * 16 + pairs[:, 1]"


def nearest(scaled: Tensor) -> Tensor:
    """The place of the nearest level for each number."""
    return (scaled[..., None] - LEVELS).abs().argmin(-1)


def two_to_a_byte(codes: Tensor) -> Tensor:
    """Packed, the first of two in the upper bits."""
    codes = F.pad(codes, (0, len(codes) % 2))
    return (codes[::2] << 4 | codes[1::2]).to(torch.uint8)


# ---- bytes ---------------------------------------------------------------------------------------

challenge.mistake(
    "packing-order-swapped",
    "You put the first of two codes into the lower four bits. bitsandbytes puts it into the "
    "upper ones; read with its kernel, all neighbours would change places.",
    hint="first * 16 + second.",
    answer=spoiled(BYTES, "pairs[:, 1] * 16 + pairs[:, 0]"),
)

challenge.mistake(
    "halves-packed",
    "You packed the first half of the codes with the second half. A byte holds two neighbours.",
    hint="Pair codes[0] with codes[1], codes[2] with codes[3]: reshape(-1, 2).",
    answer=spoiled("reshape(-1, 2)", "reshape(2, -1).T"),
)

challenge.mistake(
    "last-half-byte-seven",
    "After an odd number of codes the lower four bits of the last byte are to be 0. Yours are "
    "7, the code of a number 0.0 that is not there.",
    hint="Fill the codes up to an even number with 0, not the weight.",
    answer=spoiled("(0, len(flat) % 2)", "(0, len(flat) % 2), value=7"),
)

challenge.mistake(
    "padding-left-in",
    "You store codes for numbers that only filled up the last block.",
    hint="Cut the codes back to weight.numel() before you pack them.",
    answer=spoiled("[: len(flat)]", "", "(0, len(flat) % 2)", "(0, len(codes) % 2)"),
)

challenge.mistake(
    "padding-forgotten",
    "A weight whose size is no multiple of the block size cannot be reshaped into blocks.",
    hint="Fill the flat weight up with -len(flat) % block_size zeros first.",
    answer=spoiled("-len(flat) % block_size", "0"),
)

# ---- blocks and their scales ---------------------------------------------------------------------

challenge.mistake(
    "blocks-over-the-columns",
    "Your blocks run down the columns. In memory, and in bitsandbytes, they run along the rows.",
    hint="weight.flatten().reshape(-1, block_size).",
    answer=spoiled("weight.flatten()", "weight.transpose(0, -1).flatten()"),
)


@challenge.mistake(
    "blocks-begin-in-each-row",
    "Your blocks begin anew in each row. The weight is stored as one long line: a block runs "
    "on over the end of a row, and only the last block of all may be shorter.",
    hint="Flatten the weight before you cut it into blocks.",
)
def blocks_in_rows(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    blocks = [b for row in weight.reshape(-1, weight.shape[-1]) for b in row.split(block_size)]
    absmax = torch.stack([block.abs().max() for block in blocks])
    scaled = [b / (a if a > 0 else 1.0) for b, a in zip(blocks, absmax, strict=True)]
    return two_to_a_byte(nearest(torch.cat(scaled))), absmax


challenge.mistake(
    "max-instead-of-absmax",
    "Your scale comes from the largest number of a block, not from the largest magnitude.",
    hint="Take abs() before the maximum.",
    answer=spoiled("blocks.abs()", "blocks"),
)

challenge.mistake(
    "one-scale-for-all",
    "You scale all the blocks by the largest magnitude of the whole weight.",
    hint="absmax = blocks.abs().amax(dim=1), one for each block.",
    answer=spoiled("blocks.abs().amax(dim=1)", "blocks.abs().max().repeat(len(blocks))"),
)

challenge.mistake(
    "zero-block-divided",
    "The codes of a block of zeros are to be 7, the place of 0.0, and yours are not. Where 0 "
    "is divided by 0 the result, NaN, has no nearest level.",
    hint="Divide by absmax.clamp(min=1e-38), or by 1 where absmax is 0.",
    answer=spoiled(".clamp(min=1e-38)", "", NEAREST, "(scaled[..., None] - NF4).abs().argmin(-1)"),
)

challenge.mistake(
    "zero-block-on-top",
    "The codes of a block of zeros come out as 15 and are to be 7: 0 divided by 0 is NaN, and "
    "torch.bucketize puts NaN behind the last border.",
    hint="Divide by absmax.clamp(min=1e-38): then 0 stays 0.",
    answer=spoiled(".clamp(min=1e-38)", ""),
)

# ---- levels --------------------------------------------------------------------------------------

challenge.mistake(
    "evenly-spaced-levels",
    "Your 16 levels are evenly spaced. Those of NF4 lie close together near 0, where most "
    "weights are.",
    hint="Compare with NF4: the nearest level, or torch.bucketize with the middles between them.",
    answer=spoiled(NEAREST, "(scaled * 7.5 + 7.5).round().long()"),
)

challenge.mistake(
    "level-below",
    "You take the next level below, which need not be the nearest one.",
    hint="The borders for torch.bucketize are the middles: (NF4[1:] + NF4[:-1]) / 2.",
    answer=spoiled(NEAREST, "(torch.bucketize(scaled, NF4, right=True) - 1)"),
)

# ---- other right answers -------------------------------------------------------------------------


@challenge.alternative
def block_by_block(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Nothing is filled up: the last block is as short as it is."""
    codes, absmax = [], []
    for block in weight.flatten().split(block_size):
        largest = block.abs().max()
        absmax.append(largest)
        codes.append(nearest(block / largest if largest > 0 else block))
    return two_to_a_byte(torch.cat(codes)), torch.stack(absmax)


@challenge.alternative
def in_numpy(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Every number beside the scale of its block, and a code counts the middles below it."""
    numbers = weight.flatten().numpy()
    absmax = np.maximum.reduceat(np.abs(numbers), np.arange(0, len(numbers), block_size))
    scales = np.where(absmax > 0, absmax, 1).repeat(block_size)[: len(numbers)]
    levels = np.array(NF4, np.float32)
    codes = ((numbers / scales)[:, None] > (levels[1:] + levels[:-1]) / 2).sum(1)
    pairs = np.pad(codes, (0, len(codes) % 2)).reshape(-1, 2)
    return torch.from_numpy((pairs @ [16, 1]).astype(np.uint8)), torch.from_numpy(absmax)


# ---- mutants that are as right as the reference --------------------------------------------------

challenge.equivalent(
    "dim=1->-1 | absmax = blocks.abs().amax(dim=1)",
    because="The blocks are a matrix: its last dimension is dimension 1.",
)

challenge.equivalent(
    f"1->-1 | return ({BYTES}).to(torch.uint8), absmax",
    because="A pair has two codes: the last is the second.",
)
