"""The quantization explorer in a real JupyterLab: bits, groups, levels and an outlier row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from labkit.models.quantization.simulated import FP4, NF4
from labkit.widgets.quantization_explorer import measured
from tests.browser.cards import figure, write_notebook
from tests.browser.lab import Notebook, Server

KEY = "cards/quantization"
EXPLORER = f"""
import numpy as np
from labkit.widgets import QuantizationExplorer

weights = np.random.default_rng(0).normal(size=(256, 256))
QuantizationExplorer({{"normal": weights, "even": np.linspace(-1, 1, 64 * 96).reshape(64, 96)}},
    code_books={{"NF4": {list(NF4)}, "FP4": {list(FP4)}}}, key="{KEY}")
"""
WEIGHTS = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)


@pytest.fixture(scope="module")
def lab(shared_page: Page, lab_server: Server) -> Notebook:
    path = write_notebook(lab_server.root / "quantization.ipynb", [EXPLORER])
    notebook = Notebook(shared_page, lab_server, path.name).open()
    notebook.run_all()
    notebook.hide_sidebar()
    return notebook


@pytest.fixture
def explorer(lab: Notebook) -> Locator:
    """On the first matrix, with 2 bits by absmax and one scale for all."""
    card = lab.card(KEY)
    card.get_by_label("Matrix").select_option("normal")
    card.get_by_label("Levels", exact=True).select_option("absmax")
    card.get_by_role("checkbox").uncheck()
    card.get_by_role("slider", name="Bits").press("Home")
    card.get_by_role("slider", name="One scale for").press("Home")
    return card


def test_more_bits_and_smaller_blocks_lose_less(explorer: Locator) -> None:
    bits = explorer.get_by_role("slider", name="Bits")
    expect(bits).to_have_attribute("aria-valuetext", "2, 4 codes")
    errors = [figure(explorer, "error")]
    for _ in range(6):
        bits.press("ArrowRight")
        errors.append(figure(explorer, "error"))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(measured(WEIGHTS, ("absmax", 8, "matrix"), {})[0], rel=1e-3)
    group = explorer.get_by_role("slider", name="One scale for")
    group.press("End")
    expect(group).to_have_attribute("aria-valuetext", "16 weights")
    assert figure(explorer, "error") < errors[-1]
    assert figure(explorer, "bits") == 9.0
    assert figure(explorer, "bytes") == 256 * 256 * 9 / 8


def test_a_code_book_has_four_bits_and_its_error_is_that_of_python(explorer: Locator) -> None:
    explorer.get_by_label("Levels", exact=True).select_option("NF4")
    expect(explorer.get_by_role("slider", name="Bits")).to_be_disabled()
    group = explorer.get_by_role("slider", name="One scale for")
    for _ in range(4):
        group.press("ArrowRight")
    expect(group).to_have_attribute("aria-valuetext", "64 weights")
    wanted, cost = measured(WEIGHTS, ("NF4", 4, 64), {"NF4": list(NF4)})
    assert figure(explorer, "error") == pytest.approx(wanted, rel=1e-4)
    assert figure(explorer, "bits") == cost == 4.25
    expect(explorer.get_by_text("16 of 16")).to_be_visible()
    expect(explorer.get_by_role("status")).to_contain_text("4.250 bits a weight, 16 of 16 levels")


def test_an_outlier_row_ruins_one_scale_for_all_and_not_one_for_each_row(explorer: Locator) -> None:
    explorer.get_by_role("slider", name="Bits").press("End")
    group = explorer.get_by_role("slider", name="One scale for")
    sound = figure(explorer, "error")
    explorer.get_by_role("checkbox").check()
    assert figure(explorer, "error") > 10 * sound
    group.press("ArrowRight")
    expect(group).to_have_attribute("aria-valuetext", "each row")
    assert figure(explorer, "error") < 2 * sound


def test_the_levels_stand_in_a_table(explorer: Locator) -> None:
    explorer.get_by_label("Matrix").select_option("even")
    summary = explorer.get_by_text("The levels as a table")
    summary.click()
    table = explorer.get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(4)
    expect(table.get_by_role("row").nth(2)).to_contain_text("0.0000")
    expect(table.get_by_role("row").nth(2)).to_contain_text("50.0 %")
    summary.click()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(lab: Notebook, explorer: Locator, screenshots: Path, dark: bool) -> None:
    lab.theme(dark)
    explorer.get_by_role("slider", name="Bits").press("ArrowRight")
    explorer.get_by_role("slider", name="Bits").press("ArrowRight")
    assert lab.violations(f'[data-qid="{KEY}"]') == []
    explorer.screenshot(path=screenshots / f"quantization-{'dark' if dark else 'light'}.png")
    lab.theme(False)


def test_it_fits_a_narrow_window(lab: Notebook, explorer: Locator, screenshots: Path) -> None:
    size = lab.page.viewport_size
    lab.page.set_viewport_size({"width": 420, "height": 900})
    expect(explorer.locator(".labkit-histogram")).to_be_visible()
    assert explorer.evaluate("card => card.scrollWidth - card.clientWidth") <= 0
    explorer.screenshot(path=screenshots / "quantization-narrow.png")
    assert size
    lab.page.set_viewport_size(size)
