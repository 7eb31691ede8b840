"""A question as a card: what it shows, what it keeps, and that no key goes to the browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from labkit.course.quiz import load_quiz
from labkit.paths import quizzes_dir
from labkit.widgets import QuizCard
from labkit.widgets.quiz import HOW

QUESTION = {
    "id": "entropy-at-zero",
    "type": "single",
    "prompt": "What is the entropy as $T \\to 0$?\n\nThink of `argmax`.",
    "points": 1,
    "hints": 2,
    "options": [{"id": "zero", "text": "It is **0**."}, {"id": "max", "text": "It is $\\ln V$."}],
}
RIGHT = {
    "outcome": "pass",
    "message": "One token takes *all*.",
    "points": 1,
    "feedback": {"zero": "Yes: $\\ln 1 = 0$."},
    "right": ["zero"],
    "attempts": 2,
}


def make_card(
    on_answer: Callable[[Any], dict[str, Any]] = lambda answer: RIGHT,
    on_hint: Callable[[], dict[str, Any]] = lambda: {"text": "Look.", "level": 0, "left": 1},
    restored: dict[str, Any] | None = None,
    question: dict[str, Any] = QUESTION,
) -> QuizCard:
    return QuizCard(question, on_answer, on_hint, restored, key="lesson/entropy-at-zero")


def ask(card: QuizCard, kind: str, **body: Any) -> dict[str, Any]:
    sent: list[dict[str, Any]] = []
    card.send = lambda content, buffers=None: sent.append(content)  # type: ignore[method-assign]
    card._handle_custom_msg({"id": f"{kind}-{body}", "ask": kind, **body}, [])
    return sent[0]


def test_the_question_is_drawn_as_html() -> None:
    drawn = make_card().question
    assert drawn["legend_html"].startswith("What is the entropy as <math")
    assert drawn["rest_html"] == "Think of <code>argmax</code>."
    assert drawn["options"][0]["html"] == "It is <strong>0</strong>."
    assert drawn["how"] == "Choose one"


def test_an_answer_is_marked_and_kept() -> None:
    given: list[Any] = []
    card = make_card(lambda answer: given.append(answer) or RIGHT)
    reply = ask(card, "answer", answer="zero")
    assert given == ["zero"]
    state = reply["reply"]["state"]
    assert state == card.state
    assert (state["answer"], state["outcome"], state["attempts"]) == ("zero", "pass", 2)
    assert state["message_html"] == "One token takes <em>all</em>."
    assert state["feedback_html"]["zero"].startswith("Yes: <math")


def test_an_answer_that_cannot_be_read_takes_nothing_away() -> None:
    unreadable = {"outcome": "error", "message": "Write it like 1.5.", "points": 0, "attempts": 2}
    restored = {**RIGHT, "answer": "zero"}
    card = make_card(lambda answer: unreadable, restored=restored)
    state = ask(card, "answer", answer="abc")["reply"]["state"]
    assert (state["outcome"], state["answer"], state["points"]) == ("error", "abc", 1)
    assert (card.state["outcome"], card.state["answer"]) == ("pass", "zero")


def test_hints_add_up_and_none_comes_twice() -> None:
    hints = iter(
        [{"text": "One.", "level": 0, "left": 1}, {"text": "Two.", "level": 1, "left": 0}] * 2
    )
    card = make_card(on_hint=lambda: next(hints))
    for body in ("a", "b", "c"):
        ask(card, "hint", body=body)
    assert [hint["html"] for hint in card.state["hints"]] == ["One.", "Two."]


def test_a_card_comes_back_as_it_was_left() -> None:
    restored = {**RIGHT, "answer": "zero", "hints": [{"text": "Look.", "level": 0, "left": 1}]}
    card = make_card(restored=restored)
    assert card.state["answer"] == "zero"
    assert card.state["message_html"] and card.state["hints"][0]["html"] == "Look."


def test_a_compared_prediction_says_so() -> None:
    card = make_card(restored={"outcome": "committed", "answer": "0.4"})
    card.compared("Measured **0.43**: close.")
    assert card.state["compared_html"] == "Measured <strong>0.43</strong>: close."
    assert card.state["answer"] == "0.4"


def test_text_is_readable_and_the_same_each_time() -> None:
    assert repr(make_card()) == (
        "Question entropy-at-zero (1 point): "
        "What is the entropy as $T \\to 0$? Think of `argmax`.\n"
        "  ( ) It is **0**.\n"
        "  ( ) It is $\\ln V$."
    )
    assert repr(make_card()) == repr(make_card())


def test_static_html_shows_question_and_options() -> None:
    shown = make_card().as_html()
    assert 'data-qid="lesson/entropy-at-zero"' in shown
    assert "$T \\to 0$" in shown and "<li>It is <strong>0</strong>.</li>" in shown
    assert "Choose one · 1 point · run this cell in JupyterLab to answer." in shown
    assert "<script" not in shown and "<style" not in shown


def test_code_and_unit_are_shown_and_escaped() -> None:
    question = {
        **QUESTION,
        "type": "code-output",
        "options": [],
        "code": "print(1 < 2)",
        "unit": "nats",
    }
    card = make_card(question=question)
    assert "  | print(1 < 2)" in repr(card) and "in nats" in repr(card)
    assert "print(1 &lt; 2)" in card.as_html()


LESSON_QUIZZES = sorted(quizzes_dir().glob("*.yaml"))


@pytest.mark.parametrize("path", LESSON_QUIZZES, ids=lambda path: path.stem)
def test_every_question_of_the_course_makes_a_card(path: Any) -> None:
    for question in load_quiz(path).questions:
        card = QuizCard(question.public(), lambda a: {}, lambda: {}, None, key=question.id)
        sent = json.dumps(card.get_state(["question", "state"]))
        assert card.question["how"] == HOW[card.question["type"]]
        assert '"correct"' not in sent and '"answer"' not in sent and '"accept"' not in sent
        if question.explanation:
            assert question.explanation[:40] not in sent + card.as_html() + repr(card)
        assert "<math" not in card.as_html()
        card.close()
