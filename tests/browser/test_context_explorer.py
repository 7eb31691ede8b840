"""The context explorer in a real JupyterLab: what the budget packs, and what the model answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.cards import write_notebook
from tests.browser.lab import Notebook, Server

KEY = "cards/context"
EXPLORER = """
from labkit.instruments.context.packing import Tried
from labkit.widgets import ContextExplorer

NAMES = ["Anna", "Ben", "Clara", "Dora", "Emil", "Frida", "Gero", "Hanna"]
PETS = ["goat", "cat", "dog", "canary", "pony", "mouse", "donkey", "hen"]
texts = [[name, " has a ", pet, "."] for name, pet in zip(NAMES, PETS)]

def attempt(budget, order):
    chosen = order[: budget // 5][::-1]
    replies = [PETS[i] if i in chosen else "not stated" for i in range(3)]
    return Tried(budget, tuple(chosen), tuple(replies), tuple(i in chosen for i in range(3)))

budgets = (5, 10, 20, 40)
ContextExplorer(
    passages=texts,
    relevance=[9, 1, 4, 3, 2, 2, 1, 0],
    questions=[f"Q: Which pet does {name} have?\\nA: " for name in NAMES[:3]],
    answers=PETS[:3],
    sources=[[0], [1], [2]],
    packings={
        "per token": [attempt(budget, [0, 2, 3, 4, 5, 1, 6, 7]) for budget in budgets],
        "first come": [attempt(budget, [7, 6, 5, 4, 3, 2, 1, 0]) for budget in budgets],
    },
    key="cards/context",
)
"""


@pytest.fixture(scope="module")
def lab(shared_page: Page, lab_server: Server) -> Notebook:
    path = write_notebook(lab_server.root / "context.ipynb", [EXPLORER])
    notebook = Notebook(shared_page, lab_server, path.name).open()
    notebook.run_all()
    notebook.hide_sidebar()
    return notebook


@pytest.fixture
def explorer(lab: Notebook) -> Locator:
    card = lab.card(KEY)
    card.get_by_label("Question").select_option("Which pet does Anna have?")
    card.get_by_label("per token").check()
    card.get_by_role("slider", name="Budget").press("Home")
    return card


def test_a_larger_budget_packs_more_and_says_what_fell_out(explorer: Locator) -> None:
    slider = explorer.get_by_role("slider", name="Budget")
    expect(slider).to_have_attribute("aria-valuetext", "5 tokens")
    expect(explorer).to_have_attribute("data-chosen", "0")
    expect(explorer.get_by_text("Fallen out: 7 passages, 35 tokens")).to_be_visible()
    slider.press("ArrowRight")
    expect(explorer).to_have_attribute("data-chosen", "2 0")
    slider.press("End")
    expect(explorer).to_have_attribute("data-budget", "40")
    expect(explorer.get_by_text("Fallen out: 0 passages, 0 tokens")).to_be_visible()
    assert explorer.locator(".labkit-piece").count() == 8


def test_the_answer_changes_with_question_budget_and_packing(explorer: Locator) -> None:
    reply = explorer.locator(".labkit-reply")
    expect(reply).to_contain_text("The model says goat")
    expect(reply).to_contain_text("right")
    explorer.get_by_label("Question").select_option("Which pet does Ben have?")
    expect(reply).to_contain_text("wrong: it is cat. The answer is not in the window.")
    explorer.get_by_role("slider", name="Budget").press("End")
    expect(reply).to_contain_text("The model says cat")
    explorer.get_by_label("Question").select_option("Which pet does Anna have?")
    explorer.get_by_label("first come").check()
    explorer.get_by_role("slider", name="Budget").press("Home")
    expect(reply).to_contain_text("wrong: it is goat")
    expect(explorer.get_by_role("status")).to_contain_text("5 tokens: 1 of 8 passages packed.")


def test_the_passage_with_the_answer_is_named_in_words(explorer: Locator) -> None:
    expect(explorer.locator(".labkit-passages").first).to_contain_text("holds the answer")
    assert explorer.locator(".labkit-piece[data-source]").count() == 1
    explorer.get_by_label("first come").check()
    expect(explorer.locator(".labkit-outside")).to_contain_text("holds the answer")


def test_every_budget_stands_in_a_table(explorer: Locator) -> None:
    explorer.get_by_text("Right answers at every budget", exact=True).first.click()
    table = explorer.get_by_role("table")
    expect(table.get_by_role("row").nth(4)).to_contain_text("3 of 3")
    explorer.get_by_text("Right answers at every budget", exact=True).first.click()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(lab: Notebook, explorer: Locator, screenshots: Path, dark: bool) -> None:
    lab.theme(dark)
    explorer.get_by_role("slider", name="Budget").press("ArrowRight")
    assert lab.violations(f'[data-qid="{KEY}"]') == []
    explorer.screenshot(path=screenshots / f"context-{'dark' if dark else 'light'}.png")
    lab.theme(False)


def test_it_fits_a_narrow_window(lab: Notebook, explorer: Locator, screenshots: Path) -> None:
    size = lab.page.viewport_size
    lab.page.set_viewport_size({"width": 420, "height": 900})
    expect(explorer.locator(".labkit-strip")).to_be_visible()
    assert explorer.evaluate("card => card.scrollWidth - card.clientWidth") <= 0
    explorer.screenshot(path=screenshots / "context-narrow.png")
    assert size
    lab.page.set_viewport_size(size)
