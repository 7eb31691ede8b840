"""Post-training quantization of weights, simulated: round, scale back, and measure what is lost.

Weights are divided by the largest magnitude (absmax) of their group - the whole tensor, an output
channel, or a block of neighbours - and rounded to the nearest of a few levels: whole numbers, or
the 16 values of NF4 (Dettmers et al. 2023, arXiv:2305.14314). What comes back is a float tensor,
as if it had been stored and read again. The tests hold NF4 in blocks against bitsandbytes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

Group = Literal["tensor", "channel"] | int  # an int is a block of so many weights
SCALE_BITS = 16  # a scale is stored as a half-precision float

# Appendix E of the paper: quantiles of a normal distribution, with an exact zero.
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip

# Floats of 4 bits (sign, 2 of exponent, 1 of mantissa), by largest value 1: E2M1, the elements of
# MXFP4 (Rouhani et al. 2023, arXiv:2310.10537) and NVFP4, and FP4 as bitsandbytes has it, whose
# smallest level above zero is another.
E2M1 = tuple(x / 6 for x in (-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6))
FP4 = (
    -1.0, -0.6666666865348816, -0.5, -0.3333333432674408, -0.25, -0.1666666716337204,
    -0.0052083334885537624, 0.0, 0.0052083334885537624, 0.1666666716337204, 0.25,
    0.3333333432674408, 0.5, 0.6666666865348816, 1.0,
)  # fmt: skip


@dataclass(frozen=True)
class Scheme:
    """How weights are stored: the levels that a scaled weight may take, and what shares a scale."""

    name: str
    bits: int
    group: Group
    levels: tuple[float, ...]  # ascending, within [-1, 1]

    def bits_per_weight(self, weight: Tensor) -> float:
        """Bits that a weight of this matrix (out, in) costs, its share of the scales included."""
        return self.bits + SCALE_BITS * groups_of(weight, self.group) / weight.numel()


def integers(bits: int, group: Group, name: str | None = None) -> Scheme:
    """Signed whole numbers, symmetric around zero: 8 bits are -127 … 127, 2 bits are -1, 0, 1."""
    if bits < 2:
        raise ValueError(f"A signed whole number needs 2 bits at least, not {bits}.")
    top = 2 ** (bits - 1) - 1
    levels = tuple(i / top for i in range(-top, top + 1))
    return Scheme(name or f"int{bits} per {group}", bits, group, levels)


def normal_float(group: Group = 64, name: str = "NF4") -> Scheme:
    """NF4: 16 levels at the quantiles of a normal distribution."""
    return Scheme(name, 4, group, NF4)


def float4(group: Group = 64, name: str = "FP4") -> Scheme:
    """bitsandbytes' FP4: a float with 4 bits; two codes are zero, so there are 15 levels."""
    return Scheme(name, 4, group, FP4)


def e2m1(group: Group = 64, name: str = "E2M1") -> Scheme:
    """E2M1, of which MXFP4 and NVFP4 are made (their scales are rounded too, which this is not)."""
    return Scheme(name, 4, group, E2M1)


GROUPS: Mapping[str, Group] = {"tensor": "tensor", "channel": "channel", "block": 64}
SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        integers(8, "channel", "int8"),
        normal_float(64, "NF4"),
        *(
            integers(b, group, f"int{b}-{name}")
            for b in (4, 3, 2)
            for name, group in GROUPS.items()
        ),
    )
}


def groups_of(weight: Tensor, group: Group) -> int:
    """How many groups a matrix (out, in) has: as many scales are stored."""
    if group == "tensor":
        return 1
    return weight.shape[0] if group == "channel" else -(-weight.numel() // group)


def grouped(weight: Tensor, group: Group) -> Tensor:
    """The weights (out, in) as rows that share a scale, (groups, size).

    Blocks run through the matrix row by row, as in bitsandbytes; the last is filled with zeros.
    """
    if isinstance(group, str):
        return weight.reshape(groups_of(weight, group), -1)
    flat = weight.flatten()
    return nn.functional.pad(flat, (0, -len(flat) % group)).view(-1, group)


def nearest_level(scaled: Tensor, levels: Tensor) -> Tensor:
    """Of the ascending `levels` (k,) the index of the nearest one to each of `scaled`."""
    return torch.bucketize(scaled.contiguous(), (levels[1:] + levels[:-1]) / 2)


def quantized(weight: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor]:
    """Codes (groups, size) int64 and scales (groups, 1): what would be stored."""
    rows = grouped(weight.detach().float(), scheme.group)
    scales = rows.abs().amax(1, keepdim=True)
    levels = torch.tensor(scheme.levels, device=weight.device)
    return nearest_level(rows / scales.clamp(min=torch.finfo().tiny), levels), scales


def round_trip(weight: Tensor, scheme: Scheme) -> Tensor:
    """The weight after it was stored and read again: same shape and dtype."""
    codes, scales = quantized(weight, scheme)
    levels = torch.tensor(scheme.levels, device=weight.device)
    rows = levels[codes] * scales
    return rows.flatten()[: weight.numel()].view_as(weight).to(weight.dtype)


def linear_layers(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """The layers that quantizers round: all linear ones but the output head, by name."""
    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    }


@torch.no_grad()
def fake_quantize(model: PreTrainedModel, scheme: Scheme) -> PreTrainedModel:
    """A copy of the model whose linear layers hold weights that were rounded by the scheme."""
    rounded = copy.deepcopy(model)
    for layer in linear_layers(rounded).values():
        layer.weight.copy_(round_trip(layer.weight, scheme))
    return rounded
