"""The reference answers and the checks' own truth against transformers, on random logits."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from labkit.challenges import challenges_of, find_challenge, topics
from labkit.challenges.temperature import sample_next, top_p_filter, truths
from labkit.grading.checks.checking import run_cases
from labkit.grading.source.solutions import names, reference
from labkit.grading.transports.transport import InProcess

LESSON = "05_temperature"
REFERENCE = {name: reference(LESSON, name) for name in names(LESSON)}
NO_IDS = torch.empty(0, dtype=torch.long)
DRAWN_SHAPES = ((6,), (8,), (2, 3, 5), (8, 50))  # of logits in the checks of the filters
quick = settings(max_examples=60, deadline=None)


@st.composite
def batches(draw, ties=False):
    """Logits of shape (rows, vocab); with few values there are many ties."""
    rows, vocab = draw(st.integers(1, 4)), draw(st.integers(2, 12))
    values = st.integers(-3, 3) if ties else st.integers(-768, 768).map(lambda number: number / 64)
    flat = draw(st.lists(values, min_size=rows * vocab, max_size=rows * vocab))
    return torch.tensor(flat, dtype=torch.float32).reshape(rows, vocab)


def clear_of(border, values):
    """Rounding can't decide: no value lies within 1e-5 of the border."""
    assume(bool(((values - border).abs() > 1e-5).all()))


def cumulative(logits):
    return logits.double().softmax(-1).sort(dim=-1, descending=True).values.cumsum(-1)


@quick
@given(batches(), st.floats(0.05, 5))
def test_apply_temperature_equals_transformers(logits, t):
    expected = TemperatureLogitsWarper(t)(NO_IDS, logits).softmax(-1)

    torch.testing.assert_close(REFERENCE["apply_temperature"](logits, t), expected)
    torch.testing.assert_close(truths.true_softmax(logits, t).float(), expected)


@quick
@given(batches(ties=True))
def test_temperature_zero_is_the_limit(logits):
    assume(bool((logits.sort(dim=-1).values.diff(dim=-1)[:, -1] > 0).all()))
    limit = REFERENCE["apply_temperature"](logits, 1e-3)

    torch.testing.assert_close(REFERENCE["apply_temperature"](logits, 0.0), limit)


@quick
@given(batches(), st.floats(0.01, 0.999))
def test_top_p_equals_transformers(logits, p):
    assume(all(len(row.unique()) == len(row) for row in logits))
    clear_of(p, cumulative(logits))
    expected = TopPLogitsWarper(p)(NO_IDS, logits)

    assert torch.equal(REFERENCE["top_p_filter"](logits, p), expected)
    assert torch.equal(truths.true_top_p(logits, p).float(), expected)


@quick
@given(batches(ties=True), st.floats(0.01, 0.999))
def test_top_p_equals_transformers_up_to_the_choice_among_ties(logits, p):
    clear_of(p, cumulative(logits))
    expected = TopPLogitsWarper(p)(NO_IDS, logits)
    same = top_p_filter.same_up_to_ties(logits, expected)

    assert same(REFERENCE["top_p_filter"](logits, p)) is None
    assert same(truths.true_top_p(logits, p).float()) is None


@quick
@given(batches(), st.floats(0.01, 1))
def test_the_nucleus_holds_top_p_and_no_smaller_set_does(logits, p):
    clear_of(p, cumulative(logits))
    kept = torch.isfinite(REFERENCE["top_p_filter"](logits, p))
    for row, inside in zip(logits.double().softmax(-1), kept, strict=True):
        held = row[inside]
        assert float(held.sum()) >= p - 1e-9
        assert p == 1 or float(held.sum() - held.min()) < p


@quick
@given(batches(ties=True) | batches(), st.floats(0, 1))
def test_min_p_equals_transformers(logits, p):
    relative = (logits - logits.amax(-1, keepdim=True)).double().exp()
    clear_of(p, relative[relative < 1]) if p < 1 else None
    expected = MinPLogitsWarper(p)(NO_IDS, logits)

    assert torch.equal(REFERENCE["min_p_filter"](logits, p), expected)
    assert torch.equal(truths.true_min_p(logits, p).float(), expected)


@quick
@given(batches(), st.floats(0.2, 3), st.integers(1, 12), st.floats(0.1, 0.99), st.floats(0.01, 0.9))
def test_the_sampler_draws_from_what_transformers_leaves(logits, t, k, p, m):
    row = logits[0]
    assume(len(row.unique()) == len(row))
    kept = truths.true_top_k(row.double() / t, k)
    clear_of(p, cumulative(kept))
    clear_of(m, (kept - kept.max()).exp())
    scores = row[None].double()
    warpers = (TemperatureLogitsWarper(t), TopKLogitsWarper(k), TopPLogitsWarper(p))
    for warper in (*warpers, MinPLogitsWarper(m)):
        scores = warper(NO_IDS, scores)
    expected = scores[0].softmax(-1)

    torch.testing.assert_close(sample_next.true_sampling(row, t, k, p, m), expected)
    uniform = (torch.arange(2000) + 0.5) / 2000  # one draw in each slice: counts to within one
    tokens = REFERENCE["sample_next"](row, uniform, t, k, p, m)
    counts = torch.bincount(tokens, minlength=len(row)) / 2000
    assert float((counts - expected).abs().max()) < 2e-3


@quick
@given(st.integers(2, 60), st.floats(0, 1 - 2**-24, width=32))
def test_every_draw_gives_a_token_of_the_vocabulary(vocab, draw):
    token = REFERENCE["sample_next"](torch.zeros(vocab), torch.tensor([draw]))

    assert 0 <= int(token) < vocab


def test_truth_by_hand():
    probabilities = truths.true_softmax(torch.tensor([2.0, 1.0, 0.0]), 0.5)

    weights = [math.exp(4), math.exp(2), 1.0]
    assert probabilities.tolist() == pytest.approx([w / sum(weights) for w in weights])
    assert truths.nucleus(torch.tensor([0.1, 0.6, 0.3]).numpy(), 0.7) == [1, 2]


def test_every_solution_has_its_challenge_and_no_other():
    assert list(challenges_of(LESSON)) == list(names(LESSON))


def test_a_lesson_is_found_by_id_or_topic():
    assert challenges_of("temperature").keys() == challenges_of(LESSON).keys()
    assert "temperature" in topics()


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(LookupError, match="did you mean 05_temperature"):
        challenges_of("05_temprature")
    with pytest.raises(LookupError, match="did you mean top_p_filter"):
        find_challenge(LESSON, "top_p_filtre")


@pytest.mark.parametrize("challenge", challenges_of(LESSON).values(), ids=lambda c: c.name)
def test_words_are_there_and_apart(challenge):
    assert len(challenge.mistakes) >= 8
    assert len({mistake.message for mistake in challenge.mistakes}) == len(challenge.mistakes)
    assert all(len(mistake.hint) > 10 for mistake in challenge.mistakes)
    assert any(character.isdigit() for character in challenge.hints[2]), "the last works numbers"
    assert challenge.parameters == parameters_of(REFERENCE[challenge.name])


def parameters_of(function):
    return tuple(function.__code__.co_varnames[: function.__code__.co_argcount])


@pytest.mark.parametrize("seed", [7, 27, 357, 366])  # whose first draws are too near
def test_random_cases_lie_clear_of_the_thresholds(seed):
    """Else rounding, which differs between machines, would decide on a mark."""
    for name, border in (("top_p_filter", top_p_distance), ("min_p_filter", min_p_distance)):
        challenge = find_challenge(LESSON, name)
        cases = run_cases(challenge, InProcess({name: REFERENCE[name]}), seed)
        drawn = [case.arguments for case in cases if case.arguments[0].shape in DRAWN_SHAPES]
        assert len(drawn) == 3
        assert all(border(logits, p) > 1e-5 for logits, p in drawn)
        assert all(least_gap(logits) > 1e-5 for logits, _ in drawn)


def top_p_distance(logits, top_p):
    return float((cumulative(logits) - top_p).abs().min())


def min_p_distance(logits, min_p):
    relative = (logits - logits.amax(-1, keepdim=True)).double().exp()
    return float((relative - min_p).abs().min())


def least_gap(logits):
    return float(logits.sort(dim=-1).values.diff(dim=-1).min())
