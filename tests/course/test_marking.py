from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit import paths
from labkit.course.marking import compare, mark
from labkit.course.quiz import Match, Order, Predict, Quiz, load_quiz

TYPES = "single multiple number predict text order match code-output".split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
)
with_a_quiz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_fixture_has_every_type(quiz: Quiz) -> None:
    assert [question.type for question in quiz.questions] == TYPES


@pytest.mark.parametrize("type", TYPES)
def test_the_key_passes(quiz: Quiz, type: str) -> None:
    question = next(question for question in quiz.questions if question.type == type)
    if isinstance(question, Predict):
        assert question.key() is None
        return
    answer = json.loads(json.dumps(question.key()))  # as it comes back from a browser
    marked = mark(question, answer)
    assert (marked.outcome, marked.points) == ("pass", question.points)


@with_a_quiz
@given(answer=JSON)
def test_any_json_is_marked_and_never_raises(quiz: Quiz, answer: Any) -> None:
    for question in quiz.questions:
        marked = mark(question, answer)
        assert marked.outcome in ("pass", "fail", "error", "committed")
        assert 0 <= marked.points <= question.points
        assert len(marked.message) < 400
        if marked.outcome == "error":
            assert marked.points == 0
            assert marked.message


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize(
    "answer",
    [None, True, [], {}, "", "   ", [None], {"a": None}, pytest.param("x" * 10**6, id="huge")],
)
def test_what_cannot_be_read_uses_up_no_attempt(quiz: Quiz, type: str, answer: Any) -> None:
    question = next(question for question in quiz.questions if question.type == type)
    assert mark(question, answer).outcome == "error"


def test_single_gives_the_feedback_of_the_chosen_option_only(quiz: Quiz) -> None:
    wrong = mark(quiz["one-of-three"], "eight")
    assert (wrong.outcome, wrong.points) == ("fail", 0)
    assert wrong.feedback == {"eight": "You doubled it."}
    assert wrong.right == []
    right = mark(quiz["one-of-three"], "two")
    assert right.message == "2 + 2 is 4."
    assert (right.feedback, right.right) == ({"two": "It is."}, ["two"])
    assert mark(quiz["one-of-three"], "nine").outcome == "error"


@pytest.mark.parametrize(
    ("chosen", "points"),
    [
        (["four", "six"], 2),
        (["six", "four"], 2),
        (["four"], 1),
        (["four", "three"], 0),
        (["four", "six", "three"], 1),
        (["three", "four", "five", "six"], 0),
        (["three", "five"], 0),
    ],
)
def test_multiple_counts_misses_and_extras(quiz: Quiz, chosen: list[str], points: float) -> None:
    marked = mark(quiz["all-even"], chosen)
    assert marked.points == points
    assert marked.outcome == ("pass" if sorted(chosen) == ["four", "six"] else "fail")
    assert set(marked.feedback) == set(chosen)
    assert set(marked.right) == set(chosen) & {"four", "six"}


@with_a_quiz
@given(chosen=st.sets(st.sampled_from(["three", "four", "five", "six"]), min_size=1))
def test_multiple_passes_only_with_the_exact_set(quiz: Quiz, chosen: set[str]) -> None:
    marked = mark(quiz["all-even"], list(chosen))
    assert (marked.outcome == "pass") == (chosen == {"four", "six"})
    assert (marked.points == 2) == (chosen == {"four", "six"})
    assert marked.points >= 0


def test_multiple_refuses_the_same_twice(quiz: Quiz) -> None:
    assert mark(quiz["all-even"], ["four", "four"]).outcome == "error"
    assert mark(quiz["all-even"], ["four", ["six"]]).outcome == "error"


@pytest.mark.parametrize("typed", ["41", "41%", "41,0", " 41 % ", "4.1e1", "40.5", "41.5", 41])
def test_number_within_its_tolerance(quiz: Quiz, typed: Any) -> None:
    assert mark(quiz["how-much"], typed).outcome == "pass"


@pytest.mark.parametrize("typed", ["40.49", "41.51", "-41", "0", "1e300"])
def test_number_outside_its_tolerance(quiz: Quiz, typed: str) -> None:
    assert mark(quiz["how-much"], typed).outcome == "fail"


def test_number_names_the_mistake(quiz: Quiz) -> None:
    assert mark(quiz["how-much"], "0,41").message.startswith("That is the share")
    assert mark(quiz["how-much"], "164.5").message == "You doubled it."
    assert mark(quiz["how-much"], "7").message == ""


@pytest.mark.parametrize("typed", ["nan", "inf", "41 nats", "forty-one", "41;2"])
def test_number_that_is_unreadable(quiz: Quiz, typed: str) -> None:
    assert mark(quiz["how-much"], typed).outcome == "error"


def test_a_prediction_is_committed_whatever_it_is(quiz: Quiz) -> None:
    marked = mark(quiz["how-much-later"], "99,5 %")
    assert (marked.outcome, marked.points) == ("committed", 1)
    assert "99.5%" in marked.message
    for outside in ("-1", "100.1"):
        refused = mark(quiz["how-much-later"], outside)
        assert refused.outcome == "error"
        assert "between 0 and 100%" in refused.message


@pytest.mark.parametrize(
    "typed", ["half", "  HALF ", "One\n half.", "a half", "A full half", "ONE half"]
)
def test_text_in_its_accepted_forms(quiz: Quiz, typed: str) -> None:
    assert mark(quiz["in-a-word"], typed).outcome == "pass"


@pytest.mark.parametrize("typed", ["halves", "a half of it", "h a l f", "not half", "onehalf"])
def test_text_that_is_something_else(quiz: Quiz, typed: str) -> None:
    assert mark(quiz["in-a-word"], typed).outcome == "fail"


def test_text_names_the_mistake(quiz: Quiz) -> None:
    assert mark(quiz["in-a-word"], "Quarter").message == "That is one of four."


def test_text_with_its_case_kept(quiz: Quiz) -> None:
    strict = quiz["in-a-word"].model_copy(update={"casefold": False})
    assert mark(strict, "half").outcome == "pass"
    assert mark(strict, "Half").outcome == "fail"
    assert mark(strict, "A half").outcome == "fail"


def test_typographic_dashes_and_quotes_are_plain_ones(quiz: Quiz) -> None:
    question = quiz["in-a-word"].model_copy(update={"accept": ("top-p's",)})
    assert mark(question, "top\u2011p\u2019s").outcome == "pass"


def test_order_passes_in_one_order_only(quiz: Quiz) -> None:
    question = quiz["by-size"]
    assert isinstance(question, Order)
    outcomes = {order: mark(question, list(order)) for order in permutations(question.key())}
    passing = [order for order, marked in outcomes.items() if marked.outcome == "pass"]
    assert passing == [tuple(question.key())]
    swapped = [*question.key()[:2], *reversed(question.key()[2:])]
    wrong = mark(question, swapped)
    assert (wrong.outcome, wrong.message) == ("fail", "Halving makes it smaller.")
    assert wrong.right == question.key()[:2]


def test_order_needs_every_item_once(quiz: Quiz) -> None:
    question = quiz["by-size"]
    key = question.key()
    for answer in (key[:-1], [*key, key[0]], [key[0], *key[:-1]], ["first", *key[1:]]):
        assert mark(question, answer).outcome == "error"


def test_match_passes_with_one_matching_only(quiz: Quiz) -> None:
    question = quiz["belongs-to"]
    assert isinstance(question, Match)
    key = question.key()
    for rights in permutations(key.values()):
        marked = mark(question, dict(zip(key, rights, strict=True)))
        assert (marked.outcome == "pass") == (list(rights) == list(key.values()))
    everything_the_same = dict.fromkeys(key, key["a"])
    marked = mark(question, everything_the_same)
    assert (marked.outcome, marked.right) == ("fail", ["a"])
    assert marked.message == "Double the left side."


def test_match_needs_every_pair(quiz: Quiz) -> None:
    question = quiz["belongs-to"]
    key = question.key()
    for answer in ({"a": key["a"]}, key | {"a": "b"}, key | {"x": key["a"]}, list(key)):
        assert mark(question, answer).outcome == "error"


@pytest.mark.parametrize(
    "typed", ["[2.0, 1.0]\ndone", "\n [2.0,1.0]  \r\n\n done\n", "[ 2.0 ,  1.0 ]\ndone"]
)
def test_output_whatever_its_white_space(quiz: Quiz, typed: str) -> None:
    assert mark(quiz["it-prints"], typed).outcome == "pass"


@pytest.mark.parametrize("typed", ["[2.0, 1.0] done", "[2.01.0]\ndone", "[2.0, 1.0]\nDone"])
def test_output_that_differs(quiz: Quiz, typed: str) -> None:
    assert mark(quiz["it-prints"], typed).outcome == "fail"


def test_output_names_the_mistake(quiz: Quiz) -> None:
    assert mark(quiz["it-prints"], "[2,1]\ndone").message == "/ gives a float."


def test_a_measurement_beside_a_prediction(quiz: Quiz) -> None:
    question = quiz["how-much-later"]
    assert isinstance(question, Predict)
    assert compare(question, 45, 41).outcome == "close"
    off = compare(question, 50, 41)
    assert off.outcome == "off"
    assert off.message == "Measured: 41%. Your prediction is off: 9 away (5 counts as close)."
    inside = compare(question, 50, 41, 30, 52)
    assert inside.outcome == "close"
    assert "Measured: 41% [30, 52]." in inside.message
    never = compare(question, None, 41)
    assert never.outcome == "not predicted"
    assert "predicting first teaches more" in never.message
    assert compare(question, 50, float("nan")).outcome == "off"


OWN = [load_quiz(path) for path in sorted(paths.quizzes_dir().glob("*.yaml"))]


@pytest.mark.parametrize("quiz", OWN, ids=lambda quiz: quiz.lesson)
def test_in_the_courses_own_quizzes_every_key_passes_and_every_mistake_is_named(
    quiz: Quiz,
) -> None:
    for question in quiz.questions:
        if question.key() is not None:
            assert mark(question, question.key()).outcome == "pass", question.id
        for mistake in getattr(question, "mistakes", ()):
            given = getattr(mistake, "answer", None) or mistake.accept[0]
            marked = mark(question, str(given))
            assert (marked.outcome, marked.message) == ("fail", mistake.feedback), question.id
