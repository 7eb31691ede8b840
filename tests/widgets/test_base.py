"""Asked once, answered once, whatever the threads and the network do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from labkit.widgets import Card
from labkit.widgets.base import HERE, WIDGET_VIEW, script, style


class Echo(Card):
    _esm = script()
    _css = style()

    def as_text(self) -> str:
        return f"Echo {self.key}"

    def as_html(self) -> str:
        return f"<p>{self.key}</p>"


class Recorder(Echo):
    """A card whose messages to the browser are kept instead of sent."""

    def __init__(self, key: str) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(key)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(content)

    def hear(self, **message: Any) -> dict[str, Any]:
        self._handle_custom_msg(message, [])
        return self.sent[-1]


@pytest.fixture
def card() -> Iterator[Recorder]:
    card = Recorder("lesson/echo")
    yield card
    card.close()


def test_hello_is_acknowledged(card: Recorder) -> None:
    assert card.hear(id="1", ask="hello") == {"id": "1", "reply": {}}


def test_a_question_that_comes_again_is_handled_once(card: Recorder) -> None:
    handled: list[str] = []
    card.answer_with("count", lambda message: handled.append("x") or {"n": len(handled)})
    assert card.hear(id="7", ask="count") == card.hear(id="7", ask="count")
    assert handled == ["x"]
    assert card.hear(id="8", ask="count")["reply"] == {"n": 2}


def test_threads_handle_a_question_once(card: Recorder) -> None:
    handled: list[int] = []
    inside = threading.Event()

    def slow(message: dict[str, Any]) -> dict[str, Any]:
        inside.wait(0.05)
        handled.append(1)
        return {"n": len(handled)}

    card.answer_with("slow", slow)
    askers = [
        threading.Thread(target=card.hear, kwargs={"id": "same", "ask": "slow"}) for _ in range(8)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert handled == [1]
    assert card.sent == [{"id": "same", "reply": {"n": 1}}] * 8


def test_a_handler_that_raises_says_so(card: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    def broken(message: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("no such column")

    card.answer_with("mark", broken)
    with caplog.at_level(logging.ERROR, "labkit.widgets"):
        reply = card.hear(id="1", ask="mark")
    assert "ValueError: no such column" in reply["trouble"]
    assert "still here" in reply["trouble"]
    assert "lesson/echo" in caplog.text


def test_an_unknown_question_is_answered_too(card: Recorder) -> None:
    assert "Run its cell again" in card.hear(id="1", ask="dance")["trouble"]


@pytest.mark.parametrize("message", [None, "text", [], {}, {"ask": "hello"}])
def test_messages_that_are_not_questions_are_ignored(card: Recorder, message: Any) -> None:
    card._handle_custom_msg(message, [])
    assert card.sent == []


def test_old_replies_are_forgotten(card: Recorder) -> None:
    for n in range(200):
        card.hear(id=str(n), ask="hello")
    assert len(card._replies) < 100


def test_one_live_card_per_key() -> None:
    first, other = Echo("lesson/a"), Echo("lesson/b")
    again = Echo("lesson/a")
    assert first.comm is None  # closed: its front end is gone
    assert other.comm is not None
    assert Card.live("lesson/a") is again
    again.close()
    assert Card.live("lesson/a") is None
    other.close()


def test_closing_an_old_card_leaves_the_new_one() -> None:
    first = Echo("lesson/a")
    second = Echo("lesson/a")
    first.close()
    assert Card.live("lesson/a") is second
    second.close()


def test_text_and_html_stand_beside_the_widget(card: Recorder) -> None:
    data, _ = card._repr_mimebundle_()
    assert data["text/plain"] == repr(card) == "Echo lesson/echo"
    assert data["text/html"] == "<p>lesson/echo</p>"
    assert data[WIDGET_VIEW]["model_id"] == card.model_id
    assert card.model_id not in data["text/plain"] + data["text/html"]


@pytest.mark.parametrize("file", sorted(HERE.glob("*.js")) + sorted(HERE.glob("*.css")))
def test_no_file_fetches_anything(file: Any) -> None:
    text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    for sign in ("http:", "https:", "//cdn", "@import", "fetch(", "XMLHttpRequest", "import("):
        assert sign not in text, f"{file.name} holds {sign}"
