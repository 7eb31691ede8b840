from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.grading.statistics import chi_square_p_value


# Upper tail of chi-square by hand: exp(-x/2) for 2 degrees of freedom, erfc for 1.
def test_two_degrees_of_freedom():
    counts, thirds = torch.tensor([40, 30, 20]), torch.full((3,), 1 / 3)

    assert chi_square_p_value(counts, thirds) == pytest.approx(math.exp(-(200 / 30) / 2), rel=1e-6)


def test_one_degree_of_freedom():
    counts = torch.tensor([60, 40])

    expected = math.erfc(math.sqrt(4.0 / 2))
    assert chi_square_p_value(counts, torch.tensor([0.5, 0.5])) == pytest.approx(expected, rel=1e-9)


def test_a_count_where_none_may_be_is_impossible():
    assert chi_square_p_value(torch.tensor([99, 1]), torch.tensor([1.0, 0.0])) == 0.0


def test_one_possible_token_is_certain():
    assert chi_square_p_value(torch.tensor([100, 0]), torch.tensor([1.0, 0.0])) == 1.0


def test_small_cells_are_pooled():
    probabilities = torch.tensor([0.5, 0.49, 0.004, 0.003, 0.003])
    counts = torch.tensor([500, 490, 10, 0, 0])

    assert chi_square_p_value(counts, probabilities) == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30))
def test_true_draws_are_not_rejected_and_others_are(seed, size):
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(size, generator=generator) + 0.05
    probabilities /= probabilities.sum()
    drawn = torch.multinomial(probabilities, 10_000, replacement=True, generator=generator)
    counts = torch.bincount(drawn, minlength=size)

    assert chi_square_p_value(counts, probabilities) > 1e-6
    bent = torch.cat([probabilities[:1] * 4, probabilities[1:]])
    assert chi_square_p_value(counts, bent / bent.sum()) < 1e-6
