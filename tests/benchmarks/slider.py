"""Milliseconds from a key on the explorer's temperature slider to the redrawn bars, in Chromium.

A vocabulary of 8,192 tokens, 20 moves, each counted from the key event's own time stamp to the
first change of the picture. A real JupyterLab shows the card.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.benchmarks.figures import Figure, median_of, show
from tests.browser.cards import write_notebook
from tests.browser.lab import CHROMIUM_FLAGS, Notebook, running_lab

MOVES = 20
BUDGET_MS = 16.0
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXPLORER = """
import random
from labkit.widgets import Example, SamplingExplorer
random.seed(0)
vocabulary = [f" w{i}" for i in range(8192)]
SamplingExplorer([Example("A prompt", vocabulary, [random.gauss(0, 3) for _ in vocabulary])])
"""
RECORD = """() => {
    let pressed = null;
    window.redraws = [];
    window.addEventListener("keydown", event => { pressed = event.timeStamp; }, true);
    new MutationObserver(() => {
        if (pressed !== null) window.redraws.push(performance.now() - pressed);
        pressed = null;
    }).observe(document.querySelector(".labkit-chart"), { subtree: true, attributes: true });
}"""


def measure() -> list[Figure]:
    """The median and the slowest tenth of 20 moves."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        raise SystemExit("the slider is measured in Chromium, and none is installed here")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        sync_playwright() as playwright,
    ):
        root, state = Path(folder) / "lessons", Path(folder) / "state"
        root.mkdir()
        state.mkdir()
        write_notebook(root / "slider.ipynb", [EXPLORER])
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        with running_lab(root, state) as server:
            moves = redraw_times(Notebook(browser.new_page(), server, "slider.ipynb"))
        browser.close()
    slowest = sorted(moves)[int(0.9 * len(moves))]
    what = "slider to redraw"
    return [
        median_of(f"{what}, median", "ms", moves, budget=BUDGET_MS),
        Figure(f"{what}, 90th percentile", round(slowest, 4), "ms"),
    ]


def redraw_times(notebook: Notebook) -> list[float]:
    """Move the slider to and fro, and let the page itself take the times."""
    notebook.open().run_all()
    slider = notebook.page.get_by_role("slider", name="Temperature")
    slider.focus()
    notebook.evaluate(RECORD)
    for move in range(MOVES):
        notebook.page.keyboard.press("ArrowRight" if move % 10 < 5 else "ArrowLeft")
        notebook.page.wait_for_function("n => window.redraws.length > n", arg=move)
    return [float(time) for time in notebook.evaluate("() => window.redraws")]


if __name__ == "__main__":
    show(measure)
