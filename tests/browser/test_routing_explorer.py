"""The routing explorer in a real JupyterLab: examples, any k, one's own text, experts' tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.cards import write_notebook
from tests.browser.lab import Notebook, Server

KEY = "cards/routing"
SETUP = """
import torch
from transformers import AutoTokenizer
from dataclasses import replace
from labkit.instruments.experts.routers import Router
from labkit.models.training import architectures
from labkit.models.training.recipes import find_recipe
from labkit.models.zoo import folder_of
from labkit.widgets import RoutingExplorer

tokenizer = AutoTokenizer.from_pretrained(folder_of("base"))
torch.manual_seed(0)
recipe = find_recipe("moe")
model = architectures.build(replace(recipe, shape={**recipe.shape, "hidden_size": 64}), tokenizer)
router = Router(model.eval(), tokenizer)
"""
SHOW = f"""
RoutingExplorer(router, {{
    "Sums": "Q: 12 + 30 = 42\\nQ: 7 + 8 = 15\\n",
    "Story": "Once upon a time there was a baker.",
}}, trained_with=2, key="{KEY}")
"""


@pytest.fixture(scope="module")
def lab(shared_page: Page, lab_server: Server) -> Notebook:
    path = write_notebook(lab_server.root / "routing.ipynb", [SETUP, SHOW])
    notebook = Notebook(shared_page, lab_server, path.name).open()
    notebook.run_all()
    notebook.hide_sidebar()
    return notebook


@pytest.fixture
def explorer(lab: Notebook) -> Locator:
    card = lab.card(KEY)
    card.get_by_label("Text", exact=True).select_option("Story")
    slider(card).press("Home")
    slider(card).press("ArrowRight")
    return card


def slider(card: Locator) -> Locator:
    return card.get_by_role("slider", name="Experts per token")


def row(card: Locator, layer: int) -> Locator:
    return card.get_by_role("listbox", name=f"Tokens in layer {layer}")


def taken(notebook: Notebook, text: str, k: int) -> str:
    """What the kernel's own router counts, in the form of the card's attribute."""
    return notebook.ask_kernel(
        f"way = router({text!a}).ways[{k - 1}]\n"
        "taken = [way.chosen(i).flatten().bincount(minlength=8).tolist() for i in range(2)]\n"
        "print(' | '.join(' '.join(map(str, counts)) for counts in taken))"
    )


STORY = "Once upon a time there was a baker."


def test_an_example_is_shown_as_the_router_routes_it(lab: Notebook, explorer: Locator) -> None:
    expect(slider(explorer)).to_have_attribute("aria-valuetext", "2, as trained")
    expect(explorer).to_have_attribute("data-taken", taken(lab, STORY, 2))
    first = lab.ask_kernel(f"print(*router({STORY!a}).ways[1].chosen(1)[:, 0].tolist())").split()
    assert explorer.locator(".labkit-layer").nth(1).locator(
        ".labkit-chip sub"
    ).all_inner_texts() == (first)


def test_k_goes_from_one_to_all(lab: Notebook, explorer: Locator) -> None:
    slider(explorer).press("Home")
    expect(explorer).to_have_attribute("data-k", "1")
    expect(explorer).to_have_attribute("data-taken", taken(lab, STORY, 1))
    expect(explorer).to_contain_text("13 %")
    slider(explorer).press("End")
    expect(explorer).to_have_attribute("data-taken", taken(lab, STORY, 8))
    expect(explorer).to_contain_text("100 %")


def test_ones_own_text_is_routed_by_the_kernel(lab: Notebook, explorer: Locator) -> None:
    text = "print(3 * 4)\nédition"
    explorer.get_by_label("Edit it").fill(text)
    expect(explorer).to_have_attribute("data-taken", taken(lab, text, 2))
    expect(explorer.get_by_label("Text", exact=True)).to_have_value("-1")
    explorer.get_by_label("Edit it").fill(" ")
    expect(explorer.locator(".labkit-status")).to_contain_text("there is no token yet")


def test_a_token_tells_its_experts_and_an_expert_its_tokens(
    lab: Notebook, explorer: Locator
) -> None:
    cells = lab.cell_count()
    row(explorer, 0).press("Home")
    row(explorer, 0).press("ArrowRight")
    second = row(explorer, 0).get_by_role("option").nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    said = explorer.locator(".labkit-place")
    expect(said).to_contain_text("is token 2 of")
    expect(said).to_contain_text("Layer 1: expert ")
    experts = explorer.get_by_role("group", name="Experts of layer 0").get_by_role("button")
    busiest = max(range(8), key=lambda i: int(experts.nth(i).inner_text().split()[-1]))
    experts.nth(busiest).click()
    expect(experts.nth(busiest)).to_have_attribute("aria-pressed", "true")
    tokens = row(explorer, 0).get_by_role("option")
    left = tokens.count() - row(explorer, 0).locator("[data-faded]").count()
    count = f"{left} token{'' if left == 1 else 's'} of {tokens.count()}"
    label = f"Expert {busiest} takes {count}"
    expect(experts.nth(busiest)).to_have_attribute("aria-label", label)
    experts.nth(busiest).click()
    assert row(explorer, 0).locator("[data-faded]").count() == 0
    assert lab.cell_count() == cells


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(lab: Notebook, explorer: Locator, screenshots: Path, dark: bool) -> None:
    lab.theme(dark)
    row(explorer, 1).get_by_role("option").nth(2).hover()
    assert lab.violations(f'[data-qid="{KEY}"]') == []
    explorer.screenshot(path=screenshots / f"routing-{'dark' if dark else 'light'}.png")
    lab.theme(False)


def test_it_fits_a_narrow_window(lab: Notebook, explorer: Locator, screenshots: Path) -> None:
    size = lab.page.viewport_size
    lab.page.set_viewport_size({"width": 420, "height": 900})
    expect(row(explorer, 0)).to_be_visible()
    assert explorer.evaluate("card => card.scrollWidth - card.clientWidth") <= 0
    explorer.screenshot(path=screenshots / "routing-narrow.png")
    assert size
    lab.page.set_viewport_size(size)


def test_without_a_kernel_the_examples_work_on(lab: Notebook, explorer: Locator) -> None:
    lab.shut_down_kernel()
    explorer.get_by_label("Text", exact=True).select_option("Sums")
    expect(row(explorer, 0).get_by_role("option").first).to_contain_text("Q")
    slider(explorer).press("End")
    expect(explorer).to_have_attribute("data-k", "8")
    explorer.get_by_label("Edit it").fill("lost")
    expect(explorer.locator(".labkit-status")).to_contain_text("run its cell first")
