"""One Chromium and one JupyterLab for all journeys; each has a page of its own, on loopback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.lab import CHROMIUM_FLAGS, Server, running_lab, strays

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


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


@contextmanager
def watched_page(browser: Browser) -> Iterator[Page]:
    """A fresh page; a request that leaves loopback, or an error of a card's script, fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(20_000)
    outside, errors = strays(page), []
    page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
    yield page
    context.close()
    assert not outside, f"the page asked for {outside}"
    ours = [error for error in errors if "blob:" in error]  # anywidget loads our files as blobs
    assert not ours, ours


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return chromium()


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """For one module: Playwright keeps an event loop running, which other tests must not meet."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab_server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root, state = tmp_path_factory.mktemp("lessons"), tmp_path_factory.mktemp("jupyter")
    with running_lab(root, state, {"LABKIT_WORK": str(root)}) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched_page(browser) as page:
        yield page


@pytest.fixture(scope="module")
def shared_page(browser: Browser) -> Iterator[Page]:
    """One page for all journeys of a module that do not disturb each other."""
    with watched_page(browser) as page:
        yield page


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: $LABKIT_SCREENSHOTS, else a temporary folder."""
    named = os.environ.get("LABKIT_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
