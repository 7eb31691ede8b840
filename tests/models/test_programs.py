"""The one-line programs: judged by what they compute, never handed to Python's own eval."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import programs


@given(st.integers(0, 100_000), st.lists(st.integers(-20, 20), max_size=8))
def test_the_interpreter_agrees_with_python(seed: int, xs: list[int]) -> None:
    """Independent truth: Python itself, on programs that we wrote ourselves."""
    todo = programs.task(random.Random(seed), "train")
    builtins = {"sum": sum, "max": max, "min": min, "len": len, "sorted": sorted, "abs": abs}
    expected = eval(todo.program, {"__builtins__": builtins, "xs": xs})
    assert programs.run(todo.program, xs) == expected
    assert programs.is_right(todo.program, todo)


def test_another_program_that_computes_the_same_is_right() -> None:
    todo = programs.Task("the sum of", "the doubles of the numbers", "that are even", 1, 2)
    assert programs.is_right("sum(2 * x for x in xs if x % 2 == 0)", todo)
    assert programs.is_right("sum([x + x for x in xs if x % 2 == 0])", todo)
    assert not programs.is_right("sum(x * 2 for x in xs if x % 2 == 1)", todo)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "xs.__class__", "open('x')", "lambda: 1", "[y for y in",
        "sum(xs", "", "x", "xs[0]", "9 ** 9 ** 9", "'a' * 10", "sum(x for x, y in xs)", "max([])",
        "(" * 300 + "1" + ")" * 300,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(programs.ProgramError):
        programs.run(text, [1, 2])


def test_doubtful_spelling_makes_no_noise_in_a_lesson() -> None:
    """Python would warn of "2for"; the suite turns warnings into errors."""
    assert programs.run("sum(2for x in xs)", [1, 5]) == 4


def test_tasks_of_the_test_split_are_combinations_that_training_never_shows() -> None:
    def combination(split: str, seed: int) -> tuple[str, str, str]:
        todo = programs.task(random.Random(seed), split)  # type: ignore[arg-type]
        return todo.aggregate, todo.mapping, todo.filter

    trained = {combination("train", seed) for seed in range(800)}
    tested = {combination("test", seed) for seed in range(200)}
    assert len(tested) > 20
    assert not trained & tested


def test_a_bug_is_usually_wrong_and_always_a_program() -> None:
    rng = random.Random(1)
    wrong = 0
    for _ in range(200):
        todo = programs.task(rng, "train")
        buggy = programs.with_bug(todo, rng)
        programs.run(buggy, [1, 2, 3])
        wrong += not programs.is_right(buggy, todo)
    assert wrong > 100
