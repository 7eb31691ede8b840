"""The instruments of lesson 12: packing, counted bytes, planted outliers, the memory table."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from labkit.instruments.judged import Items
from labkit.instruments.models_table import RealModel
from labkit.instruments.quantization import bench as q
from labkit.instruments.quantization import memory_table
from labkit.models.quantization.simulated import (
    E2M1,
    FP4,
    NF4,
    integers,
    linear_layers,
    normal_float,
)

any_time = settings(deadline=None, max_examples=40)


@pytest.fixture(scope="module")
def tiny() -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=1, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(1, 20)[None]).logits


@any_time
@given(st.integers(1, 8), st.integers(1, 50), st.integers(0, 999))
def test_codes_come_back_as_they_were_packed(bits: int, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 2**bits, (count,), generator=generator)
    packed = q.pack_codes(codes, bits)
    assert packed.numel() == -(-count * bits // 8)
    assert torch.equal(q.unpack_codes(packed, bits, count), codes)


def test_two_codes_of_four_bits_are_a_byte_with_the_first_on_top() -> None:
    assert q.pack_codes(torch.tensor([12, 0, 9]), 4).tolist() == [192, 144]
    with pytest.raises(ValueError, match="1 to 8"):
        q.pack_codes(torch.tensor([1]), 9)


def test_the_file_grows_with_the_bits_by_what_they_are(tiny: PreTrainedModel) -> None:
    sizes = {bits: q.bytes_on_disk(tiny, integers(bits, 64)) for bits in (2, 4, 8)}
    weights = sum(layer.weight.numel() for layer in linear_layers(tiny).values())
    assert sizes[4] - sizes[2] == pytest.approx(weights / 4, abs=64)
    assert sizes[8] - sizes[4] == pytest.approx(weights / 2, abs=64)
    assert q.bytes_on_disk(tiny, None) > sizes[8]


def test_double_quantization_takes_4_127_bits() -> None:
    assert q.bits_with_scales(64) == 4.5
    assert q.bits_with_scales(64, second_block=256) == pytest.approx(4.127, abs=0.0005)
    with pytest.raises(ValueError, match="1 or more"):
        q.bits_with_scales(0)


def test_nf4_is_made_of_quantiles() -> None:
    torch.testing.assert_close(
        q.normal_levels(), torch.tensor(NF4, dtype=torch.float64), rtol=0, atol=1e-6
    )


def test_fp4_is_that_of_bitsandbytes() -> None:
    from bitsandbytes.functional import get_4bit_type

    theirs = sorted({round(x, 6) + 0.0 for x in get_4bit_type("fp4", device="cpu").tolist()})
    assert [round(x, 6) for x in FP4] == theirs


def test_e2m1_is_by_its_bits_and_differs_from_fp4_in_one_level() -> None:
    by_rule = {
        s * x for s in (1, -1) for x in (0.5, *(m * 2.0**e for m in (1, 1.5) for e in range(3)))
    }
    assert [round(6 * x, 9) for x in E2M1] == sorted(by_rule | {0.0})
    apart = [x for x, theirs in zip(E2M1, FP4, strict=True) if abs(x - theirs) > 1e-6]
    assert apart == [pytest.approx(-1 / 12), pytest.approx(1 / 12)]


@pytest.mark.parametrize("plant", [q.with_outlier_channel, q.with_outlier_feature])
def test_a_planted_outlier_changes_nothing_that_is_computed(
    tiny: PreTrainedModel, plant: object
) -> None:
    before = logits(tiny)
    planted = plant(tiny, 64.0)  # type: ignore[operator]
    torch.testing.assert_close(logits(planted), before, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(logits(tiny), before)
    with pytest.raises(ValueError, match="more than 0"):
        plant(tiny, 0)  # type: ignore[operator]


def test_int8_products_are_near_and_the_split_is_nearer(tiny: PreTrainedModel) -> None:
    planted = q.with_outlier_feature(tiny, 256.0)
    exact = logits(planted)
    gaps = [
        float((logits(q.with_int8_products(planted, t)) - exact).abs().max()) for t in (0.0, 6.0)
    ]
    assert gaps[1] < gaps[0] / 4
    everything = q.with_int8_products(planted, 1e-9)
    torch.testing.assert_close(logits(everything), exact, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="0 or more"):
        q.with_int8_products(tiny, -1)


def test_layers_are_rounded_by_name(tiny: PreTrainedModel) -> None:
    groups = q.halves(tiny)
    assert list(groups) == ["attention 0", "MLP 0", "attention 1", "MLP 1"]
    assert sum(q.sizes_of(tiny).values()) == q.all_weights(tiny).numel()
    rounded = q.with_bits(tiny, dict.fromkeys(groups["MLP 1"], 2))
    changed = {
        n
        for n, layer in linear_layers(rounded).items()
        if not torch.equal(layer.weight, linear_layers(tiny)[n].weight)
    }
    assert changed == set(groups["MLP 1"])
    with pytest.raises(LookupError, match="no linear layer"):
        q.with_bits(tiny, {"nothing": 4})


def test_nf4_suits_normal_weights_and_int4_even_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    normal, even = torch.randn(64, 256, generator=generator), torch.rand(64, 256) * 2 - 1
    nf4, int4 = normal_float(64), integers(4, 64)
    assert q.relative_error(normal, nf4) < q.relative_error(normal, int4)
    assert q.relative_error(even, nf4) > q.relative_error(even, int4)


def test_a_bench_wants_texts(tiny: PreTrainedModel) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        q.Bench.of(tiny, None, Items([], lambda i, text: True), n=0)  # type: ignore[arg-type]


def test_published_sizes_are_met_and_fit_where_they_are_said_to() -> None:
    seven, thirteen, seventy, mixtral = memory_table.REAL
    assert seven.cache_bytes(1) == 0.5 * 2**20
    assert not memory_table.fits(seven, 16, 8) and memory_table.fits(seven, 4.127, 8)
    assert memory_table.fits(thirteen, 4.127, 16)
    assert not memory_table.fits(seventy, 16, 80) and memory_table.fits(seventy, 4.127, 80)
    assert not memory_table.fits(mixtral, 4.127, 24)
    table = memory_table.MemoryTable()
    assert len(table.rows()) == 12 and "Mixtral" in repr(table) and "<table>" in table._repr_html_()
    for bad in (lambda: fits_nothing(seven), lambda: seven.cache_bytes(-1)):
        with pytest.raises(ValueError, match="were given"):
            bad()


def fits_nothing(model: RealModel) -> bool:
    return memory_table.fits(model, 4, 0)
