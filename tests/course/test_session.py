"""A learner's hour in the real lesson 05: its questions, its challenges, its reference answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from labkit import Lab, paths
from labkit.course.cards import Card
from labkit.course.claims import Claim, Expectations, Expected, another_model
from labkit.course.progress import ProgressLog
from labkit.widgets import QuizCard

VOID = {"br", "hr", "img", "input", "meta"}


class Page(HTMLParser):
    """Every element of a piece of HTML, with its attributes; fails on what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def html_of(card: Card) -> str:
    bundle = card._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert bundle["text/plain"] == repr(card)
    return bundle["text/html"]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path / "work"))
    monkeypatch.delenv("LABKIT_STRICT", raising=False)
    return Lab("05_temperature")


def stub() -> Callable[..., Any]:
    def apply_temperature(logits, temperature):  # type: ignore[no-untyped-def]
        """Turn logits into probabilities."""
        ...

    return apply_temperature


def divided_too_late() -> Callable[..., Any]:
    def apply_temperature(logits, temperature):  # type: ignore[no-untyped-def]
        return torch.softmax(logits, -1) / temperature

    return apply_temperature


def raising(words: str) -> Callable[..., Any]:
    def apply_temperature(logits, temperature):  # type: ignore[no-untyped-def]
        raise KeyError(words)

    return apply_temperature


def right(lab: Lab) -> Callable[..., Any]:
    from labkit.grading.source.solutions import reference

    answer = reference(lab.lesson.id, "apply_temperature")

    def apply_temperature(logits, temperature):  # type: ignore[no-untyped-def]
        return answer(logits, temperature)

    return apply_temperature


# The lesson's card


def test_the_card_says_where_you_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    lab = Lab("05_temperature")
    assert capsys.readouterr().out.splitlines() == [
        "Lesson 05: Temperature and sampling",
        "about 50 minutes, model: base",
        f"0 of {len(lab.questions.quiz.questions)} questions answered, 0 of 4 challenges passed. "
        "lab.progress() shows which.",
    ]
    assert repr(lab) == "Lab('05_temperature')"
    assert len(lab.log.events("05_temperature", kind="opened")) == 1


def test_everything_random_is_seeded(lab: Lab) -> None:
    import random

    def draw() -> tuple[float, float, float]:
        return random.random(), float(numpy.random.rand()), float(torch.rand(()))

    Lab("05_temperature")
    first = draw()
    Lab("05")
    assert draw() == first
    Lab("temperature", seed=1)
    assert draw() != first


def test_unknown_names_are_answered_with_the_nearest(lab: Lab) -> None:
    with pytest.raises(LookupError, match="did you mean 05_temperature"):
        Lab("05_temprature")
    with pytest.raises(LookupError, match="did you mean facts-at-one"):
        lab.ask("fact-at-one")

    def aply_temperature() -> None: ...

    for call in (lab.check, lab.hint, lab.solution, lab.use):
        with pytest.raises(LookupError, match="did you mean apply_temperature"):
            call(aply_temperature)


def test_outside_a_course_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path)
    with pytest.raises(LookupError, match="There are no lessons in"):
        Lab("05_temperature")


def test_a_course_knows_no_torch() -> None:
    code = (
        "import sys, labkit.course.session, labkit.course.html_page, labkit.cli.progress;"
        "assert not {'torch', 'transformers', 'anywidget'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Questions


def test_an_answer_is_marked_recorded_and_restored(lab: Lab) -> None:
    card = lab.ask("code-with-tests")
    assert isinstance(card, QuizCard)
    wrong = lab.questions.answer(lab.questions.quiz["code-with-tests"], "cold-eight")
    assert set(wrong) == {"outcome", "message", "points", "feedback", "right", "attempts"}
    assert (wrong["outcome"], wrong["attempts"]) == ("fail", 1)
    reply = card._answer({"answer": "warm-eight"})["state"]
    assert (reply["outcome"], reply["attempts"], reply["points"]) == ("pass", 2, 1)

    again = Lab("05_temperature").ask("code-with-tests")  # as in a new kernel
    assert again.state["answer"] == "warm-eight"
    assert (again.state["outcome"], again.state["attempts"]) == ("pass", 2)
    assert list(again.state["feedback"]) == ["warm-eight"]
    assert again.state["right"] == ["warm-eight"]


def test_an_unreadable_answer_uses_up_no_attempt(lab: Lab) -> None:
    question = lab.questions.quiz["softmax-by-hand"]
    result = lab.questions.answer(question, "about one")
    assert (result["outcome"], result["attempts"]) == ("error", 0)
    assert lab.log.events(kind="answer") == []
    assert lab.ask("softmax-by-hand").state.get("answer") is None


def test_hints_come_one_at_a_time_and_are_restored(lab: Lab) -> None:
    question = lab.questions.quiz["softmax-by-hand"]
    last = len(question.hints) - 1
    assert last > 0
    hints = [lab.questions.hint(question) for _ in range(last + 2)]
    levels = [*range(last + 1), last]
    assert [(hint["level"], hint["left"]) for hint in hints] == [(n, last - n) for n in levels]
    assert [hint["text"] for hint in hints[:-1]] == list(question.hints)
    assert len(lab.log.events(kind="hint")) == last + 1
    restored = lab.ask("softmax-by-hand").state["hints"]
    assert [hint["text"] for hint in restored] == list(question.hints)
    without = lab.questions.hint(lab.questions.quiz["facts-at-one"])
    assert (without["left"], without["text"]) == (0, "This question has no hints.")


def test_running_a_cell_again_closes_the_card_before(lab: Lab) -> None:
    first = lab.ask("facts-at-one")
    second = lab.ask("facts-at-one")
    other = lab.ask("code-with-tests")
    assert QuizCard.live("05_temperature/facts-at-one") is second
    assert QuizCard.live("05_temperature/code-with-tests") is other
    assert first.comm is None and second.comm is not None


def test_a_prediction_is_fixed_by_its_measurement(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    question = lab.questions.quiz["facts-at-one"]
    card = lab.ask("facts-at-one")
    assert lab.questions.answer(question, "50")["outcome"] == "committed"
    assert lab.questions.answer(question, "60 %")["outcome"] == "committed"
    capsys.readouterr()
    lab.compare("facts-at-one", torch.tensor(88.0), low=84, high=92)
    shown = capsys.readouterr().out
    assert "You predicted 60%. Measured: 88% [84, 92]. Your prediction is off: 28 away" in shown
    assert card.state["compared"] in shown

    late = lab.questions.answer(question, "88")
    assert late["outcome"] == "error"
    assert "stays as it is" in late["message"]
    restored = Lab("05_temperature").ask("facts-at-one").state
    assert restored["answer"] == "60 %"
    assert restored["compared"] == card.state["compared"]
    (event,) = lab.log.events(kind="prediction")
    assert event.outcome == "off"
    assert event.payload["predicted"] == 60 and event.payload["measured"] == 88
    assert (event.payload["low"], event.payload["high"]) == (84, 92)


def test_measuring_before_predicting_is_no_error(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.compare("facts-at-one", 88)
    assert "Measured: 88%. You had not predicted it: predicting first" in capsys.readouterr().out
    question = lab.questions.quiz["facts-at-one"]
    assert lab.questions.answer(question, "80")["outcome"] == "committed"
    lab.compare("facts-at-one", 84)
    assert "You predicted 80%. Measured: 84%. Your prediction is close" in capsys.readouterr().out
    with pytest.raises(TypeError, match="'code-with-tests' is a single question"):
        lab.compare("code-with-tests", 1)


# Challenges


def test_four_outcomes(lab: Lab) -> None:
    outcomes = {}
    for name, function in {
        "stub": stub(),
        "late": divided_too_late(),
        "raises": raising("gone"),
        "right": right(lab),
    }.items():
        outcomes[name] = lab.check(function).outcome
    assert outcomes == {
        "stub": "not attempted",
        "late": "fail",
        "raises": "error",
        "right": "pass",
    }
    recorded = lab.log.events("05_temperature", "apply_temperature", "check")
    assert [event.outcome for event in recorded] == list(outcomes.values())
    assert [event.points for event in recorded[:3]] == [0, 0, 0]
    assert recorded[3].points and recorded[3].points > 0
    assert recorded[1].payload["mistake"] and recorded[1].payload["case"]
    assert lab.log.attempts("05_temperature", "apply_temperature") == 3


def test_a_verdict_shows_the_mistake_the_line_and_the_case(lab: Lab) -> None:
    card = lab.check(divided_too_late())
    text = repr(card)
    assert text.startswith("✗ apply_temperature: not yet\nYou divided by the temperature after")
    assert "return torch.softmax(logits, -1) / temperature" in text
    assert "expected" in text and "got" in text
    assert repr(lab.check(divided_too_late())) == text, "the same every time"
    assert not re.search(r"0x[0-9a-f]{6}|\d seconds|\d ms", text)
    elements = Page(html_of(card)).elements
    section = next(attributes for tag, attributes in elements if tag == "section")
    assert section["role"] == "status"
    assert section["aria-label"] == "apply_temperature: not yet"


@pytest.mark.parametrize("given", [3, "apply_temperature", None, torch.zeros(2), [stub()]])
def test_what_is_no_function_is_told_so(
    lab: Lab, given: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for call in ("check", "hint", "solution"):
        card = getattr(lab, call)(given)
        assert f"lab.{call} needs a function" in repr(card)
        assert f"`lab.{call}(apply_temperature)`" in repr(card)
        Page(html_of(card))
    capsys.readouterr()
    assert lab.use(given) is given
    said = capsys.readouterr().out
    assert "lab.use needs a function" in said and "`lab.use(apply_temperature)`" in said
    assert lab.log.events(kind="check") == lab.log.events(kind="hint") == []


def test_hints_begin_with_how_to_begin(lab: Lab) -> None:
    lab.check(stub())
    first = repr(lab.hint(stub()))
    assert first.startswith("Hint 1 of 3 for apply_temperature\nTo begin")
    second, third, fourth = (repr(lab.hint(stub())) for _ in range(3))
    assert second.startswith("Hint 2 of 3") and "To begin" not in second
    assert third == fourth and third.startswith("Hint 3 of 3")
    assert "That was the last hint." in third
    assert "opens after a pass, or after 3 more tries" in third


def test_a_hint_speaks_to_the_mistake_found_last(lab: Lab) -> None:
    from labkit.challenges import find_challenge

    lab.check(divided_too_late())
    (event,) = lab.log.events(kind="check")
    mistake = find_challenge("05_temperature", "apply_temperature").find_mistake(
        event.payload["mistake"]
    )
    assert mistake.hint in repr(lab.hint(divided_too_late()))
    assert mistake.hint not in repr(lab.hint(divided_too_late())), "said once per check"
    lab.check(divided_too_late())
    assert mistake.hint in repr(lab.hint(divided_too_late()))


def test_the_solution_opens_after_three_tries(lab: Lab) -> None:
    for left in ("3 more tries", "2 more tries", "1 more try"):
        closed = repr(lab.solution(stub()))
        assert "Not open yet" in closed and left in closed
        lab.check(stub())  # not attempted: no try
        lab.check(divided_too_late())
    opened = repr(lab.solution(stub()))
    assert opened.startswith("Reference answer: apply_temperature\n\nimport torch")
    assert len(lab.log.events(kind="solution")) == 1
    Page(html_of(lab.solution(stub())))


def test_the_solution_opens_after_a_pass(lab: Lab) -> None:
    lab.check(right(lab))
    assert "def apply_temperature" in repr(lab.solution(stub()))


def test_the_cells_below_use_what_works(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    from labkit.grading.source.solutions import reference

    ours = reference("05_temperature", "apply_temperature")
    mine, edited = right(lab), right(lab)
    assert lab.use(mine) is ours
    assert "Using the reference `apply_temperature`" in capsys.readouterr().out
    lab.check(mine)
    assert lab.use(mine) is mine
    assert "Using your `apply_temperature`" in capsys.readouterr().out
    assert lab.use(edited) is ours, "an edited function has not passed yet"
    lab.check(divided_too_late())
    assert lab.use(mine) is ours, "the last check decides"


# Claims and progress


def expecting(lab: Lab, **expected: float) -> None:
    """Give the lab's lesson claims of its own, each within 0.05."""
    claims = {name: Expected(around=around, within=0.05) for name, around in expected.items()}
    lab.expectations = Expectations(claims=claims)


def test_a_claim_is_shown_and_recorded(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    expecting(lab, **{"T=2 keeps": 0.4, "T=3 keeps": 0.4})
    lab.claim("T=2 keeps", torch.tensor(0.41))
    lab.claim("T=3 keeps", numpy.float32(0.7))
    assert capsys.readouterr().out.splitlines() == [
        "✓ T=2 keeps: 0.41 (expected 0.40 ± 0.05) holds",
        "✗ T=3 keeps: 0.70 (expected 0.40 ± 0.05) does not hold",
    ]
    recorded = lab.log.events(kind="claim")
    assert [(event.item, event.outcome) for event in recorded] == [
        ("T=2 keeps", "holds"),
        ("T=3 keeps", "does not hold"),
    ]
    assert recorded[1].payload["holds"] is False
    monkeypatch.setenv("LABKIT_STRICT", "1")
    lab.claim("T=2 keeps", 0.41)
    with pytest.raises(AssertionError, match=r"T=3 keeps: 0\.70"):
        lab.claim("T=3 keeps", 0.7)
    assert len(lab.log.events(kind="claim")) == 4, "recorded before it raises"
    with pytest.raises(LookupError, match=r"05_temperature\.claims\.yaml has no claim 'T=4 keeps'"):
        lab.claim("T=4 keeps", 0.7)


def test_progress_lists_every_question_and_challenge(lab: Lab) -> None:
    lab.questions.answer(lab.questions.quiz["code-with-tests"], "warm-eight")
    lab.questions.answer(lab.questions.quiz["code-with-tests"], "cold-once")
    lab.check(divided_too_late())
    card = lab.progress()
    text = repr(card)
    count = len(lab.questions.quiz.questions)
    assert f"1 of {count} questions answered, 0 of 4 challenges passed" in text
    assert "question code-with-tests: ✓ right" in text, "once right, it stays so"
    assert "question facts-at-one: ○ open" in text
    assert "challenge apply_temperature: ✗ not yet" in text
    scopes = [
        attributes.get("scope") for tag, attributes in Page(html_of(card)).elements if tag == "th"
    ]
    assert scopes.count("row") == count + 4 and scopes.count("col") == 4


def test_a_work_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path / "file"))
    lab = Lab("05_temperature")
    expecting(lab, one=1)
    lab.claim("one", 1)
    assert capsys.readouterr().out.count("Your progress can't be saved just now") == 1
    assert "1 of " not in repr(lab.progress())
    lab.questions.answer(lab.questions.quiz["code-with-tests"], "warm-eight")
    count = len(lab.questions.quiz.questions)
    assert f"1 of {count} questions answered" in repr(lab.progress()), "kept in memory"


# Injection

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>"


def test_nothing_a_learner_or_an_author_wrote_becomes_html(
    lab: Lab, course: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from labkit.course import cards
    from labkit.course.catalog import find_lesson
    from labkit.course.standing import standing_in

    monkeypatch.undo()  # the real course again, for the real challenge
    shown = [
        lab.check(raising(EVIL)),
        cards.claim_card(Claim(EVIL, 1, 1, 1)),
        cards.message_card(EVIL, EVIL),
        cards.notice_card(EVIL, EVIL),
        cards.code_card(EVIL, EVIL),
        cards.line_card(EVIL),
    ]
    monkeypatch.setattr(paths, "course_root", lambda: course)
    lesson = find_lesson("01_halves")
    assert "<b>" in lesson.title
    standing = standing_in(lesson, ProgressLog(tmp_path / "progress.sqlite"))
    shown += [cards.lesson_card(lesson, standing), cards.progress_card(standing)]
    for card in shown:
        for tag, attributes in Page(html_of(card)).elements:
            assert tag not in ("script", "img", "b"), card.text
            assert not any(name.startswith("on") for name in attributes)


def opened(lesson: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("LABKIT_MODEL", model)
    Lab(lesson)


@pytest.mark.parametrize("model", ["smollm2", "smollm2-original"])
def test_a_lesson_that_cannot_use_a_model_goes_on_with_the_bundled_one(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    opened("08_fine_tuning", tmp_path, monkeypatch, model)
    said = f"This lesson does without {model} (it trains several copies of the model"
    assert said in capsys.readouterr().out
    assert "LABKIT_MODEL" not in os.environ and not another_model()


@pytest.mark.parametrize(
    ("lesson", "model"),
    [("05_temperature", "smollm2"), ("08_fine_tuning", "owner/name"), ("08_fine_tuning", "base")],
)
def test_a_lesson_keeps_a_model_that_it_can_use(
    lesson: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    opened(lesson, tmp_path, monkeypatch, model)
    assert "does without" not in capsys.readouterr().out
    assert os.environ["LABKIT_MODEL"] == model
