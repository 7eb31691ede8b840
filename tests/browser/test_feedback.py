"""The page of feedback in a real browser: axe finds nothing, light or dark, narrow or wide."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from labkit.classroom import feedback
from tests.classroom.test_feedback import graded, mark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 380, "height": 700})
    outcomes = ("pass", "fail", "error", "not attempted")
    line = f"line 3: {'x' * 200}"
    marks = [mark(f"f{n}", outcome, line=line) for n, outcome in enumerate(outcomes)]
    work = [graded(marks=marks, notes=["A `%%bash` cell."]), graded(problem="It is a link.")]

    page.set_content(feedback.page("alice", work))

    found = Axe().run(page)
    assert not found.response["violations"], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
