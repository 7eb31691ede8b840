"""The tables, figures and bitsandbytes' side of lesson 12."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from labkit.estimates import known
from labkit.instruments import tables
from labkit.instruments.quantization import bench as q
from labkit.instruments.quantization import bitsandbytes_layers as library
from labkit.instruments.quantization import kernels_table, memory_table, plots
from labkit.instruments.threads import one_thread
from labkit.models.quantization.simulated import integers, linear_layers, normal_float, quantized
from labkit.models.quantization.stored import load_quantized, quantized_layers

TEXTS = [[3, 5, 8, 13, 21], [4, 6]]


@pytest.fixture(scope="module")
def tiny() -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=160, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=1, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def whole(tiny: PreTrainedModel) -> kernels_table.Stored:
    return kernels_table.in_torch("torch fp32", tiny, kernels_table.resident_bytes(tiny))


def test_the_loss_of_a_kernel_is_that_of_the_model(
    tiny: PreTrainedModel, whole: kernels_table.Stored
) -> None:
    total = 0.0
    for row in TEXTS:
        ids = torch.tensor([row])
        with torch.no_grad():
            total += float(tiny(input_ids=ids, labels=ids).loss) * (len(row) - 1)
    assert kernels_table.loss_of(whole, TEXTS) == pytest.approx(total / 5, rel=1e-5)
    with pytest.raises(ValueError, match="at least one"):
        kernels_table.loss_of(whole, [])


def test_onnx_computes_the_same_and_int8_nearly(
    tiny: PreTrainedModel, whole: kernels_table.Stored
) -> None:
    exact, rounded, full = kernels_table.in_onnx(tiny)
    ids = torch.tensor([[3, 5, 8, 13, 21, 34, 55]])
    torch.testing.assert_close(exact.forward(ids), whole.forward(ids), rtol=1e-4, atol=1e-5)
    gap = (rounded.forward(ids) - whole.forward(ids)).norm() / whole.forward(ids).norm()
    assert 0 < gap < 0.1
    assert rounded.bytes < exact.bytes and abs(full.bytes - rounded.bytes) < 1000


@pytest.mark.parametrize(
    ("kept", "fits"), [("ONNX Runtime int8", True), ("ONNX, all 8 bits", False)]
)
def test_two_products_fit_into_16_bits_where_weights_have_7(
    tiny: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, kept: str, fits: bool
) -> None:
    """What a processor without VNNI would add up, whatever this one does: activations to 255."""
    weights: dict[str, list[np.ndarray]] = {}

    def keep(name: str, path: Path) -> kernels_table.Stored:
        tensors = map(onnx.numpy_helper.to_array, onnx.load(path).graph.initializer)
        weights[name] = [
            one.astype(int) for one in tensors if one.dtype == np.int8 and one.ndim == 2
        ]
        return kernels_table.Stored(name, torch.zeros_like, 1)

    monkeypatch.setattr(kernels_table, "_session", keep)
    kernels_table.in_onnx(tiny)

    assert len(weights[kept]) >= 7 * 2  # the linear layers of its blocks
    worst = max(2 * 255 * int(abs(one).max()) for one in weights[kept])
    assert (worst <= 2**15 - 1) is fits


def test_dynamic_int8_and_bfloat16_are_smaller_and_near(
    tiny: PreTrainedModel, whole: kernels_table.Stored
) -> None:
    ids = torch.tensor([[3, 5, 8, 13]])
    half, rounded = kernels_table.in_bfloat16(tiny), kernels_table.dynamic_int8(tiny)
    assert half.bytes == whole.bytes // 2 and rounded.bytes < whole.bytes
    for other in (half, rounded):
        gap = (other.forward(ids).float() - whole.forward(ids)).norm()
        assert 0 < gap < 0.2 * whole.forward(ids).norm()


def test_bytes_in_memory_are_counted_with_scales_and_ties_once(tiny: PreTrainedModel) -> None:
    assert kernels_table.resident_bytes(tiny) == 4 * tiny.num_parameters()
    nf4, int8 = (kernels_table.in_bitsandbytes(kind, kind) for kind in ("nf4", "int8"))
    layers = quantized_layers(load_quantized("base", "nf4")).values()
    weights = sum(layer.in_features * layer.out_features for layer in layers)
    rows = sum(layer.out_features for layer in layers)
    assert int8.bytes - nf4.bytes == weights * (8 - 4.5) / 8 + 4 * rows


def test_the_table_has_a_row_for_each_way_and_ratios_to_the_first(
    whole: kernels_table.Stored,
) -> None:
    again = kernels_table.Stored("again", whole.forward, 7)
    table = kernels_table.KernelsTable.of([whole, again], TEXTS, many=16, repeats=1)
    assert [row.name for row in table.rows] == ["torch fp32", "again"]
    assert table.cells()[0][4] == table.cells()[0][6] == "x 1.00"
    first, second = table.rows
    assert first.loss == second.loss and min(first.one, first.many) > 0
    assert table.speed_up("again", "torch fp32") == first.many / second.many
    assert "16 tokens (ms)" in repr(table) and "<td>again</td>" in table._repr_html_()
    with pytest.raises(LookupError, match="there are"):
        table.row("gone")
    with pytest.raises(ValueError, match="at least one"):
        kernels_table.KernelsTable.of([], TEXTS)
    with pytest.raises(ValueError, match="at least 1"):
        kernels_table.milliseconds(whole, torch.ones(1, 2, dtype=torch.long), repeats=0)


def test_threads_are_as_before_after_timing() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_a_memory_table_counts_the_cache_of_its_tokens() -> None:
    seven, *_ = memory_table.REAL
    short, long = memory_table.MemoryTable(1024), memory_table.MemoryTable(32_768)
    assert short.rows()[0][3] == "0.5" and long.rows()[0][3] == "17.2"
    assert short.rows()[2][4] == "yes" and long.rows()[2][4] == "no"
    assert memory_table.fits(seven, 16, 24, 4096) and not memory_table.fits(seven, 16, 16, 4096)
    assert "32,768" in long.columns()[3]
    with pytest.raises(ValueError, match="more than 0"):
        seven.weight_bytes(0)


def test_tables_are_escaped_and_aligned() -> None:
    assert tables.as_html(["a<b"], [["<i>"]]).count("&lt;") == 2
    assert tables.as_text(["a", "b"], [["long", "x"]]) == "a     b\nlong  x"


def test_bytes_are_those_of_bitsandbytes_and_a_difference_is_counted() -> None:
    weight = torch.randn(64, 128, generator=torch.Generator().manual_seed(1))
    codes, scales = quantized(weight, normal_float(64))
    packed = q.pack_codes(codes, 4)
    assert library.bytes_apart((packed, scales.flatten()), weight, 64) == (0, 4096 + 4 * 128)
    packed[5] += 1
    assert library.bytes_apart((packed, 1.01 * scales.flatten()), weight, 64)[0] == 1 + 4 * 128
    torch.testing.assert_close(library.library_levels("nf4"), torch.tensor(normal_float(64).levels))


def test_gradients_come_through_whatever_was_read_before() -> None:
    before, after = library.gradient_through(load_quantized("base", "nf4"))
    assert before == after > 0


@pytest.mark.parametrize("here", {library.packing_happens_here(), False})
def test_packing_lets_none_through_where_the_processor_makes_it_happen(
    here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on this processor, and as on one without AVX512_BF16."""
    monkeypatch.setattr(library, "packing_happens_here", lambda: here)
    delivered = library.packed_by_the_library(load_quantized("base", "nf4"))

    before, after = library.gradient_through(delivered)

    assert before > 0 and after == (0 if here else before)


def test_the_split_takes_what_is_above_the_threshold(tiny: PreTrainedModel) -> None:
    class Reads:
        def loss(self, model: PreTrainedModel) -> None:
            with torch.no_grad():
                model(torch.arange(1, 20)[None])

    planted = q.with_outlier_feature(tiny, 1000.0)
    shares = library.split_shares(planted, Reads(), 20.0)  # type: ignore[arg-type]
    assert shares["q_proj"] == shares["up_proj"] == pytest.approx(1 / 32)
    assert shares["down_proj"] == 0


def test_weights_are_stored_by_a_function_of_ones_own(tiny: PreTrainedModel) -> None:
    name = next(iter(linear_layers(tiny)))
    only = q.with_weights(tiny, torch.zeros_like, {name})
    zero = {n for n, layer in linear_layers(only).items() if not layer.weight.any()}
    assert zero == {name}
    assert linear_layers(tiny)[name].weight.any()


def test_a_function_of_rows_rounds_any_group() -> None:
    weight = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))

    def to_whole(rows: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
        codes, scales = quantized(rows, integers(bits, "channel"))
        top = 2 ** (bits - 1) - 1
        return codes - top, scales / top

    for group in ("tensor", "channel", 16):
        stored = q.stored_in_groups(to_whole, 4, group)(weight)  # type: ignore[arg-type]
        torch.testing.assert_close(stored, q.round_trip(weight, integers(4, group)))  # type: ignore[arg-type]


def test_choices_by_lot_use_up_the_budget(tiny: PreTrainedModel) -> None:
    sizes = [10, 30, 20, 40]
    drawn = q.drawn_within(sizes, (2, 3, 4), 300, n=4)
    costs = [sum(a * b for a, b in zip(sizes, bits, strict=True)) for bits in drawn]
    assert len({tuple(bits) for bits in drawn}) == 4 and all(294 <= c <= 300 for c in costs)
    assert drawn == q.drawn_within(sizes, (2, 3, 4), 300, n=4)
    with pytest.raises(ValueError, match="larger than population"):
        q.drawn_within(sizes, (2, 3, 4), 100, n=4)
    bits = q.per_layer(tiny, [2, 3, 4, 5])
    assert len(bits) == 14 and bits["model.layers.1.mlp.down_proj"] == 5


def test_figures_say_what_they_show_and_have_their_numbers() -> None:
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    levels = plots.levels_over(weight, [integers(2, "tensor")], alt="Three levels.")
    assert levels.table["int2 per tensor"][:2] == [3, 3]
    rises = plots.rises({"rows": {4: known("a", 0.01), 3: known("b", -0.2)}},
                                     x_label="bits", alt="A rise.")  # fmt: skip
    assert rises.table["rise"] == ["0.0100", "-0.2000"] and rises.alt == "A rise."
    bars = plots.rise_bars({"MLP 0": {"2 bits": 0.5, "4 bits": -0.1}}, y_label="rise", alt="Bars.")
    assert bars.table["4 bits"] == ["-0.1000"] and bars.png.startswith(b"\x89PNG")
