"""Arithmetic: right answers, and no pair of numbers in two splits."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import arithmetic
from labkit.models.world.arithmetic import Sum

NUMBERS = st.integers(0, 99)


@given(NUMBERS, NUMBERS)
def test_a_pair_has_one_split_whatever_its_order_and_sign(a: int, b: int) -> None:
    difference = Sum(max(a, b), "-", min(a, b))
    assert Sum(a, "+", b).split == Sum(b, "+", a).split == difference.split


@given(st.integers(0, 10_000))
def test_every_line_of_a_document_is_right_and_of_the_train_split(seed: int) -> None:
    text = arithmetic.document(random.Random(seed)).text
    assert 3 <= len(text.splitlines()) <= 8
    for line in text.splitlines():
        left, sign, right, equals, answer = line.split()
        assert equals == "="
        expected = int(left) + int(right) if sign == "+" else int(left) - int(right)
        assert int(answer) == expected >= 0
        assert Sum(int(left), sign, int(right)).split == "train"


def test_test_questions_share_no_pair_with_training() -> None:
    def pairs(split: str) -> set[frozenset[int]]:
        rng = random.Random(1)
        drawn = [arithmetic.draw_sum(rng, split) for _ in range(2000)]  # type: ignore[arg-type]
        return {frozenset((each.left, each.right)) for each in drawn}

    assert len(pairs("test")) > 300
    assert not pairs("train") & pairs("test")


def test_a_question_ends_where_its_answer_goes_on() -> None:
    asked = Sum(37, "+", 58).question()
    assert asked.document("arithmetic").text == "37 + 58 = 95\n"
