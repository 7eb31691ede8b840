"""What the quantization explorer sends and refuses; its JavaScript against torch's rounding."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labkit.models.quantization.simulated import FP4, NF4, Scheme, integers, quantized, round_trip
from labkit.widgets import QuantizationExplorer
from labkit.widgets.base import HERE
from labkit.widgets.quantization_explorer import measured

NODE = shutil.which("node")
BOOKS = {"NF4": list(NF4), "FP4": list(FP4)}
ROWS, COLUMNS = 12, 40


def weights() -> torch.Tensor:
    """Numbers of rows that differ in size; a row of zeros, a last block that is short."""
    found = torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))
    found *= torch.arange(1, ROWS + 1)[:, None] / 4
    found[3] = 0
    return found


def scheme_of(setting: dict[str, Any]) -> Scheme:
    group = {"matrix": "tensor", "row": "channel"}.get(setting["group"], setting["group"])
    if setting["scheme"] in BOOKS:
        return Scheme(setting["scheme"], 4, group, tuple(BOOKS[setting["scheme"]]))
    return integers(setting["bits"], group)


def error_between(numbers: torch.Tensor, stored: torch.Tensor) -> float:
    return float(((stored - numbers).square().sum() / numbers.square().sum()).sqrt())


SETTINGS = [
    {"scheme": scheme, "bits": bits, "group": group}
    for scheme, widths in (("absmax", (2, 3, 4, 8)), ("NF4", (4,)), ("FP4", (4,)))
    for bits in widths
    for group in ("matrix", "row", 64, 16)
]


def test_the_matrices_travel_once_as_32_bit_floats() -> None:
    explorer = QuantizationExplorer({"a": weights().numpy(), "b": [[1.0, -2.0]]}, BOOKS)
    assert explorer.matrices == [
        {"name": "a", "rows": ROWS, "columns": COLUMNS},
        {"name": "b", "rows": 1, "columns": 2},
    ]
    sent = np.frombuffer(explorer.weights, dtype="<f4")
    np.testing.assert_array_equal(sent[:-2], weights().flatten().numpy())
    assert sent[-2:].tolist() == [1.0, -2.0]
    assert explorer.code_books[0] == {"name": "NF4", "levels": list(NF4)}


def test_it_reads_as_a_table_with_error_and_bytes() -> None:
    explorer = QuantizationExplorer({"<queries>": weights().numpy()}, BOOKS)
    (rows,) = explorer.tables().values()
    assert [row[0] for row in rows] == ["absmax"] * 6 + ["NF4", "FP4"]
    assert rows[1][4:] == [f"{4 + 16 / 480:.3f}", "242"]
    assert "<caption>&lt;queries&gt;</caption>" in explorer.as_html()
    assert "one scale for" in repr(explorer) and rows[0][3] in repr(explorer)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_the_table_has_the_error_of_the_real_rounding(setting: dict[str, Any]) -> None:
    error, cost = measured(weights().numpy(), tuple(setting.values()), BOOKS)  # type: ignore[arg-type]
    scheme = scheme_of(setting)
    assert error == pytest.approx(error_between(weights(), round_trip(weights(), scheme)), rel=1e-4)
    assert cost == pytest.approx(scheme.bits_per_weight(weights()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (({},), "at least one"),
        (({"a": [1.0, 2.0]},), "give a matrix"),
        (({"a": np.zeros((0, 3))},), "give a matrix"),
        (({"a": [[1.0, float("nan")]]},), "NaN or infinity"),
        (({"a": [[1.0]]}, {"bad": [1.0, -1.0]}), "ascend"),
        (({"a": [[1.0]]}, {"bad": [-2.0, 1.0]}), "from -1 to 1"),
        (({"a": [[1.0]]}, {"bad": list(np.linspace(-1, 1, 17))}), "2 to 16"),
    ],
)
def test_what_is_no_matrix_and_no_code_book_is_refused(given: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        QuantizationExplorer(*given)


def in_node(body: str, given: Any, folder: Path) -> Any:
    """Run a function body on `given`, with the module's exports at hand; give its answer."""
    module = folder / "quantization_math.mjs"
    module.write_text((HERE / "quantization_math.js").read_text("utf-8"), "utf-8")
    main = folder / "main.mjs"
    main.write_text(
        "import { bitsPerWeight, levelsForHalf, levelsOf, measure, roundEven }"
        f" from './{module.name}';\nimport {{ readFileSync }} from 'node:fs';\n"
        f"const answer = ((given) => {{ {body} }})(JSON.parse(readFileSync(0, 'utf-8')));\n"
        "console.log(JSON.stringify(answer));\n",
        "utf-8",
    )
    done = subprocess.run(
        [str(NODE), str(main)], input=json.dumps(given), capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout)


MEASURE = """return given.settings.map((setting) => {
    const floats = Float32Array.from(given.weights);
    const { rows, columns, books } = given;
    const found = measure(floats, rows, columns, setting, books, given.skip ?? -1);
    return { error: found.error, counts: [...found.counts], counted: found.counted,
        seen: found.histogram.reduce((sum, n) => sum + n, 0),
        bits: bitsPerWeight(setting, rows, columns) };
});"""


def measured_in_node(settings: list[dict[str, Any]], folder: Path, **more: Any) -> list[Any]:
    given = {"weights": weights().flatten().tolist(), "rows": ROWS, "columns": COLUMNS}
    return in_node(MEASURE, given | {"books": BOOKS, "settings": settings} | more, folder)


needs_node = pytest.mark.skipif(NODE is None, reason="no node here; Chromium runs the explorer")


@needs_node
def test_the_browser_rounds_as_torch_does(tmp_path: Path) -> None:
    for setting, found in zip(SETTINGS, measured_in_node(SETTINGS, tmp_path), strict=True):
        scheme = scheme_of(setting)
        wanted = error_between(weights(), round_trip(weights(), scheme))
        assert found["error"] == pytest.approx(wanted, rel=1e-4), setting
        assert found["bits"] == pytest.approx(scheme.bits_per_weight(weights())), setting
        codes, _ = quantized(weights(), scheme)
        counts = torch.bincount(codes.flatten()[: ROWS * COLUMNS], minlength=len(scheme.levels))
        assert found["counts"] == counts.tolist(), setting
        assert found["seen"] == found["counted"] == ROWS * COLUMNS


@needs_node
@pytest.mark.parametrize("bits", [2, 3, 8])
def test_the_browsers_zero_point_is_that_of_torch(bits: int, tmp_path: Path) -> None:
    setting = {"scheme": "zero point", "bits": bits, "group": "matrix"}
    (found,) = measured_in_node([setting], tmp_path)
    low, high = float(weights().min()), float(weights().max())
    scale = (high - low) / (2**bits - 1)
    stored = torch.fake_quantize_per_tensor_affine(
        weights(), scale, round(-low / scale), 0, 2**bits - 1
    )
    assert found["error"] == pytest.approx(error_between(weights(), stored), rel=1e-3)
    assert found["bits"] == pytest.approx(bits + 24 / (ROWS * COLUMNS))


@needs_node
def test_an_outlier_row_is_rounded_with_the_others_and_not_counted(tmp_path: Path) -> None:
    setting = {"scheme": "absmax", "bits": 8, "group": "matrix"}
    (found,) = measured_in_node([setting], tmp_path, skip=ROWS - 1)
    stored = round_trip(weights(), integers(8, "tensor"))
    wanted = error_between(weights()[:-1], stored[:-1])
    assert found["error"] == pytest.approx(wanted, rel=1e-4)
    assert found["counted"] == (ROWS - 1) * COLUMNS


@needs_node
def test_halves_go_to_the_even_number_and_half_the_weights_are_found(tmp_path: Path) -> None:
    body = "return [given.map(roundEven), levelsForHalf([1, 5, 2, 2], 10), levelsForHalf([], 0)];"
    halves = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.4, -0.6, 3.0]
    rounded, levels, none = in_node(body, halves, tmp_path)
    assert rounded == torch.tensor(halves).round().tolist()
    assert (levels, none) == (1, 0)
