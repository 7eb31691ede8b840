"""The reference answers of lesson 00 against what they mean, on random input."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.grading.source.solutions import names, reference

LESSON = "00_start_here"
REFERENCE = {name: reference(LESSON, name) for name in names(LESSON)}
quick = settings(max_examples=60, deadline=None)
texts = st.lists(
    st.tuples(st.sampled_from(["goat", " goat", "cat\n"]), st.just("goat")), min_size=1
)


@quick
@given(texts)
def test_share_right_counts_pairs(pairs):
    answers, expected = (list(side) for side in zip(*pairs, strict=True))
    share = REFERENCE["share_right"](answers, expected)
    assert share * len(pairs) == pytest.approx(sum("goat" in answer for answer in answers))


@quick
@given(st.text(), st.text(st.characters(exclude_characters="\n\r"), min_size=1))
def test_a_prompt_ends_where_the_answer_begins(passage, question):
    prompt = REFERENCE["prompt_with"](passage, question)
    assert prompt.endswith(f"Q: {question}\nA: ")
    assert prompt.removesuffix(f"Q: {question}\nA: ").rstrip("\n") == passage.strip()


@quick
@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=1, max_size=4))
def test_share_changed_is_the_mean_over_all_numbers(rows):
    before = {str(i): torch.zeros(len(row)) for i, row in enumerate(rows)}
    after = {str(i): torch.tensor(row, dtype=torch.float32) for i, row in enumerate(rows)}
    flat = [number for row in rows for number in row]
    assert REFERENCE["share_changed"](before, after) == pytest.approx(sum(flat) / len(flat))
