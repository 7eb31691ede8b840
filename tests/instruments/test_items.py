"""Items for the bundled models as they were, and what others get in their place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labkit.instruments import items
from labkit.instruments.items import fact_items, idea_items, program_items, strangers
from labkit.instruments.judged import Items
from labkit.instruments.real.capitals import capital_items, capitals
from labkit.models.knowing import own_tokenizer
from labkit.models.scoring import program_tasks
from labkit.models.world.ideas import IDEA_PROMPT
from tests.models.tiny import other_model, other_tokenizer


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What items are said to cost; a quarter of them is affordable."""
    found: list[float] = []
    monkeypatch.setattr(
        items, "affordable", lambda n, m, t, *, tokens: found.append(tokens) or n // 4
    )
    return found


@pytest.mark.parametrize("make", [fact_items, program_items, idea_items])
def test_a_model_that_knows_the_region_gets_all_of_the_same(make: Callable[..., Items]) -> None:
    with_model = make(12, other_model(), own_tokenizer(), texts=99)
    assert with_model.prompts == make(12).prompts and len(with_model.prompts) == 12
    assert with_model.answers == make(12).answers
    assert strangers(9, other_model(), own_tokenizer(), texts=99, seed=3) == strangers(9, seed=3)


def test_others_are_asked_for_capitals(costs: list[float], capsys) -> None:
    facts = fact_items(40, other_model(), other_tokenizer(), texts=5, seed=2)
    expected = capital_items(other_tokenizer(), 10, seed=2)
    assert facts.prompts == expected.prompts and facts.answers == expected.answers
    assert facts.is_right(0, f" {facts.answers[0]}.") and not facts.is_right(0, facts.answers[1])
    assert "asked for the capitals" in capsys.readouterr().out
    open_ones = fact_items(40, other_model(), other_tokenizer(), asked=False)
    assert open_ones.prompts == capital_items(other_tokenizer(), 10, begun=False).prompts
    assert len(fact_items(9999, other_model(), other_tokenizer()).prompts) == len(capitals()) // 4
    read = len(
        other_tokenizer()(capital_items(other_tokenizer(), 1, seed=2).prompts[0])["input_ids"]
    )
    assert costs[0] == read + 5 * items.FACT


def test_others_are_shown_solved_programs(costs: list[float]) -> None:
    made = program_items(40, other_model(), other_tokenizer(), texts=2)
    tasks = program_tasks(10)
    assert len(made.prompts) == 10
    for i, (prompt, task) in enumerate(zip(made.prompts, tasks, strict=True)):
        assert prompt == items.solved_programs() + task.question().prompt
        assert made.is_right(i, task.program) and not made.is_right(i, "xs")
    assert costs[0] > 2 * items.PROGRAM
    solved = items.solved_programs().strip().split("\n\n")
    assert len(solved) == 8 and all(one.startswith("# ") for one in solved)
    assert not any(task.question().prompt in items.solved_programs() for task in program_tasks(500))


def test_others_may_write_python_that_our_interpreter_lacks(costs: list[float]) -> None:
    assert items.in_our_words(" list(x ** 2 for x in xs)\n") == "[x * x for x in xs]"
    assert items.in_our_words("[max(list(xs), x**2)]") == "[max(list(xs), x * x)]"
    assert items.in_our_words("x ** 20") == "x ** 20"
    made = program_items(400, other_model(), other_tokenizer())
    (i, task) = next((i, t) for i, t in enumerate(program_tasks(100)) if t.program[0] == "[")
    assert made.is_right(i, f"list({task.program[1:-1]})")
    assert not program_items(100).is_right(i, f"list({task.program[1:-1]})")


def test_others_ideas_have_a_first_sentence_that_ends(costs: list[float]) -> None:
    made = idea_items(40, other_model(), other_tokenizer(), texts=8)
    assert made.prompts == [IDEA_PROMPT.rstrip()] * 10
    assert made.is_right(0, " a bakery for dogs.") and made.is_right(0, "Sell soap!")
    assert made.is_right(0, "A bakery. It sells")
    for text in ("a bakery", "", " .", "?!"):
        assert not made.is_right(0, text)
    assert costs == [len(other_tokenizer()(IDEA_PROMPT.rstrip())["input_ids"]) + 8 * items.IDEA]


def test_others_read_of_the_same_strangers(costs: list[float]) -> None:
    assert (
        strangers(40, other_model(), other_tokenizer(), texts=3, seed=3)
        == (strangers(40, seed=3)[:10])
    )
    assert costs == [3 * items.PASSAGE]
