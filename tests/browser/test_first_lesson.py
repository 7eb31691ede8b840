"""Lesson 00 as a beginner meets it: all four outcomes of one check, a hint, the solution."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from labkit.course.catalog import find_lesson
from labkit.grading.source.solutions import source
from tests.browser.lab import Notebook, Server

LESSON = "00_start_here"
RUN_ALL_SECONDS = 170.0  # the budget is 60 on a machine that does nothing else
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def lesson(shared_page: Page, lab_server: Server) -> Notebook:
    """The lesson's own notebook in a fresh work folder, run from top to bottom once."""
    path = find_lesson(LESSON).notebook
    shutil.copyfile(path, lab_server.root / path.name)
    notebook = Notebook(shared_page, lab_server, path.name).open()
    notebook.run_all(RUN_ALL_SECONDS)
    assert notebook.errors() == []
    notebook.hide_sidebar()
    return notebook


def test_the_four_outcomes_as_the_text_says(lesson: Notebook) -> None:
    stub, check = lesson.find("def share_right("), lesson.find("lab.check(share_right)")
    text = lesson.sources()[stub]
    expect(lesson.output(check)).to_contain_text("not attempted")
    told = "\n".join(lesson.sources())
    for line, said in (
        ("return sum(map(str.__eq__, answers, expected))", "how many answers are right"),
        ("return answers[len(answers)]", "IndexError"),
    ):
        assert f"`{line}`" in told
        lesson.set_source(stub, text.replace("    ...", f"    {line}"))
        lesson.run_cell(stub)
        lesson.run_cell(check)
        expect(lesson.output(check)).to_contain_text(said)
    lesson.set_source(stub, source(LESSON, "share_right"))
    lesson.run_cell(stub)
    lesson.run_cell(check)
    expect(lesson.output(check)).to_contain_text("share_right: right")


def test_a_hint_and_the_solution(lesson: Notebook) -> None:
    check = lesson.find("lab.check(share_right)")
    for call, said in (
        ("lab.hint(share_right)", "Hint 1 of 3"),
        ("lab.solution(share_right)", "answer.strip()"),
    ):
        lesson.set_source(check, call)
        lesson.run_cell(check)
        expect(lesson.output(check)).to_contain_text(said)


def test_the_figures_are_there_and_the_doctor_speaks(lesson: Notebook, screenshots: Path) -> None:
    for code, name in (
        ("plots.bars(", "first-ways"),
        ("lab.map()", "first-map"),
        ('lab.ask("what-is-training")', "first-question"),
    ):
        lesson.scroll_to(lesson.find(code))
        expect(lesson.output(lesson.find(code)).first).to_be_visible()
        lesson.page.screenshot(path=screenshots / f"{name}.png")
    expect(lesson.output(lesson.find("-m labkit doctor"))).to_contain_text("CPU cores")
