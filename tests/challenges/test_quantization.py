"""The reference answers and the checks' own truth against bitsandbytes and torch's quantization."""

from __future__ import annotations

import pytest
import torch
from bitsandbytes import functional as bnb
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.ao.quantization import MinMaxObserver

from labkit.challenges import challenges_of
from labkit.challenges.quantization import (
    absmax_quantize,
    allocate_bits,
    nf4_quantize,
    zero_point_quantize,
)
from labkit.grading.source.solutions import names, reference
from labkit.models.quantization.simulated import NF4
from tests.gallery.quantization import b_numpy

LESSON = "12_quantization"
REFERENCE = {name: reference(LESSON, name) for name in names(LESSON)}
seeds = st.integers(0, 10_000)
quick = settings(max_examples=40, deadline=None)


def drawn(seed, rows, columns, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(rows, columns, generator=generator)


@quick
@given(seeds, st.integers(1, 9), st.sampled_from([64, 128, 70]), st.floats(0.01, 100))
def test_nf4_gives_the_bytes_of_bitsandbytes(seed, rows, columns, spread):
    """Even sizes: an odd one bitsandbytes fills up in a way of its own."""
    weight = drawn(seed, rows, columns, spread)
    packed, state = bnb.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    ours, absmax = REFERENCE["nf4_quantize"](weight, 64)
    torch.testing.assert_close(absmax, state.absmax)
    codes, theirs = (torch.stack([p >> 4, p & 15], 1).flatten() for p in (ours, packed.flatten()))
    close = (codes.int() - theirs.int()).abs()
    assert int(close.max()) <= 1 and float((close > 0).float().mean()) < 0.01  # middles only


@quick
@given(seeds, st.integers(2, 6), st.integers(2, 20), st.floats(-3, 3))
def test_zero_point_is_what_torch_observes(seed, rows, columns, shift):
    weight = drawn(seed, rows, columns) + shift
    observer = MinMaxObserver(dtype=torch.quint8)
    observer(weight)
    scale, zero = observer.calculate_qparams()
    codes, ours, point = REFERENCE["zero_point_quantize"](weight, 8)
    assert ours == pytest.approx(float(scale), rel=1e-5)
    assert abs(point - int(zero)) <= 1
    back = (codes.double() - point) * ours
    assert float((back - weight).abs().max()) <= 1.01 * ours
    assert (back[weight == 0] == 0).all()


@quick
@given(seeds, st.integers(1, 6), st.integers(2, 20), st.integers(2, 8))
def test_absmax_is_off_by_half_a_step_at_most(seed, rows, columns, bits):
    weight = drawn(seed, rows, columns)
    codes, scales = REFERENCE["absmax_quantize"](weight, bits)
    assert float(((codes * scales - weight).abs() / scales).max()) <= 0.5 + 1e-4
    assert (codes.abs().amax(1) == 2 ** (bits - 1) - 1).all()
    expected = absmax_quantize.true_absmax(weight, bits)
    assert (codes.int() - expected[0].int()).abs().max() <= 1
    torch.testing.assert_close(scales, expected[1])


@quick
@given(seeds, st.integers(1, 6), st.integers(2, 20))
def test_absmax_at_8_bits_is_bitsandbytes_vector_wise(seed, rows, columns):
    """A row's scale is kept there as its largest magnitude."""
    weight = drawn(seed, rows, columns).half()
    theirs, largest, _ = bnb.int8_vectorwise_quant(weight)
    codes, scales = REFERENCE["absmax_quantize"](weight.float(), 8)
    torch.testing.assert_close(127 * scales[:, 0], largest)
    off = (codes.int() - theirs.int()).abs()
    assert int(off.max()) <= 1 and int(off.sum()) <= 1  # halfway numbers only


@quick
@given(seeds, st.integers(1, 5), st.floats(2.0, 8.0))
def test_the_best_choice_of_three_ways_is_one(seed, layers, share):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 5, (layers,), generator=generator).tolist()
    rises = torch.rand(layers, 3, generator=generator).tolist()
    damage = [dict(zip((2, 4, 8), row, strict=True)) for row in rises]
    budget = share * sum(sizes)
    best = allocate_bits.least_damage(sizes, damage, budget)
    for answer in (REFERENCE["allocate_bits"], b_numpy, allocate_bits.by_recursion):
        chosen = answer(sizes, damage, budget)
        assert allocate_bits.what_is_wrong(chosen, sizes, damage, budget, best) is None


def test_truth_by_hand():
    packed, absmax = nf4_quantize.true_nf4(torch.tensor([1.0, -2.0, 0.3]), 3)
    assert (packed.tolist(), absmax.tolist()) == ([192, 144], [2.0])
    codes, scale, zero = zero_point_quantize.true_zero_point(torch.tensor([-1.0, 0.0, 2.0]), 2)
    assert (codes.tolist(), scale, zero) == ([0, 1, 3], 1.0, 1)
    assert tuple(NF4) == nf4_quantize.NF4
    assert nf4_quantize.NF4.index(0.0) == 7


def test_many_layers_are_counted_as_few_are():
    damage = [{2: 0.5, 3: 0.3, 4: 0.1, 8: 0.0}] * 4
    few = allocate_bits.least_damage([1, 1, 3, 3], damage, 30)
    padded = allocate_bits.least_damage([1, 1, 3, 3, *[1] * 9], damage + [{2: 0.0}] * 9, 30 + 18)
    assert few == pytest.approx(padded)


def test_every_solution_has_its_challenge_and_no_other():
    assert list(challenges_of(LESSON)) == list(names(LESSON))


@pytest.mark.parametrize("challenge", challenges_of(LESSON).values(), ids=lambda c: c.name)
def test_words_are_there_and_apart(challenge):
    assert len(challenge.mistakes) >= 5
    assert len({mistake.message for mistake in challenge.mistakes}) == len(challenge.mistakes)
    assert any(character.isdigit() for character in challenge.hints[2]), "the last works numbers"
