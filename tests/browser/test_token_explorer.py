"""The token explorer in a real JupyterLab: prepared examples, text of one's own, linked places."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.cards import write_notebook
from tests.browser.lab import Notebook, Server

SETUP = """
from labkit.instruments import tokens
from labkit.widgets import TokenExplorer
readers = {name: tokens.reader(name) for name in ("tekken", "sentencepiece", "course")}
"""
SHOW = """
TokenExplorer(readers, {
    "Plain": "The ferry leaves.",
    "Greek": "Το πλοίο φεύγει.",
    "Lines": '[\\n  {"id": 1001},\\n  {"id": 1002}\\n]',
}, rate=2.0, key="cards/tokens")
"""


@pytest.fixture(scope="module")
def lab(shared_page: Page, lab_server: Server) -> Notebook:
    path = write_notebook(lab_server.root / "tokens.ipynb", [SETUP, SHOW])
    notebook = Notebook(shared_page, lab_server, path.name).open()
    notebook.run_all()
    notebook.hide_sidebar()
    return notebook


@pytest.fixture
def explorer(lab: Notebook) -> Locator:
    card = lab.card("cards/tokens")
    card.get_by_label("Text", exact=True).select_option("Plain")
    card.get_by_label("Dollars for a million").fill("2")
    return card


def counts(notebook: Notebook, text: str) -> str:
    """What the kernel's own readers count."""
    asked = f"print(*[each.count({text!a}) for each in readers.values()])"
    return notebook.ask_kernel(asked)


def row(card: Locator, name: str) -> Locator:
    return card.get_by_role("listbox", name=f"Tokens of {name}")


def test_an_example_shows_its_tokens_counts_and_cost(lab: Notebook, explorer: Locator) -> None:
    expect(explorer).to_have_attribute("data-counts", counts(lab, "The ferry leaves."))
    assert "".join(row(explorer, "Tekken").get_by_role("option").all_inner_texts()) == (
        "The·ferry·leaves."
    )
    number = int(counts(lab, "The ferry leaves.").split()[0])
    expect(explorer).to_contain_text(f"{number * 2 / 1000:.3f} $ for 1,000 such messages")
    explorer.get_by_label("Dollars for a million").fill("50")
    expect(explorer).to_contain_text(f"{number * 50 / 1000:.3f} $ for 1,000 such messages")


def test_ones_own_text_is_cut_by_the_real_tokenizers(lab: Notebook, explorer: Locator) -> None:
    text = 'Łódź, 12:30 🦜\n{"a": "b  c"}'
    explorer.get_by_label("Edit it").fill(text)
    expect(explorer).to_have_attribute("data-counts", counts(lab, text))
    expect(explorer.get_by_label("Text", exact=True)).to_have_value("-1")
    assert "‹" in row(explorer, "course").inner_text()  # half letters
    explorer.get_by_label("Edit it").fill("")
    expect(explorer).to_have_attribute("data-counts", "0 0 0")


def test_a_token_points_at_its_place_in_the_others(lab: Notebook, explorer: Locator) -> None:
    explorer.get_by_label("Text", exact=True).select_option("Greek")
    chosen = row(explorer, "Tekken").get_by_role("option").nth(1)
    chosen.hover()
    expect(chosen).to_have_attribute("aria-selected", "true")
    linked = row(explorer, "SentencePiece").locator(".labkit-linked")
    assert linked.count() >= 2
    said = explorer.locator(".labkit-place")
    expect(said).to_contain_text(f"{chosen.inner_text()} is token ")
    expect(said).to_contain_text(" | ".join(linked.all_inner_texts()))


def test_the_arrow_keys_go_from_token_to_token(lab: Notebook, explorer: Locator) -> None:
    cells = lab.cell_count()
    tokens = row(explorer, "Tekken")
    options = tokens.get_by_role("option")
    tokens.press("Home")
    tokens.press("ArrowRight")
    second = options.nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    expect(tokens).to_have_attribute("aria-activedescendant", str(second.get_attribute("id")))
    tokens.press("End")
    expect(options.last).to_have_attribute("aria-selected", "true")
    expect(second).to_have_attribute("aria-selected", "false")
    assert lab.cell_count() == cells


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(lab: Notebook, explorer: Locator, screenshots: Path, dark: bool) -> None:
    lab.theme(dark)
    explorer.get_by_label("Text", exact=True).select_option("Greek")
    row(explorer, "Tekken").get_by_role("option").nth(2).hover()
    assert lab.violations('[data-qid="cards/tokens"]') == []
    explorer.screenshot(path=screenshots / f"tokens-{'dark' if dark else 'light'}.png")
    lab.theme(False)


def test_it_fits_a_narrow_window(lab: Notebook, explorer: Locator, screenshots: Path) -> None:
    size = lab.page.viewport_size
    lab.page.set_viewport_size({"width": 420, "height": 900})
    explorer.get_by_label("Text", exact=True).select_option("Lines")
    expect(row(explorer, "Tekken")).to_be_visible()
    assert explorer.evaluate("card => card.scrollWidth - card.clientWidth") <= 0
    explorer.screenshot(path=screenshots / "tokens-narrow.png")
    assert size
    lab.page.set_viewport_size(size)


def test_without_a_kernel_the_examples_work_on(lab: Notebook, explorer: Locator) -> None:
    lab.shut_down_kernel()
    explorer.get_by_label("Text", exact=True).select_option("Greek")
    expect(row(explorer, "Tekken").get_by_role("option").first).to_contain_text("Το")
    explorer.get_by_label("Edit it").fill("lost")
    expect(explorer.locator(".labkit-status")).to_contain_text("run its cell first")
