"""Estimates: against scipy, published tables, and coverage of what is really there."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import NormalDist, fmean

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from labkit import estimates
from labkit.estimates import (
    EXACT_UP_TO,
    Estimate,
    bootstrap,
    chi_square_p_value,
    chi_square_tail,
    difference,
    kappa,
    known,
    mean,
    mean_of_few,
    share,
    share_of,
    student_t,
    wilson,
)

any_time = settings(deadline=None, max_examples=30)
some_hits = st.lists(st.booleans(), min_size=1, max_size=60)
ROOM = 1e-9


# ---- an estimate ---------------------------------------------------------------------------------


def test_an_estimate_reads_as_its_figure_with_interval_and_count() -> None:
    assert str(share("x", [True] * 4)) == "100 % [51, 100], n=4"
    assert (
        str(Estimate("x", -0.125, 40, -0.2, -0.05, "points")) == "-12.5 points [-20.0, -5.0], n=40"
    )
    assert str(Estimate("x", 1.2345, 3, 1.0, 1.5, "nats")) == "1.23 nats [1, 1.5], n=3"
    assert str(known("chance", 0.25)) == "25 %"


def test_a_row_has_all_fields_with_four_digits() -> None:
    assert share_of("x", 1, 3).as_row() == {
        "name": "x", "value": 0.3333, "n": 3, "low": 0.0615, "high": 0.7923, "unit": "share"
    }  # fmt: skip


# ---- shares --------------------------------------------------------------------------------------


@given(some_hits)
def test_a_share_lies_in_its_interval(found: list[bool]) -> None:
    figure = share("x", found)
    assert 0 <= figure.low <= figure.value <= figure.high <= 1
    assert (figure.n, figure.hits, figure.value) == (len(found), sum(found), fmean(found))
    assert figure == share_of("x", sum(found), len(found))


@given(some_hits)
def test_wilsons_interval_is_scipys(found: list[bool]) -> None:
    theirs = stats.binomtest(sum(found), len(found)).proportion_ci(method="wilson")
    assert wilson(sum(found), len(found)) == pytest.approx((theirs.low, theirs.high), abs=ROOM)


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe 1998, table I, method 3: 81 of 263, and 0 of 20."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_an_impossible_share_is_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} of {n} items is no share"):
        share_of("x", hits, n)


# ---- bootstrap -----------------------------------------------------------------------------------


@any_time
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_a_mean_lies_in_its_interval_and_repeats(values: list[float]) -> None:
    figure = mean("x", values)
    assert figure.low - ROOM <= figure.value <= figure.high + ROOM
    assert figure == mean("x", values)


@pytest.mark.parametrize("statistic", [fmean, max])
def test_the_bootstrap_is_scipys(statistic: Callable[[Sequence[float]], float]) -> None:
    draw = random.Random(2)
    values = [draw.expovariate(1.0) for _ in range(80)]
    ours = bootstrap("x", values, statistic, "")
    rows = {fmean: "mean", max: "max"}[statistic]
    theirs = stats.bootstrap(
        (values,), lambda x, axis: getattr(x, rows)(axis=axis), n_resamples=4000,
        method="percentile", rng=0,
    ).confidence_interval  # fmt: skip
    assert ours.interval == pytest.approx((theirs.low, theirs.high), rel=0.05)


def test_the_bootstrap_has_the_width_of_theory() -> None:
    """For the mean of many draws the interval is 1.96 standard errors to each side."""
    rng = random.Random(0)
    values = [rng.gauss(3.0, 2.0) for _ in range(400)]
    figure = mean("x", values)
    assert (figure.high - figure.low) / 2 == pytest.approx(1.96 * 2.0 / math.sqrt(400), rel=0.15)


def test_a_paired_difference_is_sharper_than_two_intervals() -> None:
    rng = random.Random(1)
    hard = [rng.gauss(0, 3) for _ in range(100)]
    first, second = [h + 0.5 for h in hard], [h + rng.gauss(0, 0.1) for h in hard]
    figure = difference("x", first, second)
    assert figure.low > 0.4
    assert mean("a", first).low < mean("b", second).high
    theirs = stats.bootstrap(
        (first, second), lambda a, b, axis: (a - b).mean(axis=axis), n_resamples=4000, paired=True,
        method="percentile", rng=0,
    ).confidence_interval  # fmt: skip
    assert figure.interval == pytest.approx((theirs.low, theirs.high), abs=0.003)


# ---- Student -------------------------------------------------------------------------------------

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


@given(st.integers(1, 1000), st.floats(0.01, 0.999))
def test_the_quantiles_are_scipys(freedom: int, confidence: float) -> None:
    theirs = stats.t.ppf((1 + confidence) / 2, freedom)
    assert student_t(freedom, confidence) == pytest.approx(theirs, rel=1e-7)


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
def test_an_impossible_quantile_is_refused(freedom: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=f"freedom {freedom} and confidence {confidence} were"):
        student_t(freedom, confidence)


@any_time
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40, unique=True))
def test_students_interval_is_scipys(values: list[int]) -> None:
    found = mean_of_few("x", values, "nats")
    error = stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=fmean(values), scale=error)
    assert found.interval == pytest.approx((low, high), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("n", range(1, 40))
def test_any_number_of_values_has_an_interval(n: int) -> None:
    found = mean_of_few("x", [float(i) for i in range(n)], "nats")
    assert found.n == n and found.low < found.value < found.high
    assert math.isinf(found.high) == (n == 1)
    with pytest.raises(ValueError, match="no values were given"):
        mean_of_few("x", [])


def test_a_share_does_not_leave_0_and_1() -> None:
    assert mean_of_few("x", [0.75, 0.25]).interval == (0.0, 1.0)
    assert mean_of_few("x", [1.0]).interval == (0.0, 1.0)
    assert mean_of_few("x", [1.0, 1.0]).interval == (1.0, 1.0)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    draw, hits = random.Random(0), 0
    for _ in range(2000):
        found = mean_of_few("x", [draw.gauss(3.0, 2.0) for _ in range(6)], "nats")
        hits += found.low <= 3.0 <= found.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


# ---- chi-square ----------------------------------------------------------------------------------


@given(st.floats(0, 3000), st.integers(1, 1500))
def test_the_tail_is_scipys(statistic: float, freedom: int) -> None:
    theirs = stats.chi2.sf(statistic, freedom)
    assert chi_square_tail(statistic, freedom) == pytest.approx(theirs, rel=1e-8, abs=1e-300)


@given(st.lists(st.integers(5, 200), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_the_p_value_is_scipys(counts: list[int], draw: random.Random) -> None:
    """Every cell expects five or more, so that none is pooled."""
    weights = [1 + draw.random() for _ in counts]
    probabilities = [w / sum(weights) for w in weights]
    expected = [sum(counts) * p for p in probabilities]
    if min(expected) >= estimates.SMALLEST_EXPECTED:
        theirs = stats.chisquare(counts, expected, sum_check=False).pvalue
        found = chi_square_p_value(counts, probabilities)
        assert found == pytest.approx(theirs, rel=1e-6, abs=1e-300)


# Upper tail of chi-square by hand: exp(-x/2) for 2 degrees of freedom, erfc for 1.
def test_two_degrees_of_freedom() -> None:
    found = chi_square_p_value([40, 30, 20], [1 / 3] * 3)
    assert found == pytest.approx(math.exp(-(200 / 30) / 2), rel=1e-9)


def test_one_degree_of_freedom() -> None:
    expected = math.erfc(math.sqrt(4.0 / 2))
    assert chi_square_p_value([60, 40], [0.5, 0.5]) == pytest.approx(expected, rel=1e-9)


def test_a_count_where_none_may_be_is_impossible() -> None:
    assert chi_square_p_value([99, 1], [1.0, 0.0]) == 0.0


def test_one_possible_answer_is_certain() -> None:
    assert chi_square_p_value([100, 0], [1.0, 0.0]) == 1.0


def test_small_cells_are_pooled() -> None:
    probabilities = [0.5, 0.49, 0.004, 0.003, 0.003]
    assert chi_square_p_value([500, 490, 10, 0, 0], probabilities) == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30))
def test_true_draws_are_not_rejected_and_others_are(seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(size, generator=generator) + 0.05
    probabilities /= probabilities.sum()
    drawn = torch.multinomial(probabilities, 10_000, replacement=True, generator=generator)
    counts = torch.bincount(drawn, minlength=size).tolist()
    bent = torch.cat([probabilities[:1] * 4, probabilities[1:]])
    assert chi_square_p_value(counts, probabilities.tolist()) > 1e-6
    assert chi_square_p_value(counts, (bent / bent.sum()).tolist()) < 1e-6


# ---- agreement -----------------------------------------------------------------------------------


def test_kappa_by_hand() -> None:
    perfect, coin = [("A", "A"), ("B", "B")], [(p, t) for p in "AB" for t in "AB"]
    skewed = [("A", "A")] * 6 + [("A", "B")] * 2 + [("B", "B")] * 2
    assert kappa(perfect) == 1 and kappa(coin) == 0
    assert kappa(skewed) == pytest.approx((0.8 - 0.56) / (1 - 0.56))
    with pytest.raises(ValueError, match="no pairs"):
        kappa([])


@given(*[st.integers(0, 30)] * 4)
def test_kappa_of_two_answers_is_the_cross_product(a: int, b: int, c: int, d: int) -> None:
    """2 (ad - bc) / ((a + b)(b + d) + (a + c)(c + d)) of the 2 x 2 table."""
    pairs = [("A", "A")] * a + [("A", "B")] * b + [("B", "A")] * c + [("B", "B")] * d
    below = (a + b) * (b + d) + (a + c) * (c + d)
    if below:
        assert kappa(pairs) == pytest.approx(2 * (a * d - b * c) / below)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("ABC")), min_size=1))
def test_kappa_does_not_depend_on_the_order_of_the_raters(pairs: list[tuple[str, str]]) -> None:
    assert kappa(pairs) == pytest.approx(kappa([(b, a) for a, b in pairs]))
