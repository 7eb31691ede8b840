"""The scorecard's figures and rows, and every row run on a model that knows nothing."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import known, mean, share
from labkit.models import load_model, zoo
from labkit.models.scoring import (
    MEASURES,
    Effort,
    Subject,
    as_markdown,
    as_text,
    draft,
    facts,
    jargon,
    measures_of,
    mixture,
    new_facts,
    reading,
    rows,
    shots,
    specialist,
    tables,
    temperature,
    tickets,
)
from labkit.models.world import World, passages
from labkit.models.world import new_facts as world_new_facts
from labkit.models.world.document import Question
from tests.models.tiny import save_tiny_model

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]
any_time = settings(deadline=None, max_examples=30)
LEAST = Effort(items=3, timed=1, steps=1, tunings=1, examples=4)


# ---- rows ----------------------------------------------------------------------------------------


def test_a_row_says_whether_its_wish_is_met() -> None:
    good, bad = share("x", [True] * 9 + [False]), share("x", [False] * 10)
    assert rows.at_least(0.9, good).reached and not rows.at_least(0.9, bad).reached
    assert rows.at_most(0.1, bad).reached and not rows.at_most(0.1, good).reached
    assert rows.at_least(0.9, good).wanted == "≥ 90 %"


def test_rows_are_shown_with_their_controls() -> None:
    row = rows.at_least(0.98, share("facts", [True] * 4), known("chance", 0.25))
    assert as_text([row]).splitlines() == [
        "facts: 100 % [51, 100], n=4  (wanted ≥ 98 %: reached)",
        "    chance: 25 %",
    ]
    assert as_markdown([row]).splitlines()[-1] == (
        "| facts | ≥ 98 % | 100 % | 51 - 100 | 4 | chance 25 % |"
    )
    found = row.as_row()
    assert found["phenomenon"] == "facts" and found["control"] == [
        {"name": "chance", "value": 0.25, "n": 0, "low": 0.25, "high": 0.25, "unit": "share"}
    ]


def test_a_row_read_back_is_the_row() -> None:
    row = rows.at_most(0.5, share("facts", [True, False]), known("chance", 0.25))
    again = rows.row_of(json.loads(json.dumps(row.as_row())))
    assert again.as_row() == row.as_row() and again.control[0] == row.control[0]


# ---- items and controls --------------------------------------------------------------------------


ANSWERS: dict[str, str] = {}


class Oracle(Subject):
    """Says what `ANSWERS` has for each prompt: a model whose figures are known."""

    def answers(self, prompts: Sequence[str], max_new_tokens: int = 12) -> list[str]:
        return [ANSWERS[prompt] for prompt in prompts]


@pytest.fixture
def oracle() -> Oracle:
    ANSWERS.clear()
    return Oracle(None, None, Effort(items=60))  # type: ignore[arg-type]


def test_a_model_that_copies_any_value_is_told_apart_by_the_control(oracle: Oracle) -> None:
    rng = random.Random(0)
    for question in reading.with_rivals(World(), 60, 4):
        ANSWERS[question.prompt] = rng.choice(question.candidates)
    row = reading.rivals(oracle, 4, 0.8)
    guess, any_value = row.control
    assert not row.reached and row.measured.low < guess.value < row.measured.high
    assert any_value.value == 1.0


def test_questions_with_rivals_have_one() -> None:
    for question in reading.with_rivals(World(), 30, 2):
        assert len(set(question.candidates)) > 1


def test_without_its_passage_a_question_is_the_bare_one() -> None:
    question = passages.reading(World(), random.Random(3), 2, "test")
    (bare,) = reading.without_passage([question])
    assert bare.prompt.startswith("Q: ") and bare.prompt.endswith("?\nA: ")
    assert question.prompt.endswith("\n" + bare.prompt) and bare.answer == question.answer


def test_memory_and_passage_are_counted_apart(oracle: Oracle) -> None:
    rng = random.Random("conflict")
    questions = [passages.conflict(World(), rng) for _ in range(60)]
    ANSWERS.update({q.prompt: q.answer for q in questions})
    ANSWERS.update({q.prompt: "nothing" for q in reading.without_passage(questions)})
    row = reading.context_against_memory(oracle)
    assert row.reached and [c.value for c in row.control] == [0.0, 0.0]


def test_the_same_tables_come_in_every_format() -> None:
    subject = Subject(None, None, Effort(items=5))  # type: ignore[arg-type]
    by_format = [tables.look_ups(subject, 4, form, "test") for form in ("csv", "json")]
    for csv, json_ in zip(*by_format, strict=True):
        assert csv.answer == json_.answer
        assert csv.prompt.rpartition("\nQ: ")[2] == json_.prompt.rpartition("\nQ: ")[2]


def test_few_shot_is_judged_against_chance(oracle: Oracle) -> None:
    """A model that always says the first label it saw is at chance with any number of shots."""
    for count in (0, 2, 4, 8, 16):
        for labels in ("made_up", "flipped", "natural"):
            for e in shots.episodes(oracle, count, labels):  # type: ignore[arg-type]
                ANSWERS[e.prompt] = e.prompt.removeprefix("Labels: ").split(",")[0]
    none, eight = shots.few_shot(oracle)
    assert none.reached and not eight.reached


def test_a_ticket_is_valid_exact_or_neither(oracle: Oracle) -> None:
    some = tickets.world_tickets.examples(3, "test", 0)
    wrong = json.dumps(some[1].fields | {"wants": "tea"})
    for ticket, text in zip(some, (some[0].as_json, wrong, "{"), strict=True):
        ANSWERS[ticket.question().prompt] = text
    valid, exact, fields = tickets.written(oracle, some)
    assert valid == [True, True, False] and exact == [True, False, False]
    assert fields["order"] == [True, True, False] and fields["wants"] == [True, False, False]


def test_sums_of_the_test_split_are_different_and_never_trained() -> None:
    test, train = (specialist.sums(200, split) for split in ("test", "train"))  # type: ignore[arg-type]
    assert len({q.prompt for q in test}) == 200
    assert not {q.prompt for q in test} & {q.prompt for q in train}


def test_facts_are_compared_at_the_nearest_task_score() -> None:
    def trial(hits: int) -> tickets.Trial:
        return tickets.Trial(None, [True] * hits + [False] * (10 - hits), 0.0, [])  # type: ignore[arg-type]

    ours, theirs = tickets.equal_scores([trial(6), trial(2)], [trial(9), trial(5), trial(1)])
    assert (sum(ours.exact), sum(theirs.exact)) == (6, 5)


def test_the_exam_on_news_asks_as_no_lesson_does() -> None:
    read = {e.prompt for e in new_facts.lessons() if isinstance(e, Question)}
    asked = {new.question().prompt for new in world_new_facts.NEW_FACTS}
    assert len(asked) == len(world_new_facts.NEW_FACTS) and read and not read & asked


def test_facts_that_are_measured_are_not_rehearsed() -> None:
    subject = Subject(None, None, Effort(items=100))  # type: ignore[arg-type]
    known = subject.world.trained_facts
    truth = {f"Q: {form.format(name=f.entity.name)}\nA: ": f for f in known
             for form in f.relation.questions}  # fmt: skip
    measured = [id(truth[q.prompt]) for q in facts.fact_questions(known, 100)]
    rehearsed = facts.rehearsals(subject, 10**6)
    assert len(rehearsed) == len(known) - 100
    for question in rehearsed:
        fact = truth[question.prompt]
        assert id(fact) not in measured and question.answer == fact.value


def test_the_trades_exam_asks_for_every_term_both_ways() -> None:
    exam = jargon.questions(random.Random(0), "test")
    assert len(exam) == 2 * len(jargon.TERMS)
    assert {q.answer for q in exam} >= {t.word for t in jargon.TERMS}


@given(st.lists(st.floats(1.0, 5.0), min_size=1, max_size=8))
@any_time
def test_perplexity_falls_by_the_ratio_of_both(losses: list[float]) -> None:
    before, after = [(x * 10, 10) for x in losses], [(x * 10 - 10, 10) for x in losses]
    fall = jargon.fall("x", before, after)
    assert fall.value == pytest.approx(math.e) == pytest.approx(fall.low)
    ratio = jargon.perplexity("a", before).value / jargon.perplexity("b", after).value
    assert ratio == pytest.approx(fall.value)


def test_a_curve_that_turns_back_is_not_monotone() -> None:
    falling = {0.0: [1.0] * 20, 1.0: [0.5, 1.0] * 10, 2.0: [0.0] * 20}
    turning = {0.0: [1.0] * 20, 1.0: [0.0] * 20, 2.0: [0.5] * 20}
    for curve, reached in ((falling, True), (turning, False)):
        row = temperature._row("x", curve, falls=True, name="right")
        assert row.reached is reached


# ---- every row on a tiny model -------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_tiny_model(folder)
    model, tokenizer = load_model(str(folder))
    model.config.max_position_embeddings = 2048  # long enough for every row's texts
    return model, tokenizer


@pytest.mark.parametrize("name", [n for n, m in MEASURES.items() if m.of in ("base", "specialist")])
def test_every_row_of_the_base_can_be_measured(name: str, tiny: Loaded) -> None:
    """Of a model that knows nothing: the rows are there, with n, interval, wish and control."""
    how = MEASURES[name]
    found = how.rows(Subject(*tiny, LEAST), *[Subject(*tiny, LEAST) for _ in how.beside])
    assert found
    for row in found:
        assert row.wanted and row.control and row.measured.n > 0, row
        for figure in (row.measured, *row.control):
            assert figure.low - 1e-9 <= figure.value <= figure.high + 1e-9, figure
    assert len({row.phenomenon for row in found}) == len(found)
    json.dumps([row.as_row() for row in found])


def test_a_draft_that_is_the_target_is_always_right(
    tiny: Loaded,
) -> None:
    """All proposals are accepted: five tokens for each pass of the target, at k=4."""
    model, tokenizer = tiny
    twin = load_model(model.config._name_or_path)[0]
    subject = Subject(model, tokenizer, LEAST)
    with draft.one_way_of_drafting(twin), draft.only_errors():
        plain, drafted, looked_up = draft.three_ways(subject, twin, "Once upon a time")
    assert plain.tokens == drafted.tokens == looked_up.tokens
    assert plain.passes == len(plain.tokens)
    assert len(drafted.tokens) / drafted.passes == pytest.approx(5, abs=1)
    assert twin.generation_config.num_assistant_tokens != draft.DRAFTED


def test_a_mixture_is_measured_live_beside_what_its_card_recorded(
    tiny: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = rows.at_most(0.0, mean("three seeds", [-0.1, -0.2, -0.1], "nats"))
    (tmp_path / "moe").mkdir()
    card = {"scorecard": [recorded.as_row()]}
    (tmp_path / "moe" / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    subject = Subject(*tiny, LEAST)
    first, live = mixture.mixture(subject, subject, subject)
    assert first.as_row() == recorded.as_row()
    assert live.measured.value == 0.0 and not live.reached
    assert [figure.name for figure in live.control][1:] == ["three seeds"]


def test_rows_are_found_by_model_and_name() -> None:
    assert set(measures_of("base")) == {n for n, m in MEASURES.items() if m.of == "base"}
    assert measures_of("/some/folder") == measures_of("base")
    assert set(measures_of("base")) - set(measures_of("draft")) == {"draft"}
    assert measures_of(None) == MEASURES
    assert list(measures_of("base", "facts")) == ["facts"]
    with pytest.raises(LookupError, match="no measure 'fact' of base: did you mean facts"):
        measures_of("base", "fact")
