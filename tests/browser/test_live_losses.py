"""The loss curve in a real JupyterLab: it moves while the kernel works, and is drawn by frames."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.cards import write_notebook
from tests.browser.lab import Notebook, Server

KEY = "cards/losses"
BEGUN = re.compile(r"^M.+L.+")  # a line of two points or more
RUN = """
import math, pathlib, time
from labkit.widgets import LossCurve, loss_curve
loss_curve.PUSHES_A_SECOND = 200  # far more than frames: the browser has to leave some out
go = pathlib.Path("go-on")
curve = LossCurve(steps=400, name="Loss of a test", key="cards/losses")
curve.show()
for step in range(400):
    if step == 200:
        while not go.exists():  # the middle, held for the test
            time.sleep(0.01)
    curve.add(9 * math.exp(-step / 40) + 0.002)
    time.sleep(0.002)
"""


@pytest.fixture(scope="module")
def lab(shared_page: Page, lab_server: Server) -> Notebook:
    path = write_notebook(lab_server.root / "losses.ipynb", [RUN])
    notebook = Notebook(shared_page, lab_server, path.name).open()
    notebook.hide_sidebar()
    return notebook


@pytest.fixture(scope="module")
def curve(lab: Notebook, lab_server: Server) -> Locator:
    """Run to the middle, look, and let it end."""
    lab.run_cell(0, wait=False)
    card = lab.card(KEY)
    expect(card.locator(".labkit-mean")).to_have_attribute("d", BEGUN, timeout=30_000)
    expect(card).to_contain_text("of 400")
    assert 0 < int(card.get_attribute("data-points") or 0) <= 200
    (lab_server.root / "go-on").touch()
    expect(card).to_have_attribute("data-points", "400", timeout=30_000)
    lab.wait_for_kernel("idle")
    return card


def test_it_is_drawn_no_more_often_than_there_are_frames(curve: Locator) -> None:
    pushes = int(curve.get_attribute("data-pushes") or 0)
    drawings = int(curve.get_attribute("data-drawings") or 0)
    assert 1 <= drawings <= pushes + 2  # a change of width draws too
    expect(curve.locator("dd").nth(0)).to_have_text("400 of 400")
    expect(curve.locator("dd").nth(2)).to_have_text("9.00 nats")
    expect(curve.get_by_role("status")).to_contain_text("Step 400 of 400")


def test_the_numbers_stand_in_a_table(curve: Locator) -> None:
    curve.get_by_text("The numbers as a table").click()
    rows = curve.get_by_role("table").get_by_role("row")
    expect(rows.nth(1).get_by_role("rowheader")).to_have_text("1")
    expect(rows.last.get_by_role("rowheader")).to_have_text("400")
    curve.get_by_text("The numbers as a table").click()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(lab: Notebook, curve: Locator, screenshots: Path, dark: bool) -> None:
    lab.theme(dark)
    assert lab.violations(f'[data-qid="{KEY}"]') == []
    curve.screenshot(path=screenshots / f"losses-{'dark' if dark else 'light'}.png")
    lab.theme(False)


def test_it_fits_a_narrow_window(lab: Notebook, curve: Locator, screenshots: Path) -> None:
    size = lab.page.viewport_size
    lab.page.set_viewport_size({"width": 420, "height": 900})
    assert curve.evaluate("card => card.scrollWidth - card.clientWidth") <= 0
    curve.screenshot(path=screenshots / "losses-narrow.png")
    assert size
    lab.page.set_viewport_size(size)
