"""The course's home, as `labkit lab` opens it: what is next, the map, the way there and back."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from labkit.course.catalog import lessons
from labkit.course.field import TO_COME
from labkit.paths import PACKAGE
from tests.browser.conftest import watched_page
from tests.browser.lab import Notebook, Server, free_port, lab_environment

FIRST = lessons()[0]
ANSWERED = """
from labkit.course.progress import ProgressLog
log = ProgressLog()
log.record("00_start_here", "00_start_here", "opened")
log.record("00_start_here", "knows-its-region", "answer", "committed", 1)
"""
MAP_CELL = """
from labkit.course.catalog import lessons
from labkit.course.field_cards import map_card
map_card(lessons())
"""
TABS = "#jp-main-dock-panel .lm-TabBar-tabLabel"
CUT_OFF = """() => [...document.querySelectorAll('.jp-DirListing-itemText')]
    .filter(name => name.scrollWidth > name.clientWidth).map(name => name.textContent)"""
WIDER = """() => { const home = document.querySelector('.labkit-home');
    return home.scrollWidth - home.clientWidth }"""
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def course(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`labkit lab` itself, on a work folder of its own; the page may be asked what it does."""
    state = tmp_path_factory.mktemp("jupyter")
    environment = lab_environment(state) | {"LABKIT_WORK": str(state / "work")}
    (state / "config" / "labconfig" / "default_setting_overrides.json").unlink()  # ours count
    settings = {"LabApp": {"expose_app_in_browser": True}}
    (state / "config" / "jupyter_lab_config.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit", "lab", "--no-browser", "--port", str(free_port())],
        cwd=PACKAGE.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    while not (found := re.search(r"open: (http://\S+?)/lab/workspaces/labkit\?token=(\w+)", said)):
        line = process.stdout.readline()
        assert line, said
        said += line
    yield Server(found[1], found[2], state / "work")
    process.terminate()
    process.communicate(timeout=60)


def open_home(page: Page, course: Server, path: str = "") -> Notebook:
    page.goto(f"{course.url}/lab/workspaces/labkit{path}?reset&token={course.token}")
    page.wait_for_function("() => window.jupyterapp")
    return Notebook(page, course, FIRST.notebook.name)


@pytest.fixture
def lab(browser: Browser, course: Server) -> Iterator[Notebook]:
    """JupyterLab at the home, in a fresh layout."""
    with watched_page(browser) as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
        yield open_home(page, course)
        assert not [error for error in errors if "extensions/labkit" in error], errors


def home_of(lab: Notebook) -> Locator:
    home = lab.page.locator(".labkit-home .labkit-page")
    expect(home).to_be_visible(timeout=20_000)
    return home


def test_it_opens_alone_and_names_what_is_next(lab: Notebook) -> None:
    home = home_of(lab)
    expect(lab.page.locator(TABS)).to_have_text(["Course home"])
    expect(home.get_by_role("heading", level=2).first).to_have_text(f"{FIRST.number} {FIRST.title}")
    for lesson in lessons():
        expect(
            home.get_by_role("link", name=f"{lesson.number} {lesson.title}", exact=True)
        ).to_have_count(1)
    expect(home.locator('[data-state="to come"]')).to_have_count(len(TO_COME))
    lab.page.reload()
    home_of(lab)
    expect(lab.page.locator(TABS)).to_have_text(["Course home"])


@pytest.mark.parametrize("width", [1400, 700])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_can_be_read(lab: Notebook, screenshots: Path, width: int, dark: bool) -> None:
    lab.page.set_viewport_size({"width": width, "height": 1000})
    home_of(lab)
    lab.theme(dark)
    assert lab.evaluate(WIDER) <= 0
    assert lab.evaluate(CUT_OFF) == []
    assert lab.violations(".labkit-home") == []
    lab.page.screenshot(path=screenshots / f"home-{width}-{'dark' if dark else 'light'}.png")
    lab.theme(False)


def test_a_lesson_opens_by_keyboard_and_coming_back_shows_progress(lab: Notebook) -> None:
    """A tab that is hidden while the learner works asks again when it comes into sight."""
    home = home_of(lab)
    expect(home).to_contain_text("Begin with")
    lab.command("labkit:home")  # the focus goes into the tab
    lab.tab_to(home.get_by_role("link", name="Open lesson 00"), most=3)
    lab.page.keyboard.press("Enter")
    lab.ready()
    expect(lab.page.locator(TABS)).to_have_text(["Course home", FIRST.notebook.name])
    lab.ask_kernel(ANSWERED)
    lab.command("apputils:activate-command-palette")
    lab.page.keyboard.type("Course home")
    lab.page.keyboard.press("Enter")
    expect(home).to_contain_text("You are in")
    expect(home).to_contain_text("1 of 7 questions answered")
    expect(home.get_by_role("link", name="Go on with lesson 00")).to_be_visible()


def test_the_map_in_a_lesson_leads_to_the_others(lab: Notebook, screenshots: Path) -> None:
    home_of(lab)
    lab.command("docmanager:open", path=FIRST.notebook.name)
    lab.ready()
    lab.hide_sidebar()
    lab.set_source(0, MAP_CELL)
    lab.evaluate(
        "() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 0;"
        " return jupyterapp.commands.execute('notebook:change-cell-to-code') }"
    )
    lab.run_cell(0)
    lab.scroll_to(0)
    shown = lab.output(0)
    expect(shown).to_be_visible()
    lab.page.screenshot(path=screenshots / "map.png")
    assert lab.violations(".jp-OutputArea-output .labkit-card") == []
    target = lessons()[1]
    shown.get_by_role("link", name=target.title).click()
    expect(lab.page.locator(TABS).last).to_have_text(target.notebook.name)


def test_a_lesson_that_is_named_opens_instead(lab: Notebook, course: Server) -> None:
    name = lessons()[3].notebook.name
    open_home(lab.page, course, f"/tree/{name}").ready()
    expect(lab.page.locator(TABS)).to_have_text([name])


def test_without_an_answer_it_says_so_and_tries_again(lab: Notebook) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=500, json={"message": "05.yaml:3: <b>options</b> are missing"})

    home_of(lab)
    lab.command("application:close-all")
    lab.page.route("**/labkit/home*", refuse)
    lab.command("labkit:home")
    trouble = lab.page.locator(".labkit-home").get_by_role("status")
    expect(trouble).to_contain_text("just now: 05.yaml:3: <b>options</b> are missing")
    assert lab.violations(".labkit-home") == []
    lab.page.unroute("**/labkit/home*", refuse)
    trouble.get_by_role("button", name="Try again").click()
    home_of(lab)
