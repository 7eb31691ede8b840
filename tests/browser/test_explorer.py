"""The sampling explorer in a real JupyterLab: what a slider does to the bars, rightly."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from labkit.widgets.base import HERE
from tests.browser.cards import EXPLORER, SETUP, figure, write_cards, write_notebook
from tests.browser.lab import Notebook, Server
from tests.widgets.sampling_cases import cases, processed

SETTLE_ALL = """async ([source, given]) => {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { distributionOf, rank } = await import(url);
    return given.map(({ logits, settings }) => {
        const floats = Float32Array.from(logits);
        const { probabilities, cut, ...rest } = distributionOf(floats, rank(floats), settings);
        return { probabilities: [...probabilities], cut: [...cut], ...rest };
    });
}"""


@pytest.fixture(scope="module")
def lab(shared_page: Page, lab_server: Server) -> Notebook:
    write_cards(lab_server.root)
    path = write_notebook(lab_server.root / "explorer.ipynb", [SETUP, EXPLORER])
    notebook = Notebook(shared_page, lab_server, path.name).open()
    notebook.run_all()
    notebook.hide_sidebar()
    return notebook


@pytest.fixture
def explorer(lab: Notebook) -> Locator:
    card = lab.card("cards/explorer")
    card.get_by_label("Prompt").select_option("The first")
    card.get_by_role("button", name="Reset").click()
    return card


def bars(card: Locator) -> list[float]:
    widths = "rects => rects.map(rect => Number(rect.getAttribute('width')))"
    return list(card.locator(".labkit-now").evaluate_all(widths))


def turn(card: Locator, name: str, key: str, times: int) -> Locator:
    slider = card.get_by_role("slider", name=name)
    for _ in range(times):
        slider.press(key)
    return slider


def logits(notebook: Notebook) -> list[float]:
    said = notebook.ask_kernel(
        "import json; from labkit.widgets import Card;"
        "print(json.dumps(list(Card.live('cards/explorer')._floats[0])))"
    )
    return list(json.loads(said))


def shown_entropy(card: Locator) -> float:
    return figure(card, "entropy")


def test_a_slider_moves_the_bars(lab: Notebook, explorer: Locator) -> None:
    cells = lab.cell_count()
    before = bars(explorer)
    temperature = turn(explorer, "Temperature", "ArrowRight", 3)
    expect(temperature).to_have_attribute("aria-valuetext", "2")
    after = bars(explorer)
    assert after[0] < before[0]
    assert sorted(after, reverse=True) == after  # temperature never changes the order
    turn(explorer, "Temperature", "Home", 1)
    expect(temperature).to_have_attribute("aria-valuetext", "0, always the likeliest")
    assert [width > 0 for width in bars(explorer)] == [True] + [False] * 14
    assert lab.cell_count() == cells


def test_what_it_shows_is_what_transformers_draws_from(lab: Notebook, explorer: Locator) -> None:
    turn(explorer, "Temperature", "ArrowRight", 2)  # 1.5
    turn(explorer, "Top-k", "ArrowRight", 1)  # 50
    turn(explorer, "Top-p", "ArrowRight", 3)  # 0.9
    turn(explorer, "Min-p", "ArrowRight", 3)  # 0.05
    settings = {"temperature": 1.5, "topK": 50, "topP": 0.9, "minP": 0.05}
    scores = processed(logits(lab), settings)
    probabilities = scores.double().softmax(-1)
    entropy = torch.special.entr(probabilities).sum().item()
    expect(explorer).to_have_attribute("data-kept", str(int((scores > -torch.inf).sum())))
    assert shown_entropy(explorer) == pytest.approx(entropy, abs=1e-4)
    expect(explorer).to_contain_text(f"{entropy:.2f} nats")
    expect(explorer).to_contain_text(f"{entropy / math.log(2):.2f} bits")
    expect(explorer).to_contain_text(f"{math.exp(entropy):.1f} tokens")
    explorer.get_by_text("The numbers as a table").click()
    cells = explorer.get_by_role("table").get_by_role("row").nth(1).get_by_role("cell")
    expect(cells.nth(2)).to_have_text(f"{100 * probabilities.max():.1f} %")
    explorer.get_by_text("The numbers as a table").click()


def test_the_browser_computes_as_transformers_does(lab: Notebook) -> None:
    wanted = cases(120, seed=1)
    source = (HERE / "sampling_math.js").read_text("utf-8")
    answers = lab.evaluate(SETTLE_ALL, [source, [case.as_json() for case in wanted]])
    for case, answer in zip(wanted, answers, strict=True):
        case.check(answer)


def test_a_cut_token_says_what_cut_it(explorer: Locator) -> None:
    turn(explorer, "Top-k", "End", 1)  # 1
    expect(explorer.locator("svg").get_by_text("cut: top-k")).to_have_count(14)
    assert explorer.locator('.labkit-ghost[fill^="url"]').count() == 14
    expect(explorer.get_by_role("status")).to_contain_text("1 of 2,000 tokens kept")


def test_draws_are_counted_and_come_again_after_a_reset(explorer: Locator) -> None:
    tally = explorer.locator(".labkit-tally")
    explorer.get_by_role("button", name="Draw 20").click()
    explorer.get_by_role("button", name="Draw 1", exact=True).click()
    expect(tally).to_contain_text("21: ")
    first = tally.inner_text()
    explorer.get_by_role("button", name="Reset").click()
    expect(tally).to_contain_text("Draw from the distribution")
    explorer.get_by_role("button", name="Draw 20").click()
    explorer.get_by_role("button", name="Draw 1", exact=True).click()
    assert tally.inner_text() == first


def test_another_prompt_keeps_the_settings(explorer: Locator) -> None:
    slider = turn(explorer, "Temperature", "ArrowRight", 2)
    explorer.get_by_label("Prompt").select_option("The second")
    expect(explorer.locator(".labkit-sentence")).to_contain_text("The second")
    expect(slider).to_have_attribute("aria-valuetext", "1.5")
    expect(explorer).to_contain_text("of 40")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(lab: Notebook, explorer: Locator, screenshots: Path, dark: bool) -> None:
    lab.theme(dark)
    turn(explorer, "Temperature", "ArrowRight", 1)
    turn(explorer, "Top-p", "ArrowRight", 4)
    explorer.get_by_role("button", name="Draw 20").click()
    explorer.get_by_text("The numbers as a table").click()
    assert lab.violations('[data-qid="cards/explorer"]') == []
    explorer.get_by_text("The numbers as a table").click()
    explorer.screenshot(path=screenshots / f"explorer-{'dark' if dark else 'light'}.png")
    lab.theme(False)


def test_it_fits_a_narrow_window(lab: Notebook, explorer: Locator, screenshots: Path) -> None:
    size = lab.page.viewport_size
    lab.page.set_viewport_size({"width": 420, "height": 900})
    overflow = "card => card.scrollWidth - card.clientWidth"
    expect(explorer.locator(".labkit-chart")).to_be_visible()
    assert explorer.evaluate(overflow) <= 0
    explorer.screenshot(path=screenshots / "explorer-narrow.png")
    assert size
    lab.page.set_viewport_size(size)
