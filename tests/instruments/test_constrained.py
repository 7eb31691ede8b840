"""Constrained decoding: the mask is llguidance's, and what comes out fits the pattern."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.instruments import constrained, sampling
from labkit.instruments.constrained import TICKET_JSON, allowed_tokens, can_become
from labkit.models import load_model

TICKET = '{"product": "Lorkix", "order": "48213", "urgency": "low", "wants": "refund"}'


@pytest.fixture(scope="module")
def base():
    model, tokenizer = load_model()
    return model, tokenizer, sampling.vocabulary(tokenizer)


@given(st.integers(0, len(TICKET)))
def test_every_beginning_of_a_match_can_become_one(length):
    assert can_become(TICKET[:length], TICKET_JSON)


@pytest.mark.parametrize("text", ["{'", '{"product": "lorkix', TICKET + " ", TICKET + TICKET])
def test_what_leads_nowhere(text):
    assert not can_become(text, TICKET_JSON)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["urgency", "wants", "order", "product"]))
def test_where_there_is_a_choice_the_mask_is_the_librarys(base, field):
    _, tokenizer, token_texts = base
    so_far = TICKET[: TICKET.index(field) + len(field) + 4]  # up to the quote before the value

    ours = allowed_tokens(TICKET_JSON, so_far, token_texts)

    assert ours.any()
    assert torch.equal(ours, constrained.library_mask(TICKET_JSON, so_far, tokenizer))


def test_what_the_library_allows_we_allow(base):
    """Where one text alone can follow, it wants its own tokens for that."""
    _, tokenizer, token_texts = base
    for length in range(0, len(TICKET), 7):
        theirs = constrained.library_mask(TICKET_JSON, TICKET[:length], tokenizer)
        ours = allowed_tokens(TICKET_JSON, TICKET[:length], token_texts)
        if theirs.any():
            assert not (theirs & ~ours).any(), TICKET[:length]


def test_what_is_written_within_a_pattern_matches_it(base):
    model, tokenizer, token_texts = base
    written = constrained.complete_within(model, tokenizer, "JSON: ", TICKET_JSON, token_texts)
    assert set(json.loads(written)) == {"product", "order", "urgency", "wants"}


def test_a_pattern_that_the_vocabulary_cannot_spell_is_refused(base):
    model, tokenizer, token_texts = base
    with pytest.raises(ValueError, match="can begin a match"):
        constrained.complete_within(model, tokenizer, "x", "\U0001f600", token_texts)
