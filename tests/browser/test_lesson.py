"""Lesson 05 as a learner meets it: run, answered, predicted, built, left and come back to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from labkit.course.catalog import find_lesson
from labkit.course.quiz import Predict, Quiz, load_quiz
from labkit.grading.source.solutions import source
from tests.browser.lab import Notebook, Server

LESSON = "05_temperature"
RUN_ALL_SECONDS = 170.0  # the budget is 60 on a machine that does nothing else
DIVIDED_TOO_LATE = """
def apply_temperature(logits, temperature):
    if temperature < 0:
        raise ValueError("temperature must be 0 or more")
    return logits.softmax(-1) / temperature
"""
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def quiz() -> Quiz:
    return load_quiz(find_lesson(LESSON).quiz)


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


def card_of(lesson: Notebook, id: str) -> Locator:
    card = lesson.card(f"{LESSON}/{id}")
    lesson.bring(lesson.find(f'lab.ask("{id}")'), card)
    return card


def status(card: Locator) -> Locator:
    return card.locator(".labkit-status")


def test_it_runs_from_top_to_bottom_with_every_stub_untouched(
    lesson: Notebook, screenshots: Path
) -> None:
    assert lesson.unrun() == []
    expect(lesson.output(lesson.find("lab.check(apply_temperature)"))).to_contain_text(
        "not attempted"
    )
    lesson.scroll_to(lesson.find("SamplingExplorer("))
    expect(lesson.page.locator(".labkit-chart")).to_be_visible()
    lesson.page.screenshot(path=screenshots / "lesson.png")


def test_wrong_then_right_by_mouse(lesson: Notebook, quiz: Quiz) -> None:
    question = next(question for question in quiz.questions if question.type == "single")
    card = card_of(lesson, question.id)
    ids = [option.id for option in question.options]
    right = ids.index(str(question.key()))
    wrong = (right + 1) % len(ids)
    for choice, said, outcome in ((wrong, "Not yet.", "fail"), (right, "Right.", "pass")):
        card.get_by_role("radio").nth(choice).check()
        card.get_by_role("button", name="Check answer").click()
        expect(status(card)).to_contain_text(said)
        expect(card).to_have_attribute("data-outcome", outcome)
        expect(card.locator(".labkit-feedback:visible")).to_have_count(1)


def test_by_keyboard_only_and_no_cell_is_inserted(lesson: Notebook, quiz: Quiz) -> None:
    question = next(question for question in quiz.questions if question.type == "single")
    card = card_of(lesson, question.id)
    radios = card.get_by_role("radio")
    before = lesson.sources()
    lesson.select(lesson.find(f'lab.ask("{question.id}")'))
    right = [option.id for option in question.options].index(str(question.key()))
    lesson.tab_to(card.get_by_role("group"), most=5)  # the group is one tab stop
    lesson.page.keyboard.press("a")
    for _ in question.options:
        lesson.page.keyboard.press("ArrowDown")
        if radios.nth(right).is_checked():
            break
    lesson.tab_to(card.get_by_role("button", name="Check answer"), most=1)
    lesson.page.keyboard.press("Enter")
    expect(status(card)).to_contain_text("Right.")
    assert lesson.sources() == before


def test_a_check_fails_by_name_and_then_passes(lesson: Notebook) -> None:
    stub = lesson.find("def apply_temperature(")
    check = lesson.find("lab.check(apply_temperature)")
    original = lesson.sources()[stub]
    for code, said in (
        (DIVIDED_TOO_LATE, "You divided by the temperature after the softmax"),
        (source(LESSON, "apply_temperature"), "apply_temperature: right"),
    ):
        lesson.set_source(stub, code)
        lesson.run_cell(stub)
        lesson.run_cell(check)
        expect(lesson.output(check)).to_contain_text(said)
    lesson.set_source(stub, original)


def test_predicted_then_compared(lesson: Notebook, quiz: Quiz) -> None:
    question = next(question for question in quiz.questions if isinstance(question, Predict))
    card = card_of(lesson, question.id)
    card.get_by_role("textbox").fill("80")
    card.get_by_role("button", name="Commit prediction").click()
    expect(status(card)).to_contain_text("Committed.")
    compare = next(
        index
        for index, text in enumerate(lesson.sources())
        if re.search(rf'lab\.compare\(\s*"{question.id}"', text)
    )
    lesson.run_cell(compare)
    expect(lesson.output(compare)).to_contain_text("You predicted 80")
    card = card_of(lesson, question.id)
    expect(status(card)).to_contain_text("You predicted 80.")
    expect(card.get_by_role("button", name="Commit prediction")).to_be_hidden()


def test_a_slider_moves_the_bars(lesson: Notebook) -> None:
    lesson.scroll_to(lesson.find("SamplingExplorer("))
    slider = lesson.page.get_by_role("slider", name="Temperature")
    bar = lesson.page.locator(".labkit-now").first
    before = bar.get_attribute("width")
    slider.press("End")
    expect(bar).not_to_have_attribute("width", before or "")
    expect(slider).to_have_attribute("aria-valuetext", "5")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(lesson: Notebook, quiz: Quiz, screenshots: Path, dark: bool) -> None:
    lesson.theme(dark)
    for question in quiz.questions:
        card_of(lesson, question.id)
        assert lesson.violations(f'[data-qid="{LESSON}/{question.id}"]') == []
    lesson.scroll_to(lesson.find("lab.check(apply_temperature)"))
    assert lesson.violations(".labkit-note") == []
    lesson.page.screenshot(path=screenshots / f"lesson-check-{'dark' if dark else 'light'}.png")
    lesson.theme(False)


def test_after_a_reload_and_a_new_kernel_the_answers_are_there(
    lesson: Notebook, quiz: Quiz
) -> None:
    """The page is loaded anew, the kernel is a new one: the progress log brings the answer back."""
    single = next(question for question in quiz.questions if question.type == "single")
    lesson.save()
    lesson.page.reload()
    lesson.ready()
    card = card_of(lesson, single.id)
    expect(card).to_have_attribute("data-outcome", "pass")
    lesson.restart_kernel()
    first = lesson.find("lab = Lab(")
    lesson.run_cell(first)
    lesson.run_cell(lesson.find(f'lab.ask("{single.id}")'))
    card = card_of(lesson, single.id)
    right = [option.id for option in single.options].index(str(single.key()))
    expect(card.get_by_role("radio").nth(right)).to_be_checked()
    expect(status(card)).to_contain_text("Right.")
