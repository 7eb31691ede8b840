from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from labkit import paths
from labkit.course.quiz import Match, Order, Quiz, QuizError, json_schema, load_quiz

NAME = "quizzes/01_halves.yaml"


def broken(course: Path, old: str, new: str) -> str:
    """The complaint about the quiz with one thing changed."""
    path = course / NAME
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(QuizError) as error:
        load_quiz(path)
    return str(error.value)


def line_of(course: Path, text: str) -> int:
    lines = (course / NAME).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        # fields
        (
            '"1", feedback: That is a quarter.}',
            '"1"}',
            "{id: one",
            "questions[0].options[0].feedback: missing",
        ),
        (
            "prompt: What is half of 4?",
            "promt: x",
            "promt",
            "questions[0].promt: unknown field; did you mean prompt",
        ),
        (
            "- {accept: [quarter], feedback: That is one of four.}",
            "- {acept: [quarter], feedback: x}",
            "acept",
            "questions[4].mistakes[0].acept: unknown field; did you mean accept",
        ),
        (
            "type: single",
            "type: singel",
            "singel",
            "questions[0].type: unknown question type 'singel'; did you mean single",
        ),
        ("    type: single\n", "", "id: one-of-three", "questions[0].type: missing"),
        (
            "lesson: 01_halves",
            "lesson: 02_thirds",
            "lesson:",
            "lesson: expected '01_halves', as the file is called, got '02_thirds'",
        ),
        (
            "points: 2",
            "points: 0",
            "points: 0",
            "questions[1].points: input should be greater than 0, got 0",
        ),
        (
            "points: 2",
            "points: yes",
            "points: yes",
            "questions[1].points: input should be a number, got True",
        ),
        (
            "prompt: Which are even?",
            "prompt: '  '",
            "prompt: '  '",
            "questions[1].prompt: string should have at least 1 character, got '  '",
        ),
        (
            'text: "8"',
            "text: 8",
            "text: 8",
            "questions[0].options[2].text: expected text, got 8; put it in quotes",
        ),
        (
            "hints: [Smaller than 4., Larger than 1.]",
            "hints: [a, b, c, d]",
            "hints:",
            "questions[0].hints: tuple should have at most 3 items",
        ),
        # ids
        (
            "id: all-even",
            "id: one-of-three  # again",
            "# again",
            "questions[1].id: 'one-of-three' appears twice",
        ),
        (
            "id: all-even",
            "id: All_Even",
            "All_Even",
            "questions[1].id: string should match pattern",
        ),
        (
            "{id: eight",
            "{id: one",
            '{id: one, text: "8"',
            "questions[0].options[2].id: 'one' appears twice",
        ),
        ('text: "8"', 'text: "1"', "eight", "questions[0].options[2].text: '1' appears twice"),
        ("{id: third", "{id: first", "a whole", "questions[5].items[2].id: 'first' appears twice"),
        ('right: "6"', 'right: "4"', "{id: c", "questions[6].pairs[2].right: '4' appears twice"),
        # keys
        (
            "feedback: It is., correct: true",
            "feedback: It is.",
            "options:",
            "questions[0].options: exactly one option must have correct: true, found 0",
        ),
        ("feedback: You doubled it.}", "feedback: x, correct: true}", "options:", "found 2"),
        ("tolerance: 0.5", "unit: '%'", "id: how-much", "appears twice"),
        (
            "    tolerance: 0.5\n",
            "",
            "id: how-much",
            "questions[2]: give either tolerance (absolute) or relative (of the answer)",
        ),
        (
            "tolerance: 0.5",
            "tolerance: 0.5\n    relative: 0.1",
            "id: how-much",
            "questions[2]: give either",
        ),
        (
            "answer: 164",
            "answer: 41.2",
            "answer: 41.2",
            "questions[2].mistakes[1].answer: this number counts as right",
        ),
        (
            "answer: 41\n",
            "answer: .nan\n",
            "answer: .nan",
            "questions[2].answer: input should be a finite number",
        ),
        (
            "maximum: 100",
            "maximum: 0",
            "maximum: 0",
            "questions[3].maximum: must be above minimum, which is 0",
        ),
        ("    close: 5\n", "", "id: how-much-later", "questions[3].close: missing"),
        (
            "pattern: a (full )?half",
            "pattern: a (full",
            "pattern:",
            "questions[4].pattern: no regular expression: missing )",
        ),
        (
            "accept: [half, one half]",
            "accept: []",
            "accept: []",
            "questions[4].accept: tuple should have at least 1 item",
        ),
    ],
)
def test_a_complaint_names_file_line_and_field(
    course: Path, old: str, new: str, at: str, said: str
) -> None:
    complaint = broken(course, old, new)
    first = complaint.splitlines()[0]
    assert said in first
    if "appears twice" in said and said == "appears twice":
        assert "unit: appears twice (first in line " in first
        return
    assert first.startswith(f"{NAME}:{line_of(course, at)}: "), first


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lesson: [unclosed\nquestions: x\n", 2),
        ("lesson: 01_halves\n\tquestions: []\n", 2),
        ("lesson: 01_halves\nlesson: 01_halves\n", 2),
        ("lesson: !!python/object/apply:os.system [echo]\n", 1),
        ("lesson: *nobody\n", 1),
        ("- a\n- b\n", 1),
        ("", 1),
        ("lesson: 01_halves\nquestions: []\n", 2),
        ("just words", 1),
        ("lesson: a\n--- \nlesson: b\n", 2),
        ("lesson: \x07\n", 1),
        ("&a [*a]\n", 1),
        ("{[1, 2]: 3}\n", 1),
        ("? {a: b}\n: 1\n", 1),
        ("1: 2\n", 1),
    ],
)
def test_a_broken_quiz_is_refused_with_its_line(course: Path, text: str, line: int) -> None:
    (course / NAME).write_text(text)
    with pytest.raises(QuizError, match=rf"^{NAME}:{line}: "):
        load_quiz(course / NAME)


def test_text_that_is_not_utf8_and_a_missing_file(course: Path) -> None:
    (course / NAME).write_bytes(b"lesson: 01_halves\nquestions: \xff\n")
    with pytest.raises(QuizError, match=rf"{NAME}:2: not UTF-8"):
        load_quiz(course / NAME)
    with pytest.raises(QuizError, match=r"no\.yaml: there is no such file"):
        load_quiz(course / "no.yaml")


def test_every_problem_is_named_in_the_order_of_the_file(course: Path) -> None:
    text = (course / NAME).read_text()
    text = text.replace("prompt: What is half of 4?", "prompt: 4").replace("close: 5", "close: -5")
    (course / NAME).write_text(text)
    with pytest.raises(QuizError) as error:
        load_quiz(course / NAME)
    first, second = str(error.value).splitlines()
    assert "questions[0].prompt: expected text, got 4" in first
    assert "questions[3].close: input should be greater than 0" in second


def test_an_unknown_question_is_answered_with_the_nearest(quiz: Quiz) -> None:
    with pytest.raises(
        LookupError, match="01_halves has no question 'how-mach': did you mean how-much"
    ):
        quiz["how-mach"]


def values_in(thing: Any) -> list[Any]:
    """Every key and value in nested lists and mappings."""
    if isinstance(thing, dict):
        return [found for pair in thing.items() for part in pair for found in values_in(part)]
    if isinstance(thing, list):
        return [found for part in thing for found in values_in(part)]
    return [thing]


def test_the_browser_gets_no_key(quiz: Quiz) -> None:
    for question in quiz.questions:
        public = question.public()
        assert json.loads(json.dumps(public)) == public
        names = set(map(str, values_in(public)))
        kept = {"correct", "feedback", "answer", "accept", "pattern", "mistakes", "explanation"}
        assert not names & {*kept, "tolerance", "relative", "close"}
        words = json.dumps(public)
        assert "doubled" not in words and "Smaller than" not in words and "2 + 2" not in words
        assert public["hints"] == len(question.hints)
    assert "41" not in json.dumps(quiz["how-much"].public())
    assert "half" not in json.dumps(quiz["in-a-word"].public()).replace("one-half", "")
    assert "2.0" not in json.dumps(quiz["it-prints"].public())


def test_what_the_browser_gets_does_not_tell_the_order(quiz: Quiz) -> None:
    order, match = quiz["by-size"], quiz["belongs-to"]
    assert isinstance(order, Order) and isinstance(match, Match)
    shown = [item["id"] for item in order.public()["items"]]
    assert sorted(shown) == sorted(order.key()) and shown != order.key()
    assert shown == sorted(shown), "the order shown follows from the ids alone"
    assert not set(values_in(order.public())) & {"first", "second", "third", "fourth"}
    rights = [right["id"] for right in match.public()["right"]]
    assert sorted(rights) == sorted(match.key().values()) and rights != list(match.key().values())
    assert not set(rights) & set(match.key())
    texts = {right["id"]: right["text"] for right in match.public()["right"]}
    assert [texts[match.key()[pair.id]] for pair in match.pairs] == ["2", "4", "6"]


def test_the_same_question_looks_the_same_every_time(course: Path) -> None:
    first, second = (load_quiz(course / NAME) for _ in range(2))
    assert [q.public() for q in first.questions] == [q.public() for q in second.questions]


def test_the_json_schema_accepts_quizzes_only(course: Path) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    good = yaml.safe_load((course / NAME).read_text())
    check.validate(good)
    for spoil in (
        lambda quiz: quiz["questions"][0].update(promt="x"),
        lambda quiz: quiz["questions"][0].pop("options"),
        lambda quiz: quiz["questions"][0].update(type="singel"),
        lambda quiz: quiz["questions"][2].update(answer="many"),
    ):
        bad = yaml.safe_load((course / NAME).read_text())
        spoil(bad)
        assert not check.is_valid(bad)
    assert "kept under it" in json.dumps(schema), "an editor shows what a field is for"


@pytest.mark.parametrize("path", sorted(paths.quizzes_dir().glob("*.yaml")), ids=lambda p: p.stem)
def test_the_courses_own_quizzes_are_sound(path: Path) -> None:
    quiz = load_quiz(path)
    check = jsonschema.Draft202012Validator(json_schema())
    check.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert quiz.lesson == path.stem


def test_the_format_reference_names_every_field() -> None:
    from labkit.course import quiz as module

    assert module.__doc__
    for name, definition in json_schema()["$defs"].items():
        for field in definition["properties"]:
            assert field in module.__doc__, f"{name}.{field} is not described"
