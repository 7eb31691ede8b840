"""Student's interval: the quantiles of published tables, and coverage of what is really there."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.estimates import EXACT_UP_TO, mean_interval, student_t

# NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2: critical values of Student's t.
TABLE = {
    0.80: {1: 3.078, 2: 1.886, 5: 1.476, 10: 1.372, 30: 1.310, 100: 1.290},
    0.90: {1: 6.314, 2: 2.920, 5: 2.015, 10: 1.812, 30: 1.697, 100: 1.660},
    0.95: {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 10: 2.228, 11: 2.201,
           12: 2.179, 20: 2.086, 30: 2.042, 60: 2.000, 100: 1.984},
    0.99: {1: 63.657, 2: 9.925, 3: 5.841, 5: 4.032, 10: 3.169, 30: 2.750, 100: 2.626},
    0.998: {2: 22.327, 5: 5.893, 30: 3.385, 100: 3.174},
}  # fmt: skip


@pytest.mark.parametrize("confidence", TABLE)
def test_the_quantiles_are_those_of_the_table(confidence: float) -> None:
    for freedom, published in TABLE[confidence].items():
        found = student_t(freedom, confidence)
        assert found == pytest.approx(published, abs=6e-4, rel=1e-5), freedom


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_two_ways_meet_and_end_at_the_normal_distribution(confidence: float) -> None:
    last, first = student_t(EXACT_UP_TO, confidence), student_t(EXACT_UP_TO + 1, confidence)
    assert 0 < last - first < 1e-3
    normal = NormalDist().inv_cdf((1 + confidence) / 2)
    assert student_t(10**9, confidence) == pytest.approx(normal)


@given(st.integers(1, 400), st.floats(0.01, 0.99))
def test_more_freedom_is_a_narrower_interval(freedom: int, confidence: float) -> None:
    assert 0 < student_t(freedom + 1, confidence) < student_t(freedom, confidence)


@pytest.mark.parametrize(
    ("freedom", "confidence"), [(0, 0.95), (-1, 0.95), (5, 0.0), (5, 1.0), (5, 95), (5, math.nan)]
)
def test_what_has_no_quantile_is_said(freedom: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=f"freedom {freedom} and confidence {confidence} were"):
        student_t(freedom, confidence)


@pytest.mark.parametrize("n", range(1, 40))
def test_any_number_of_values_has_an_interval(n: int) -> None:
    mean, low, high = mean_interval([float(i % 2) for i in range(n)])
    assert low < mean < high
    assert math.isinf(high) == (n == 1)
    with pytest.raises(ValueError, match="no values were given"):
        mean_interval([])


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    draw, hits = random.Random(0), 0
    for _ in range(2000):
        _, low, high = mean_interval([draw.gauss(3.0, 2.0) for _ in range(6)])
        hits += low <= 3.0 <= high
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)
