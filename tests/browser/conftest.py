"""One Chromium and one JupyterLab for all journeys; each has a page of its own, on loopback."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lab import CHROMIUM_FLAGS, Notebook, Server, running_lab, strays
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str:
    """The path of an installed Chromium; without one, a journey can't be made."""
    named = os.environ.get("CHROMIUM")
    path = named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path and Path(path).exists():
        return path
    reason = "no Chromium: install one (Debian: apt-get install chromium) or name it in $CHROMIUM"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason}; in CI the journeys must run")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chromium()  # no server where there is nothing to look at it with
    root, state = tmp_path_factory.mktemp("lessons"), tmp_path_factory.mktemp("jupyter")
    with running_lab(root, state, {"LABKIT_WORK": str(root)}) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; a request that leaves loopback or an uncaught error of ours fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(20_000)
    outside, errors = strays(page), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not outside, f"the page asked for {outside}"
    assert not [error for error in errors if "labkit" in error], errors


@pytest.fixture
def open_notebook(page: Page, lab_server: Server) -> Callable[[Path], Notebook]:
    """Copy a notebook into the served folder and open it."""

    def open_copy(source: Path, name: str | None = None) -> Notebook:
        target = lab_server.root / (name or source.name)
        shutil.copyfile(source, target)
        return Notebook(page, lab_server, target.name).open()

    return open_copy


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: $LABKIT_SCREENSHOTS, else a temporary folder."""
    named = os.environ.get("LABKIT_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
