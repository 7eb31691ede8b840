"""Reference answers of lesson 12, Quantization: one plain function per challenge."""

from __future__ import annotations

import torch
from torch import Tensor

NF4 = torch.tensor([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
])  # fmt: skip


def absmax_quantize(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Round each row of a weight matrix to signed whole numbers, with one scale a row.

    weight   (out, in) float32, not empty; left as it is. NaN or infinity in it is a ValueError
    bits     2 to 8, else a ValueError; the codes run from -(2^(bits-1) - 1) to 2^(bits-1) - 1
    returns  codes (out, in) int8, ties rounded to the even number as torch.round does, and
             scales (out, 1) float32: codes * scales is the weight that comes back.
             A row of zeros has the scale 1

    The row [1.1, -2.0, 0.3] at 4 bits: scale 2 / 7, codes [4, -7, 1].
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits must be 2 to 8, got {bits}")
    if not weight.isfinite().all():
        raise ValueError("the weight holds NaN or infinity: there is no scale for it")
    top = 2 ** (bits - 1) - 1
    largest = weight.abs().amax(dim=1, keepdim=True)
    scales = torch.where(largest == 0, 1.0, largest / top)
    return (weight / scales).round().to(torch.int8), scales


def zero_point_quantize(weight: Tensor, bits: int) -> tuple[Tensor, float, int]:
    """Round a whole matrix to unsigned numbers, with one scale and the code that means zero.

    weight   any shape, float32, not empty; left as it is
    bits     2 to 8; the codes run from 0 to 2^bits - 1
    returns  codes of the weight's shape, uint8; the scale, a float; and the zero point, an int
             among the codes: (codes - zero_point) * scale is the weight that comes back.
             The range that is divided holds 0, so that 0 comes back as 0. weight / scale and the
             zero point are rounded each by itself, ties to the even number; a code beyond the
             ends becomes the end. If every weight is 0, the scale is 1 and the zero point 0

    [-1.0, 0.0, 2.0] at 2 bits: scale 1, zero point 1, codes [0, 1, 3].
    """
    top = 2**bits - 1
    low = min(weight.min().item(), 0.0)
    high = max(weight.max().item(), 0.0)
    scale = (high - low) / top or 1.0
    zero_point = round(-low / scale)
    codes = (weight / scale).round() + zero_point
    return codes.clamp(0, top).to(torch.uint8), scale, zero_point


def nf4_quantize(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Store a weight as NF4: a level of 16 for each number, two to a byte, one scale a block.

    weight      any shape, float32, not empty; left as it is. Blocks run through it row by row and
                on over the ends of rows, block_size numbers each; the last one may be shorter
    block_size  1 or more
    returns     packed (ceil(n / 2),) uint8: the code of each number is the place in NF4 of the
                level nearest to number / absmax of its block. The first of two neighbours is in
                the upper four bits. After an odd number of codes the last lower four bits are 0.
                absmax (blocks,) float32. In a block of zeros every code is 7, which is 0.0

    [1.0, -2.0, 0.3] in one block: absmax 2, scaled 0.5, -1, 0.15, codes 12, 0, 9: bytes 192, 144.
    """
    flat = weight.flatten()
    padding = -len(flat) % block_size
    blocks = torch.nn.functional.pad(flat, (0, padding)).reshape(-1, block_size)
    absmax = blocks.abs().amax(dim=1)
    scaled = blocks / absmax.clamp(min=1e-38)[:, None]
    codes = torch.bucketize(scaled, (NF4[1:] + NF4[:-1]) / 2).flatten()[: len(flat)]
    pairs = torch.nn.functional.pad(codes, (0, len(flat) % 2)).reshape(-1, 2)
    return (pairs[:, 0] * 16 + pairs[:, 1]).to(torch.uint8), absmax


def allocate_bits(sizes: list[int], damage: list[dict[int, float]], budget: float) -> list[int]:
    """Choose the bits of each layer so that all fit a budget and hurt as little as can be.

    sizes    the number of weights of each layer
    damage   for each layer: bits that it may have → how much the loss rises if it has them (below
             0: how much it falls)
    budget   the bits that all weights together may take: the sum of size x bits, at most
    returns  the bits of each layer; no other choice within the budget has a smaller sum of damage.
             If nothing fits: ValueError

    Real models come too: 28 layers of 65,536 or 196,608 weights, each with 4 numbers of bits to
    choose from. Those are 4^28 choices: to try them all would take years.

    Two layers of 10 and 30 weights, both {2: 0.5, 4: 0.1}, budget 120: [4, 2] takes 100.
    [2, 4] would take 140.
    """
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}  # bits taken → damage, choice
    for size, options in zip(sizes, damage, strict=True):
        longer: dict[int, tuple[float, list[int]]] = {}
        for taken, (hurt, chosen) in best.items():
            for bits, more in options.items():
                total, candidate = taken + size * bits, (hurt + more, [*chosen, bits])
                if total <= budget and candidate < longer.get(total, (float("inf"), [])):
                    longer[total] = candidate
        best = longer
    if not best:
        raise ValueError(f"no choice fits {budget} bits: give more, or allow fewer bits a weight")
    return min(best.values())[1]
