"""Every type of question in a real JupyterLab: by mouse, by keyboard, in the dark, with a kernel
that is busy, stopped or gone."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.cards import IDS, SETUP, write_cards, write_notebook
from tests.browser.lab import Notebook, Server

NOT_CONNECTED = "This card is not connected: run its cell first (Shift+Enter)."


@pytest.fixture(scope="module")
def cards(shared_page: Page, lab_server: Server) -> Notebook:
    """All cards, run once; each journey uses a card of its own."""
    notebook = Notebook(shared_page, lab_server, write_cards(lab_server.root).name).open()
    notebook.run_all()
    notebook.hide_sidebar()
    return notebook


def status(card: Locator) -> Locator:
    return card.locator(".labkit-status")


def check(card: Locator) -> None:
    card.get_by_role("button", name="Check answer").click()


def heard(notebook: Notebook, id: str) -> list[object]:
    """The answers that reached the kernel for this question."""
    said = notebook.ask_kernel("import json; print(json.dumps(heard))")
    return [answer for question, answer in json.loads(said) if question == id]


def test_by_mouse_wrong_then_right(cards: Notebook) -> None:
    card = cards.card("cards/single")
    expect(card.get_by_role("group", name="What is the entropy of")).to_be_visible()
    card.get_by_text("It stays.").click()
    check(card)
    expect(status(card)).to_contain_text("Not yet.")
    expect(card.get_by_text("The order stays; the entropy does not.")).to_be_visible()
    card.get_by_role("radio").nth(1).check()
    expect(status(card)).to_be_empty()  # the verdict was about another choice
    check(card)
    expect(status(card)).to_contain_text("Right. One token has everything.")
    expect(card).to_have_attribute("data-outcome", "pass")
    expect(card).to_contain_text("1 of 1 point")
    assert heard(cards, "single") == ["stays", "falls"]


def test_by_keyboard_only(cards: Notebook) -> None:
    card = cards.card("cards/multiple")
    before = cards.sources()
    cards.select(cards.find('"multiple"'))
    boxes = card.get_by_role("checkbox")
    cards.tab_to(boxes.nth(0))
    for key in "abdd":  # command mode: insert above, insert below, delete
        cards.page.keyboard.press(key)
    cards.page.keyboard.press("Space")
    cards.tab_to(boxes.nth(1), most=1)
    cards.page.keyboard.press("Space")
    cards.page.keyboard.press("Enter")
    expect(status(card)).to_contain_text("Not yet.")
    cards.page.keyboard.press("Shift+Tab")
    cards.page.keyboard.press("Space")
    cards.tab_to(boxes.nth(2), most=2)
    cards.page.keyboard.press("Space")
    cards.tab_to(card.get_by_role("button", name="Check answer"), most=1)
    cards.page.keyboard.press("Enter")
    expect(status(card)).to_contain_text("Right.")
    expect(card).to_contain_text("2 of 2 points")
    assert cards.sources() == before
    assert heard(cards, "multiple") == [["top-k", "top-p"], ["top-p", "min-p"]]


def test_arrows_move_the_choice(cards: Notebook) -> None:
    radios = cards.card("cards/single").get_by_role("radio")
    radios.nth(0).focus()
    cards.page.keyboard.press("ArrowDown")
    expect(radios.nth(1)).to_be_checked()
    cards.page.keyboard.press("ArrowUp")
    expect(radios.nth(0)).to_be_checked()


def test_an_empty_answer_is_asked_for(cards: Notebook) -> None:
    card = cards.card("cards/name")
    check(card)
    expect(status(card)).to_contain_text("Type an answer first.")
    expect(card.get_by_role("textbox")).to_be_focused()
    assert heard(cards, "name") == []
    card.get_by_role("textbox").fill("the Nucleus")
    card.get_by_role("textbox").fill("Nucleus")
    cards.page.keyboard.press("Enter")
    expect(status(card)).to_contain_text("Right.")


def test_a_number_that_cannot_be_read_costs_nothing(cards: Notebook) -> None:
    card = cards.card("cards/entropy")
    field = card.get_by_role("textbox", name="Your answer")
    for typed, said in (
        ("two", "I could not read that."),
        ("2", "bits"),
        ("1,386", "1,386 may be 1.386 or 1386"),
        ("1.386", "Right."),
    ):
        field.fill(typed)
        field.press("Enter")
        expect(status(card)).to_contain_text(said)
    expect(field).to_have_value("1.386")


def test_a_prediction_is_committed_and_then_locked(cards: Notebook) -> None:
    card = cards.card("cards/guess")
    field = card.get_by_role("textbox")
    expect(card).to_contain_text("percent, between 0 and 100")
    field.fill("40")
    card.get_by_role("button", name="Commit prediction").click()
    expect(status(card)).to_contain_text("Committed.")
    cards.ask_kernel("QuizCard.live('cards/guess').compared('Measured **43** percent: close.')")
    expect(status(card)).to_contain_text("You predicted 40. Measured 43 percent: close.")
    expect(field).to_have_attribute("readonly", "")
    expect(card.get_by_role("button", name="Commit prediction")).to_be_hidden()


def test_order_by_keyboard_and_by_pointer(cards: Notebook) -> None:
    card = cards.card("cards/order")
    rows = card.get_by_role("listitem")

    def texts() -> list[str]:
        return [text.strip() for text in card.locator(".labkit-item").all_inner_texts()]

    def at(start: str) -> int:
        return next(i for i, text in enumerate(texts()) if text.startswith(start))

    up = card.get_by_role("button", name="Move up: divide by")
    while at("divide") > 0:
        up.press("Enter")
        expect(up).to_be_focused()  # the button goes along with its row
    expect(card.locator('.labkit-hidden[role="status"]')).to_contain_text("is now 1 of 4")
    check(card)
    expect(status(card)).to_contain_text("Temperature comes first.")
    expect(card.locator(".labkit-feedback[data-tone=good]")).to_have_count(2)  # of four
    for place, start in enumerate(("divide", "top-k", "top-p", "draw")):
        if at(start) == place:
            continue
        handle = rows.nth(at(start)).locator(".labkit-handle")
        handle.scroll_into_view_if_needed()
        source, target = handle.bounding_box(), rows.nth(place).bounding_box()
        assert source and target
        cards.page.mouse.move(source["x"] + 8, source["y"] + 8)
        cards.page.mouse.down()
        cards.page.mouse.move(source["x"] + 8, target["y"] + 2, steps=6)
        cards.page.mouse.up()
    assert [text.split()[0] for text in texts()] == ["divide", "top-k", "top-p", "draw"]
    check(card)
    expect(status(card)).to_contain_text("Right.")


def test_match(cards: Notebook) -> None:
    card = cards.card("cards/match")
    left = card.get_by_role("combobox")
    left.nth(0).select_option("how much probability")
    check(card)
    expect(status(card)).to_contain_text("Choose a partner for each first.")
    left.nth(1).select_option("how many tokens")
    check(card)
    expect(status(card)).to_contain_text("One is in another's place.")
    card.get_by_role("combobox", name="top-k").select_option("how many tokens")
    card.get_by_role("combobox", name="top-p").select_option("how much probability")
    check(card)
    expect(status(card)).to_contain_text("Right.")


def test_code_output(cards: Notebook) -> None:
    card = cards.card("cards/prints")
    expect(card.get_by_role("region", name="Code")).to_contain_text("print(max(logits) / 2)")
    card.get_by_role("textbox").fill("1.0")
    check(card)
    expect(status(card)).to_contain_text("Right.")


def test_a_hint_leaves_what_is_being_chosen(cards: Notebook) -> None:
    card = cards.card("cards/single")
    card.get_by_role("radio").nth(2).check()
    card.get_by_role("button", name="Hint (2 left)").click()
    expect(card.get_by_text("Which token is left?")).to_be_visible()
    card.get_by_role("button", name="Hint (1 left)").click()
    expect(card.locator(".labkit-hints math")).to_be_visible()
    expect(card.get_by_role("button", name="No hints left")).to_be_visible()
    expect(card.get_by_role("radio").nth(2)).to_be_checked()


def test_a_handler_that_raises_is_read_out(cards: Notebook) -> None:
    card = cards.card("cards/broken")
    card.get_by_role("textbox").fill("1")
    check(card)
    expect(status(card)).to_contain_text("OSError: the disk is full")
    expect(card.get_by_role("textbox")).to_have_value("1")


def test_one_card_of_a_question_lives(cards: Notebook) -> None:
    """Asked again in another cell: the earlier card goes, so no answer can be given twice."""
    cards.run_cell(cards.find('show("name")'))
    expect(cards.card("cards/name")).to_have_count(1)
    cards.ask_kernel("from IPython.display import display; display(show('name'))")
    expect(cards.card("cards/name")).to_have_count(0)
    cards.run_cell(cards.find('show("name")'))
    expect(cards.card("cards/name")).to_have_count(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(cards: Notebook, screenshots: Path, dark: bool) -> None:
    cards.theme(dark)
    name = "dark" if dark else "light"
    for id in (*IDS, "broken", "explorer"):
        card = cards.card(f"cards/{id}")
        card.scroll_into_view_if_needed()
        assert cards.violations(f'[data-qid="cards/{id}"]') == []
        card.screenshot(path=screenshots / f"card-{id}-{name}.png")
    cards.theme(False)


def test_a_busy_kernel_still_answers(cards: Notebook) -> None:
    """Code runs for seconds; the answer is marked on a thread beside it."""
    card = cards.card("cards/entropy")
    began = time.monotonic()
    cards.start("time.sleep(10)")
    cards.wait_for_kernel("busy")
    card.get_by_role("textbox").fill("2.0")
    check(card)
    expect(status(card)).to_contain_text("That is in bits.")
    assert time.monotonic() - began < 9
    assert heard(cards, "entropy").count("2.0") == 1  # asked for more than once, marked once


def test_an_answer_waits_for_a_kernel_that_stands_still(cards: Notebook) -> None:
    card = cards.card("cards/prints")
    kernel = int(cards.ask_kernel("import os; print(os.getpid())"))
    cards.start("time.sleep(1)")
    cards.wait_for_kernel("busy")
    os.kill(kernel, signal.SIGSTOP)
    try:
        card.get_by_role("textbox").fill("2.0")
        check(card)
        expect(status(card)).to_contain_text("The kernel is busy, your answer is waiting.")
    finally:
        os.kill(kernel, signal.SIGCONT)
    expect(status(card)).to_contain_text("Not yet.")
    assert heard(cards, "prints").count("2.0") == 1


def test_after_a_reload_the_answers_are_there(cards: Notebook) -> None:
    cards.save()
    cards.page.reload()
    cards.ready()
    card = cards.card("cards/multiple")
    expect(card).to_have_attribute("data-outcome", "pass")
    expect(card.get_by_role("checkbox", name="top-p")).to_be_checked()
    expect(card.get_by_role("checkbox", name="top-k")).not_to_be_checked()
    expect(card.get_by_text("It fills up to p.")).to_be_visible()
    card.get_by_role("checkbox", name="min-p").uncheck()
    check(card)
    expect(status(card)).to_contain_text("Not yet.")  # and it is alive


def test_a_card_whose_kernel_is_gone_says_so(page: Page, lab_server: Server) -> None:
    """Killed, run again, then come back with the file: it never looks alive when it is not."""
    write_cards(lab_server.root)
    path = write_notebook(lab_server.root / "lone.ipynb", [SETUP, 'show("single")'])
    notebook = Notebook(page, lab_server, path.name).open()
    notebook.run_all()
    card = notebook.card("cards/single")
    right = card.get_by_role("radio").nth(1)
    right.check()
    notebook.kill_kernel()
    expect(status(card)).to_contain_text(NOT_CONNECTED)
    page.get_by_role("button", name="Ok").click()  # JupyterLab has noticed, too
    expect(right).to_be_checked()
    check(card)
    expect(status(card)).to_contain_text(NOT_CONNECTED)

    notebook.run_all()
    right.check()
    check(card)
    expect(status(card)).to_contain_text("Right.")

    notebook.save()
    notebook.shut_down_kernel()
    page.reload()
    notebook.ready()
    expect(right).to_be_checked()  # drawn from the saved file
    expect(status(card)).to_contain_text(NOT_CONNECTED, timeout=15_000)
