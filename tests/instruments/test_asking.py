"""Short answers: the bundled models as ever, others after solved questions and without dressing."""

from __future__ import annotations

import pytest

from labkit.instruments import asking
from labkit.instruments.asking import (
    TOGETHER,
    affordable_texts,
    answers_after,
    bare,
    fitted,
    room,
    short_answers,
    solved_questions,
    some_of,
)
from labkit.instruments.budget import LEAST
from labkit.models import complete, complete_after, load_model
from labkit.models.knowing import own_tokenizer
from tests.models.tiny import other_model, other_tokenizer

PROMPTS = ["Anna has a goat.\nQ: What has Anna?\nA: ", "Q: Where does Marta live?\nA: "]


@pytest.fixture
def read_by_other(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that a model of others reads before an answer, each answered `The goat.`"""
    texts: list[str] = []

    def answered(model, tokenizer, beginnings, endings, *, max_new_tokens):  # type: ignore[no-untyped-def]
        texts.extend(b + e for b, some in zip(beginnings, endings, strict=True) for e in some)
        return [[f' "The goat{max_new_tokens}."'] * len(some) for some in endings]

    monkeypatch.setattr(asking, "complete_after", answered)
    return texts


def test_the_bundled_models_are_asked_as_they_were() -> None:
    base = load_model("base")
    plain = [text for (text,) in complete(*base, PROMPTS, max_new_tokens=12)]
    assert short_answers(*base, PROMPTS) == plain
    texts, questions = ["Anna has a goat.\n"], [["Q: What has Anna?\nA: ", "Q: Who?\nA: "]]
    assert answers_after(*base, texts, questions) == complete_after(*base, texts, questions)


def test_others_read_solved_questions_and_no_space_at_the_end(read_by_other: list[str]) -> None:
    said = short_answers(other_model(), other_tokenizer(), PROMPTS * TOGETHER, max_new_tokens=9)
    assert said == ["goat9"] * 2 * TOGETHER
    assert read_by_other == [solved_questions() + prompt.rstrip() for prompt in PROMPTS] * TOGETHER


def test_a_text_is_read_once_for_its_questions(read_by_other: list[str]) -> None:
    texts, questions = ["One.\n", "Two.\n"], [["Q: a?\nA: "], ["Q: b?\nA: ", "Q: c?\nA: "]]
    said = answers_after(other_model(), other_tokenizer(), texts, questions)
    assert said == [["goat12"], ["goat12", "goat12"]]
    asked = ["One.\nQ: a?\nA:", "Two.\nQ: b?\nA:", "Two.\nQ: c?\nA:"]
    assert read_by_other == [solved_questions() + text for text in asked]


def test_a_prompt_of_another_form_is_left_as_it_is(
    read_by_other: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = "<|user|>Where is Paris?<|assistant|>Paris is in"
    asked: list[str] = []
    monkeypatch.setattr(
        asking, "complete", lambda m, t, prompts, **_: asked.extend(prompts) or [[" France."]]
    )
    assert short_answers(other_model(), other_tokenizer(), [prompt]) == ["France"]
    short_answers(other_model(), other_tokenizer(), ["Q: Who?\nA:", prompt])
    assert asked == [prompt, "Q: Who?\nA:", prompt]
    assert read_by_other == []


def test_others_answer_for_real() -> None:
    prompts = [*PROMPTS, "Q: Who?\nA: "]
    assert len(short_answers(other_model(), other_tokenizer(), prompts)) == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" goat", "goat"),
        (" The goat.", "goat"),
        (' "a goat."\n', "goat"),
        ("“An owl”.", "owl"),
        ("the theatre", "theatre"),
        ("3.5 km. And more", "3.5 km"),
        ("Anna", "Anna"),
        ("goat\nQ: What", "goat"),
        (" . ", ""),
        ("", ""),
    ],
)
def test_an_answer_is_its_bare_value(text: str, value: str) -> None:
    assert bare(text) == value


def test_solved_questions_are_whole_and_end_where_a_passage_begins() -> None:
    solved = solved_questions()
    assert solved.count("\nQ: ") == solved.count("\nA: ") == 4 and solved.endswith("\n\n")
    assert not any(line.endswith("A: ") for line in solved.splitlines())


def test_only_the_bundled_models_keep_a_space_at_the_end() -> None:
    assert fitted("A: ", own_tokenizer()) == "A: "
    assert fitted("A: ", other_tokenizer()) == "A:"
    assert fitted("# a task\n", other_tokenizer()) == "# a task\n"


def test_room_holds_the_same_text() -> None:
    assert room(112, own_tokenizer()) == 112
    text = solved_questions(20)
    own, others = (len(t(text)["input_ids"]) for t in (own_tokenizer(), other_tokenizer()))
    assert room(own, other_tokenizer()) == others > own


def test_texts_cost_what_is_read_before_them_and_their_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs: list[float] = []
    monkeypatch.setattr(
        asking, "affordable", lambda n, m, t, *, tokens, least: costs.append(tokens) or least
    )
    other = other_model(), other_tokenizer()
    assert affordable_texts(9, *other, read=0, asked=0) == asking.FEWEST
    assert affordable_texts(9, *other, read=100, asked=2, sets=3) == asking.FEWEST
    assert affordable_texts(9, *other, read=0) == LEAST
    before, whole, _ = costs
    assert before == len(other_tokenizer()(solved_questions())["input_ids"])
    assert whole == 3 * (before + room(100, other_tokenizer()) + 2 * asking.QUESTION)


@pytest.mark.parametrize(
    ("count", "some"), [(3, [4, 8, 12]), (12, [*range(1, 13)]), (20, [*range(1, 13)]), (1, [12])]
)
def test_some_of_the_values_are_evenly_spaced(count: int, some: list[int]) -> None:
    assert some_of(range(1, 13), count) == some
