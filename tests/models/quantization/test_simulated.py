"""Rounding of weights: against the definition, and NF4 against bitsandbytes itself."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from bitsandbytes import functional as bnb
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from labkit.models.quantization.simulated import (
    NF4,
    SCHEMES,
    Scheme,
    fake_quantize,
    groups_of,
    integers,
    linear_layers,
    normal_float,
    quantized,
    round_trip,
)

seeds = st.integers(0, 10_000)
any_time = settings(deadline=None, max_examples=40)


def weights(seed: int, rows: int = 6, columns: int = 32) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def test_nf4_is_the_published_code_and_bitsandbytes() -> None:
    assert torch.equal(torch.tensor(NF4), bnb.get_4bit_type("nf4", device="cpu"))


@any_time
@given(seeds)
def test_nf4_in_blocks_gives_what_bitsandbytes_gives(seed: int) -> None:
    """All but weights in the very middle of two levels, which may go either way."""
    weight = weights(seed, 16, 64)
    packed, state = bnb.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    theirs, ours = bnb.dequantize_4bit(packed, state), round_trip(weight, normal_float(64))
    torch.testing.assert_close((ours - weight).abs(), (theirs - weight).abs(), rtol=0, atol=1e-5)
    assert ((ours - theirs).abs() < 1e-6).float().mean() > 0.995


@any_time
@given(seeds, st.sampled_from(list(SCHEMES.values())))
def test_each_weight_goes_to_its_nearest_level(seed: int, scheme: Scheme) -> None:
    """Against a search through all levels, with the scale of the weight's own group."""
    weight = weights(seed, 8, 64)
    rows = weight.reshape(1 if scheme.group == "tensor" else 8, -1)  # here a block is a row
    scales = rows.abs().amax(1)
    distances = rows[..., None] - torch.tensor(scheme.levels) * scales[:, None, None]
    found = (round_trip(weight, scheme) - weight).abs().view_as(rows)
    torch.testing.assert_close(found, distances.abs().amin(-1), rtol=0, atol=1e-5)


@any_time
@given(seeds, st.integers(2, 8))
def test_rounding_twice_changes_nothing_more(seed: int, bits: int) -> None:
    once = round_trip(weights(seed), integers(bits, 16))
    torch.testing.assert_close(round_trip(once, integers(bits, 16)), once)


@any_time
@given(seeds)
def test_the_error_falls_with_bits_and_with_smaller_groups(seed: int) -> None:
    weight = weights(seed, 64, 64)
    weight[0, 0] = 12.0  # an outlier spoils the scale of its whole group

    def error(scheme: Scheme) -> float:
        return float((round_trip(weight, scheme) - weight).square().mean())

    by_bits = [error(integers(bits, 64)) for bits in (2, 3, 4, 8)]
    assert all(a > b for a, b in pairwise(by_bits))
    assert error(integers(4, "tensor")) > error(integers(4, 64))


def test_integers_are_symmetric_and_two_bits_are_three_levels() -> None:
    assert integers(2, "tensor").levels == (-1.0, 0.0, 1.0)
    assert len(integers(8, "tensor").levels) == 255
    with pytest.raises(ValueError, match="2 bits at least"):
        integers(1, "tensor")


def test_a_group_of_zeros_stays_zero() -> None:
    assert not round_trip(torch.zeros(2, 64), normal_float(64)).any()


def test_a_last_block_may_be_shorter_and_bits_count_the_scales() -> None:
    weight = weights(0, 3, 30)
    assert groups_of(weight, 64) == 2
    assert round_trip(weight, integers(4, 64)).shape == weight.shape
    codes, scales = quantized(weights(0, 64, 64), integers(4, 64))
    assert codes.shape == (64, 64) and scales.shape == (64, 1)
    assert integers(4, 64).bits_per_weight(weights(0, 64, 64)) == 4.25
    assert integers(8, "channel").bits_per_weight(weights(0, 64, 64)) == 8.25


def test_a_rounded_model_is_a_copy_whose_embeddings_are_as_they_were() -> None:
    config = LlamaConfig(
        vocab_size=32, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=1, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    before = {name: p.clone() for name, p in model.named_parameters()}
    rounded = fake_quantize(model, SCHEMES["int3-block"])
    changed = {n for n, p in rounded.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {f"{name}.weight" for name in linear_layers(model)}
    assert len(changed) == 7
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert rounded.lm_head.weight is rounded.model.embed_tokens.weight
