"""Lesson 08's instruments: what is judged, the two steps beside each other, costs."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from labkit import load_model
from labkit.grading.source.solutions import reference
from labkit.instruments import finetuning
from tests.models.tiny import save_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_tiny_model(folder)
    return load_model(str(folder))


@pytest.fixture(scope="module")
def batch(tiny):
    tokenizer = tiny[1]
    tickets = finetuning.ticket_splits(3, 1, 1).train
    prompts, answers = finetuning.ids_of(tickets, tokenizer)
    collate = reference("08_fine_tuning", "collate")
    return collate(prompts, answers, tokenizer.eos_token_id, tokenizer.pad_token_id)


def test_no_two_splits_share_a_ticket() -> None:
    splits = finetuning.ticket_splits(200, 40, 40)
    keys = [
        {(t.fields["product"], t.fields["order"]) for t in some}
        for some in (splits.train, splits.validation, splits.test)
    ]
    assert [len(some) for some in keys] == [200, 40, 40]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    with pytest.raises(ValueError, match="at least one of each"):
        finetuning.ticket_splits(0)


def test_a_step_is_the_librarys(tiny, batch) -> None:
    model, before = tiny[0], {n: p.detach().clone() for n, p in tiny[0].named_parameters()}
    loss, step = (reference("08_fine_tuning", name) for name in ("answer_loss", "adamw_step"))
    ours = finetuning.own_step(model, batch, loss, step, 1e-2, 0.1)
    theirs = finetuning.library_step(model, batch, 1e-2, 0.1)
    assert ours[0] == pytest.approx(theirs[0], abs=1e-5)
    assert finetuning.largest_difference(ours[1], theirs[1]) < 1e-5
    assert finetuning.largest_difference(ours[1], before) > 5e-3
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    with pytest.raises(ValueError, match="different weights"):
        finetuning.largest_difference(ours[1], {})


def test_the_librarys_seed_does_not_stay(tiny, batch) -> None:
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    finetuning.library_step(tiny[0], batch, 1e-3, 0.0)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2]


def test_shots_come_before_the_ticket() -> None:
    ticket = finetuning.ticket_splits(1, 1, 1).test[0]
    assert finetuning.with_shots(ticket, 0) == ticket.question().prompt
    shown = finetuning.with_shots(ticket, 2)
    assert shown.count("JSON: {") == 2 and shown.endswith(ticket.question().prompt)


def test_judged_by_what_is_written(tiny, monkeypatch) -> None:
    splits = finetuning.ticket_splits(1, 1, 2)
    texts = [splits.test[0].as_json, '{"product": "x"}']
    monkeypatch.setattr(
        "labkit.models.scoring.subject.complete", lambda *a, **k: [[t] for t in texts]
    )
    found = finetuning.judge(*tiny, splits.test)
    assert found.valid.value == found.exact.value == 0.5 and found.fields["order"].value == 0.5
    with pytest.raises(ValueError, match="no tickets to judge"):
        finetuning.judge(*tiny, [])


def test_replies_are_judged_by_tone_and_by_content(tiny, monkeypatch) -> None:
    tickets = finetuning.ticket_splits(1, 1, 3).test
    right = [question.answer for question in finetuning.reply_examples(tickets)]
    of_another = right[0].replace(tickets[0].fields["product"], "Nothing")
    texts = [right[0], of_another, "You again."]
    monkeypatch.setattr(finetuning, "complete", lambda *a, **k: [[t] for t in texts])
    found = finetuning.judge_replies(*tiny, [tickets[0]] * 3)
    assert found["polite"].value == pytest.approx(2 / 3)
    assert found["polite and right"].value == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="no tickets to reply"):
        finetuning.judge_replies(*tiny, [])


def test_break_even() -> None:
    assert finetuning.break_even(500, 250, 2.0) == pytest.approx(1_000_000)
    table = finetuning.break_even_table({"a run": 500}, {"2 $": 2.0, "0.2 $": 0.2}, 250)
    assert "1.0 M" in table and "10.0 M" in table
    for wrong in ((-1, 250, 2.0), (500, 0, 2.0), (500, 250, 0.0)):
        with pytest.raises(ValueError, match="nothing is saved"):
            finetuning.break_even(*wrong)
