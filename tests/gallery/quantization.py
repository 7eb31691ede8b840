"""Answers to the challenges of lesson 12 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges. A wrong one names the mistake that must be
diagnosed; where it names none, the general message has to do.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from tests.gallery.answers import Gallery

gallery = Gallery()

CODEBOOK = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
]  # fmt: skip

# ---------------------------------------------------------------- absmax_quantize, right


@gallery.right("absmax_quantize")
def a_numpy(weight, bits):
    if bits not in range(2, 9):
        raise ValueError(f"{bits} bits")
    w = weight.numpy()
    if not np.isfinite(w).all():
        raise ValueError("nan or inf")
    s = np.abs(w).max(axis=1, keepdims=True) / np.float32(2 ** (bits - 1) - 1)
    s[s == 0] = 1
    return torch.from_numpy(np.rint(w / s).astype(np.int8)), torch.from_numpy(s)


@gallery.right("absmax_quantize")
def a_loops(weight, bits):
    if bits < 2 or bits > 8 or any(not math.isfinite(x) for x in weight.flatten().tolist()):
        raise ValueError("no")
    q = 2 ** (bits - 1) - 1
    codes, scales = [], []
    for row in weight.tolist():
        s = max(map(abs, row)) / q
        if s == 0:
            s = 1.0
        codes.append([round(x / s) for x in row])
        scales.append([s])
    return torch.tensor(codes, dtype=torch.int8), torch.tensor(scales)


@gallery.right("absmax_quantize")
def a_double(weight, bits):
    if not (2 <= bits <= 8) or weight.isnan().any() or weight.isinf().any():
        raise ValueError("bad")
    w = weight.double()
    biggest = torch.maximum(w.max(1).values, -w.min(1).values).unsqueeze(1)
    s = biggest / (2 ** (bits - 1) - 1)
    s[s == 0] = 1
    return torch.round(w / s).char(), s.float()


@gallery.right("absmax_quantize")
def a_row_generator(weight, bits):
    if not 1 < bits < 9:
        raise ValueError("bits")
    if (weight - weight != 0).any():
        raise ValueError("not finite")
    top = (1 << bits - 1) - 1

    def rows():
        for row in weight:
            largest = torch.linalg.vector_norm(row, ord=torch.inf)
            step = largest / top if largest else torch.ones(())
            yield torch.div(row, step).round(), step

    codes, steps = zip(*rows(), strict=True)
    return torch.stack(codes).to(torch.int8), torch.stack(steps)[:, None]


# ---------------------------------------------------------------- absmax_quantize, wrong


def a_refuse(weight, bits):
    if not 2 <= bits <= 8 or not torch.isfinite(weight).all():
        raise ValueError("refused")


def a_scales(weight, bits):
    a_refuse(weight, bits)
    return weight.abs().max(1, keepdim=True).values / (2 ** (bits - 1) - 1)


def a_ones_for_zeros(scales):
    return torch.where(scales == 0, torch.tensor(1.0), scales)


def a_codes(weight, scales):
    scales = a_ones_for_zeros(scales)
    return torch.round(weight / scales).to(torch.int8), scales


@gallery.wrong("absmax_quantize", "max-instead-of-absmax")
def a_max(weight, bits):
    a_refuse(weight, bits)
    top = weight.max(1, keepdim=True).values
    top = torch.where(top < 0, torch.tensor(0.0), top)
    return a_codes(weight, top / (2 ** (bits - 1) - 1))


@gallery.wrong("absmax_quantize", "one-scale-for-all")
def a_tensor(weight, bits):
    a_refuse(weight, bits)
    s = weight.abs().max() / (2 ** (bits - 1) - 1)
    return a_codes(weight, torch.full((weight.shape[0], 1), float(s)))


@gallery.wrong("absmax_quantize", "scale-per-column")
def a_columns(weight, bits):
    a_refuse(weight, bits)
    return a_codes(weight, weight.abs().max(0, keepdim=True).values / (2 ** (bits - 1) - 1))


@gallery.wrong("absmax_quantize", "one-code-too-many")
def a_128(weight, bits):
    a_refuse(weight, bits)
    return a_codes(weight, weight.abs().max(1, keepdim=True).values / 2 ** (bits - 1))


@gallery.wrong("absmax_quantize", "all-codes-positive")
def a_255(weight, bits):
    a_refuse(weight, bits)
    return a_codes(weight, weight.abs().max(1, keepdim=True).values / (2**bits - 1))


@gallery.wrong("absmax_quantize", "cut-instead-of-rounded")
def a_int(weight, bits):
    s = a_ones_for_zeros(a_scales(weight, bits))
    return (weight / s).to(torch.int8), s


@gallery.wrong("absmax_quantize", "rounded-down")
def a_floor(weight, bits):
    s = a_scales(weight, bits)
    s[s == 0] = 1
    return (weight / s).floor().to(torch.int8), s


@gallery.wrong("absmax_quantize", "half-rounded-up")
def a_half_up(weight, bits):
    s = a_ones_for_zeros(a_scales(weight, bits))
    return torch.floor(weight / s + 0.5).to(torch.int8), s


@gallery.wrong("absmax_quantize", "weights-returned")
def a_dequantized(weight, bits):
    codes, s = a_codes(weight, a_scales(weight, bits))
    return codes.float() * s, s


@gallery.wrong("absmax_quantize", "zero-row-divided")
def a_no_zero_case(weight, bits):
    s = a_scales(weight, bits)
    return torch.round(weight / s).to(torch.int8), s


@gallery.wrong("absmax_quantize", "zero-row-divided")
def a_nan_to_num(weight, bits):
    s = a_scales(weight, bits)
    return torch.nan_to_num(weight / s).round().to(torch.int8), s


@gallery.wrong("absmax_quantize", "zero-row-divided")
def a_zero_scale(weight, bits):
    codes, s = a_double(weight, bits)
    return codes, torch.where((codes == 0).all(1, keepdim=True), 0.0, s)


@gallery.wrong("absmax_quantize", "scale-next-to-zero")
def a_clamped(weight, bits):
    a_refuse(weight, bits)
    s = weight.abs().max(1, keepdim=True).values.clamp(min=1e-12) / (2 ** (bits - 1) - 1)
    return torch.round(weight / s).to(torch.int8), s


@gallery.wrong("absmax_quantize", "scale-next-to-zero")
def a_with_eps(weight, bits):
    s = a_scales(weight, bits) + 1e-9
    return torch.round(weight / s).to(torch.int8), s


@gallery.wrong("absmax_quantize", "everything-accepted")
def a_no_guard(weight, bits):
    q = 2 ** (bits - 1) - 1
    s = a_ones_for_zeros(weight.abs().max(1, keepdim=True).values / q)
    return torch.clamp(torch.round(weight / s), -q, q).to(torch.int8), s


@gallery.wrong("absmax_quantize")
def a_takes_nan(weight, bits):
    if not 2 <= bits <= 8:
        raise ValueError
    return a_no_guard(weight, bits)


@gallery.wrong("absmax_quantize")
def a_float_codes(weight, bits):
    codes, s = a_codes(weight, a_scales(weight, bits))
    return codes.float(), s


@gallery.wrong("absmax_quantize")
def a_flat_scales(weight, bits):
    codes, s = a_codes(weight, a_scales(weight, bits))
    return codes, s.squeeze(1)


# ---------------------------------------------------------------- zero_point_quantize, right


@gallery.right("zero_point_quantize")
def z_plain(weight, bits):
    n = 2**bits - 1
    lo = min(weight.min().item(), 0.0)
    hi = max(weight.max().item(), 0.0)
    if lo == hi:
        return torch.zeros_like(weight, dtype=torch.uint8), 1.0, 0
    s = (hi - lo) / n
    z = round(-lo / s)
    q = torch.round(weight / s) + z
    return torch.clamp(q, 0, n).byte(), s, z


@gallery.right("zero_point_quantize")
def z_loops(weight, bits):
    values = weight.reshape(-1).tolist()
    lo, hi = min([0.0, *values]), max([0.0, *values])
    s = (hi - lo) / (2**bits - 1)
    if not s:
        s = 1.0
    z = round(-lo / s)
    q = [min(max(round(v / s) + z, 0), 2**bits - 1) for v in values]
    return torch.tensor(q, dtype=torch.uint8).reshape(weight.shape), s, z


@gallery.right("zero_point_quantize")
def z_inplace_on_own(weight, bits):
    n = 2**bits - 1
    lo, hi = torch.aminmax(torch.cat([weight.flatten(), torch.zeros(1)]))
    s = float(hi - lo) / n if hi > lo else 1.0
    z = int(torch.round(-lo / s))
    q = weight.clone()
    q.div_(s).round_().add_(z).clamp_(0, n)
    return q.to(torch.uint8), s, z


@gallery.right("zero_point_quantize")
def z_numpy(weight, bits):
    """The scale is the int 1 where nothing is to be divided."""
    w, top = weight.numpy(), 2**bits - 1
    low, high = np.minimum(w.min(), 0).item(), np.maximum(w.max(), 0).item()
    scale = (high - low) / top or 1
    zero = int(np.rint(-low / scale))
    return (
        torch.from_numpy(np.clip(np.rint(w / scale) + zero, 0, top).astype(np.uint8)),
        scale,
        zero,
    )


@gallery.right("zero_point_quantize")
def z_from_the_smallest(weight, bits):
    """Steps are counted from the smallest weight; the zero point is where 0 falls."""
    lo, hi = min(0.0, weight.min().item()), max(0.0, weight.max().item())
    s = (hi - lo) / (2**bits - 1) or 1.0
    return torch.round((weight - lo) / s).clamp(0, 2**bits - 1).to(torch.uint8), s, round(-lo / s)


# ---------------------------------------------------------------- zero_point_quantize, wrong


def z_range(weight):
    return min(weight.min().item(), 0.0), max(weight.max().item(), 0.0)


def z_scale(weight, bits):
    lo, hi = z_range(weight)
    return lo, hi, (hi - lo) / (2**bits - 1) or 1.0


def z_codes(weight, bits, s, z):
    return torch.clamp(torch.round(weight / s) + z, 0, 2**bits - 1).byte(), s, z


@gallery.wrong("zero_point_quantize", "zero-not-in-the-range")
def z_data_range(weight, bits):
    lo, hi = weight.min().item(), weight.max().item()
    s = (hi - lo) / (2**bits - 1) or 1.0
    return z_codes(weight, bits, s, round(-lo / s))


@gallery.wrong("zero_point_quantize", "range-made-symmetric")
def z_symmetric(weight, bits):
    m = weight.abs().max().item()
    s = 2 * m / (2**bits - 1) or 1.0
    return z_codes(weight, bits, s, round(m / s))


@gallery.wrong("zero_point_quantize", "one-step-too-many")
def z_256(weight, bits):
    lo, hi = z_range(weight)
    s = (hi - lo) / 2**bits or 1.0
    return z_codes(weight, bits, s, round(-lo / s))


@gallery.wrong("zero_point_quantize", "division-by-zero")
def z_zero_division(weight, bits):
    lo, hi = z_range(weight)
    s = (hi - lo) / (2**bits - 1)
    return z_codes(weight, bits, s, round(-lo / s))


@gallery.wrong("zero_point_quantize", "codes-not-clamped")
def z_wraps(weight, bits):
    lo, _, s = z_scale(weight, bits)
    z = round(-lo / s)
    return (torch.round(weight / s).int() + z).to(torch.uint8), s, z


@gallery.wrong("zero_point_quantize", "zero-point-not-added")
def z_forgot(weight, bits):
    lo, _, s = z_scale(weight, bits)
    return torch.clamp(torch.round(weight / s), 0, 2**bits - 1).byte(), s, round(-lo / s)


@gallery.wrong("zero_point_quantize", "sign-of-the-zero-point")
def z_sign(weight, bits):
    lo, _, s = z_scale(weight, bits)
    return z_codes(weight, bits, s, round(lo / s))


@gallery.wrong("zero_point_quantize", "zero-point-from-the-top")
def z_top(weight, bits):
    _, hi, s = z_scale(weight, bits)
    return z_codes(weight, bits, s, round(hi / s))


@gallery.wrong("zero_point_quantize", "rounded-down")
def z_floor(weight, bits):
    lo, _, s = z_scale(weight, bits)
    z = round(-lo / s)
    return torch.clamp((weight // s) + z, 0, 2**bits - 1).byte(), s, z


@gallery.wrong("zero_point_quantize", "zero-point-cut-off")
def z_int_zero(weight, bits):
    lo, _, s = z_scale(weight, bits)
    return z_codes(weight, bits, s, int(-lo / s))


@gallery.wrong("zero_point_quantize", "codes-cut-off")
def z_int_codes(weight, bits):
    lo, _, s = z_scale(weight, bits)
    z = round(-lo / s)
    return torch.clamp((weight / s).int() + z, 0, 2**bits - 1).byte(), s, z


@gallery.wrong("zero_point_quantize", "half-rounded-up")
def z_half_up(weight, bits):
    lo, _, s = z_scale(weight, bits)
    z = math.floor(-lo / s + 0.5)
    return torch.clamp(torch.floor(weight / s + 0.5) + z, 0, 2**bits - 1).byte(), s, z


@gallery.wrong("zero_point_quantize", "all-cut-off")
def z_int_both(weight, bits):
    lo, _, s = z_scale(weight, bits)
    z = int(-lo / s)
    codes = [min(max(int(v / s) + z, 0), 2**bits - 1) for v in weight.flatten().tolist()]
    return torch.tensor(codes, dtype=torch.uint8).reshape(weight.shape), s, z


@gallery.wrong("zero_point_quantize", "all-rounded-down")
def z_int_at_the_end(weight, bits):
    lo, _, s = z_scale(weight, bits)
    z = int(-lo / s)
    return torch.clamp(weight / s + z, 0, 2**bits - 1).to(torch.uint8), s, z


@gallery.wrong("zero_point_quantize")
def z_float_zero(weight, bits):
    codes, s, z = z_plain(weight, bits)
    return codes, s, float(z)


@gallery.wrong("zero_point_quantize")
def z_tensors(weight, bits):
    codes, s, z = z_plain(weight, bits)
    return codes, torch.tensor(s), torch.tensor(z)


# ---------------------------------------------------------------- nf4_quantize, right


@gallery.right("nf4_quantize")
def n_numpy(weight, block_size):
    flat = weight.flatten().numpy()
    blocks = math.ceil(len(flat) / block_size)
    absmax = np.zeros(blocks, dtype=np.float32)
    codes = np.full(len(flat), 7)
    for i in range(blocks):
        part = flat[i * block_size : (i + 1) * block_size]
        absmax[i] = np.abs(part).max()
        if absmax[i] > 0:
            gaps = np.abs((part / absmax[i])[:, None] - np.array(CODEBOOK, dtype=np.float32)[None])
            codes[i * block_size : i * block_size + len(part)] = gaps.argmin(1)
    if len(codes) % 2:
        codes = np.append(codes, 0)
    return torch.from_numpy((codes[::2] * 16 + codes[1::2]).astype(np.uint8)), torch.from_numpy(
        absmax
    )


@gallery.right("nf4_quantize")
def n_shift(weight, block_size):
    n = weight.numel()
    size = -(-n // block_size) * block_size
    flat = torch.zeros(size)
    flat[:n] = weight.reshape(-1)
    rows = flat.view(-1, block_size)
    absmax = rows.abs().max(dim=1).values
    safe = torch.where(absmax > 0, absmax, torch.ones_like(absmax))
    codes = torch.cdist((rows / safe[:, None]).reshape(-1, 1), torch.tensor(CODEBOOK)[:, None])
    codes = codes.argmin(1)[:n].to(torch.uint8)
    if n % 2 == 1:
        codes = torch.cat([codes, codes.new_zeros(1)])
    return codes[0::2] << 4 | codes[1::2], absmax


@gallery.right("nf4_quantize")
def n_bytes(weight, block_size):
    """Byte by byte, as one would write it in C."""
    flat, levels = weight.flatten().tolist(), CODEBOOK
    absmax = [
        max(abs(x) for x in flat[i : i + block_size]) for i in range(0, len(flat), block_size)
    ]

    def code(i):
        if i >= len(flat):
            return 0
        scaled = flat[i] / (absmax[i // block_size] or 1.0)
        return min(range(16), key=lambda k: abs(levels[k] - scaled))

    packed = bytearray(code(i) << 4 | code(i + 1) for i in range(0, len(flat), 2))
    return torch.frombuffer(packed, dtype=torch.uint8).clone(), torch.tensor(absmax)


# ---------------------------------------------------------------- nf4_quantize, wrong


def n_blocks(weight, block_size):
    flat = weight.flatten()
    return torch.nn.functional.pad(flat, (0, -len(flat) % block_size)).view(-1, block_size)


def n_scaled(weight, block_size):
    rows = n_blocks(weight, block_size)
    absmax = rows.abs().max(1).values
    return rows / absmax.clamp(min=1e-38)[:, None], absmax


def n_nearest(scaled):
    return (scaled[..., None] - torch.tensor(CODEBOOK)).abs().argmin(-1).flatten()


def n_codes(weight, block_size):
    scaled, absmax = n_scaled(weight, block_size)
    return n_nearest(scaled)[: weight.numel()], absmax


def n_even(codes):
    return torch.cat([codes, codes.new_zeros(len(codes) % 2)])


def n_join(first, second):
    return (first * 16 + second).to(torch.uint8)


def n_pack(codes):
    codes = n_even(codes)
    return n_join(codes[::2], codes[1::2])


@gallery.wrong("nf4_quantize", "packing-order-swapped")
def n_swapped(weight, block_size):
    codes, absmax = n_codes(weight, block_size)
    codes = n_even(codes)
    return n_join(codes[1::2], codes[::2]), absmax


@gallery.wrong("nf4_quantize", "halves-packed")
def n_halves(weight, block_size):
    codes, absmax = n_codes(weight, block_size)
    first, second = n_even(codes).chunk(2)
    return n_join(first, second), absmax


@gallery.wrong("nf4_quantize", "last-half-byte-seven")
def n_pads_the_weight(weight, block_size):
    n = weight.numel()
    codes, absmax = n_codes(weight, block_size)
    codes = torch.cat([codes, torch.tensor([7])])[: n + n % 2]
    return n_join(codes[::2], codes[1::2]), absmax


@gallery.wrong("nf4_quantize", "padding-left-in")
def n_keeps_padding(weight, block_size):
    scaled, absmax = n_scaled(weight, block_size)
    return n_pack(n_nearest(scaled)), absmax


@gallery.wrong("nf4_quantize", "padding-forgotten")
def n_view(weight, block_size):
    rows = weight.flatten().view(-1, block_size)
    absmax = rows.abs().max(1).values
    return n_pack(n_nearest(rows / absmax.clamp(min=1e-38)[:, None])), absmax


@gallery.wrong("nf4_quantize", "blocks-over-the-columns")
def n_columns(weight, block_size):
    codes, absmax = n_codes(weight.transpose(0, -1).contiguous(), block_size)
    return n_pack(codes), absmax


@gallery.wrong("nf4_quantize", "blocks-begin-in-each-row")
def n_each_row(weight, block_size):
    codes, tops = [], []
    for row in weight.reshape(-1, weight.shape[-1]):
        found, absmax = n_codes(row, block_size)
        codes.append(found)
        tops.append(absmax)
    return n_pack(torch.cat(codes)), torch.cat(tops)


@gallery.wrong("nf4_quantize", "max-instead-of-absmax")
def n_max(weight, block_size):
    rows = n_blocks(weight, block_size)
    top = rows.max(1).values
    scaled = rows / torch.where(top == 0, torch.ones_like(top), top)[:, None]
    return n_pack(n_nearest(scaled)[: weight.numel()]), top


@gallery.wrong("nf4_quantize", "one-scale-for-all")
def n_global(weight, block_size):
    top = weight.abs().max()
    blocks = -(-weight.numel() // block_size)
    scaled = weight.flatten() / top.clamp(min=1e-38)
    return n_pack(n_nearest(scaled)), torch.full((blocks,), float(top))


@gallery.wrong("nf4_quantize", "zero-block-divided")
def n_nan(weight, block_size):
    rows = n_blocks(weight, block_size)
    absmax = rows.abs().max(1).values
    return n_pack(n_nearest(rows / absmax[:, None])[: weight.numel()]), absmax


@gallery.wrong("nf4_quantize", "zero-block-divided")
def n_zeros_are_code_0(weight, block_size):
    scaled, absmax = n_scaled(weight, block_size)
    codes = n_nearest(scaled) * (absmax > 0).repeat_interleave(block_size)
    return n_pack(codes[: weight.numel()]), absmax


@gallery.wrong("nf4_quantize", "zero-block-on-top")
def n_searched(weight, block_size):
    rows, book = n_blocks(weight, block_size), torch.tensor(CODEBOOK)
    absmax = rows.abs().max(1).values
    middles = book[:-1] + book.diff() / 2
    codes = torch.searchsorted(middles, rows / absmax.unsqueeze(1)).flatten()
    return n_pack(codes[: weight.numel()]), absmax


@gallery.wrong("nf4_quantize", "evenly-spaced-levels")
def n_int4(weight, block_size):
    scaled, absmax = n_scaled(weight, block_size)
    codes = torch.round((scaled + 1) * 7.5).long().flatten()
    return n_pack(codes[: weight.numel()]), absmax


@gallery.wrong("nf4_quantize", "level-below")
def n_floor(weight, block_size):
    scaled, absmax = n_scaled(weight, block_size)
    codes = (torch.searchsorted(torch.tensor(CODEBOOK), scaled, right=True) - 1).flatten()
    return n_pack(codes[: weight.numel()]), absmax


@gallery.wrong("nf4_quantize")
def n_absmax_column(weight, block_size):
    packed, absmax = n_shift(weight, block_size)
    return packed, absmax[:, None]


@gallery.wrong("nf4_quantize")
def n_unpacked(weight, block_size):
    codes, absmax = n_codes(weight, block_size)
    return codes.to(torch.uint8), absmax


# ---------------------------------------------------------------- allocate_bits, right


@gallery.right("allocate_bits")
def b_table(sizes, damage, budget):
    front = [(0, 0.0, ())]
    for size, options in zip(sizes, damage, strict=True):
        grown = [
            (cost + size * b, hurt + d, (*picked, b))
            for cost, hurt, picked in front
            for b, d in options.items()
            if cost + size * b <= budget
        ]
        grown.sort()
        front, least = [], math.inf
        for entry in grown:
            if entry[1] < least:
                front.append(entry)
                least = entry[1]
    if not front:
        raise ValueError("does not fit")
    return list(min(front, key=lambda entry: entry[1])[2])


@gallery.right("allocate_bits")
def b_numpy(sizes, damage, budget):
    unit = math.gcd(*sizes)
    room = int(budget // unit)
    best = np.full(room + 1, np.inf)
    best[0] = 0
    back = []
    for size, options in zip(sizes, damage, strict=True):
        new, how = np.full(room + 1, np.inf), np.zeros(room + 1, dtype=int)
        for b, d in options.items():
            step = size // unit * b
            for at in range(step, room + 1):
                if best[at - step] + d < new[at]:
                    new[at], how[at] = best[at - step] + d, b
        best = new
        back.append(how)
    at = int(best.argmin())
    if best[at] == np.inf:
        raise ValueError("no choice")
    picked = []
    for size, how in zip(reversed(sizes), reversed(back), strict=True):
        picked.insert(0, int(how[at]))
        at -= size // unit * picked[0]
    return picked


@gallery.right("allocate_bits")
def b_from_the_last(sizes, damage, budget):
    """What the layers from here on do at best with what is left, asked from the last one back."""
    after = {0: (0.0, [])}
    for size, options in list(zip(sizes, damage, strict=True))[::-1]:
        here = {}
        for total, (hurt, bits) in after.items():
            for b in options:
                cost, worse = total + b * size, hurt + options[b]
                if cost <= budget and (cost not in here or worse < here[cost][0]):
                    here[cost] = worse, [b, *bits]
        after = here
    if not after:
        raise ValueError("the budget is too small")
    return min(after.values(), key=lambda entry: entry[0])[1]


# ---------------------------------------------------------------- allocate_bits, wrong


def b_refuse(sizes, damage, budget):
    if sum(n * min(d) for n, d in zip(sizes, damage, strict=True)) > budget:
        raise ValueError("too small")


@gallery.wrong("allocate_bits", "budget-ignored")
def b_best_each(sizes, damage, budget):
    b_refuse(sizes, damage, budget)
    return [sorted(d, key=d.get)[0] for d in damage]


@gallery.wrong("allocate_bits", "budget-ignored")
def b_most_bits(sizes, damage, budget):
    b_refuse(sizes, damage, budget)
    return [max(d) for d in damage]


@gallery.wrong("allocate_bits", "all-alike")
def b_uniform(sizes, damage, budget):
    b_refuse(sizes, damage, budget)
    average = budget / sum(sizes)
    picked = []
    for d in damage:
        fitting = [b for b in d if b <= average]
        picked.append(max(fitting) if fitting else min(d))
    return picked


@gallery.wrong("allocate_bits", "fewest-bits")
def b_least(sizes, damage, budget):
    b_refuse(sizes, damage, budget)
    return [sorted(d)[0] for d in damage]


def b_climb(sizes, damage, budget, per_bit):
    b_refuse(sizes, damage, budget)
    picked = [min(d) for d in damage]
    while True:
        spent = sum(n * b for n, b in zip(sizes, picked, strict=True))
        moves = []
        for i, d in enumerate(damage):
            for b in d:
                price = (b - picked[i]) * sizes[i]
                gain = d[picked[i]] - d[b]
                if price > 0 and gain > 0 and spent + price <= budget:
                    moves.append((gain / price if per_bit else gain, i, b))
        if not moves:
            return picked
        _, i, b = max(moves)
        picked[i] = b


@gallery.wrong("allocate_bits", "largest-gain-first")
def b_gain(sizes, damage, budget):
    return b_climb(sizes, damage, budget, per_bit=False)


@gallery.wrong("allocate_bits", "best-gain-per-bit-first")
def b_ratio(sizes, damage, budget):
    return b_climb(sizes, damage, budget, per_bit=True)


@gallery.wrong("allocate_bits", "least-harm-first")
def b_gives_back(sizes, damage, budget):
    b_refuse(sizes, damage, budget)
    picked = [max(d) for d in damage]
    while sum(n * b for n, b in zip(sizes, picked, strict=True)) > budget:
        moves = []
        for i, (n, d) in enumerate(zip(sizes, damage, strict=True)):
            for b in d:
                if b < picked[i]:
                    moves.append(((d[b] - d[picked[i]]) / (n * (picked[i] - b)), i, b))
        _, i, b = sorted(moves)[0]
        picked[i] = b
    return picked


@gallery.wrong("allocate_bits", "sizes-ignored")
def b_same_size(sizes, damage, budget):
    mean = round(sum(sizes) / len(sizes))
    return b_table([mean] * len(sizes), damage, budget)


@gallery.wrong("allocate_bits", "damage-weighed-by-size")
def b_weighted(sizes, damage, budget):
    weighted = [{b: n * x for b, x in d.items()} for n, d in zip(sizes, damage, strict=True)]
    return b_table(sizes, weighted, budget)


@gallery.wrong("allocate_bits", "budget-never-used-up")
def b_strictly(sizes, damage, budget):
    b_refuse(sizes, damage, budget)
    try:
        return b_table(sizes, damage, budget - 0.1)
    except ValueError:
        return [min(d) for d in damage]


@gallery.wrong("allocate_bits", "nothing-refused")
def b_accepts(sizes, damage, budget):
    try:
        return b_table(sizes, damage, budget)
    except ValueError:
        return [min(d) for d in damage]


@gallery.wrong("allocate_bits")
def b_price(sizes, damage, budget):
    """One price for a bit, the same in all layers (Lagrange): near, and not always best."""
    b_refuse(sizes, damage, budget)

    def at(price):
        return [
            min(d, key=lambda b, d=d, n=n: (d[b] + price * n * b, b))
            for n, d in zip(sizes, damage, strict=True)
        ]

    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        fits = sum(n * b for n, b in zip(sizes, at(middle), strict=True)) <= budget
        low, high = (low, middle) if fits else (middle, high)
    return at(high)


@gallery.wrong("allocate_bits")
def b_everything(sizes, damage, budget):
    b_refuse(sizes, damage, budget)
    tried = itertools.islice(itertools.product(*damage), 4096)
    fitting = [c for c in tried if sum(n * b for n, b in zip(sizes, c, strict=True)) <= budget]
    return list(
        min(fitting, key=lambda c: sum(d[b] for d, b in zip(damage, c, strict=True)))
        if fitting
        else (min(d) for d in damage)
    )
