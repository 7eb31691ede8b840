"""The reference answers of lesson 08, and the checks' own truth, against the libraries."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, DataCollatorForSeq2Seq
from transformers.loss.loss_utils import ForCausalLMLoss

from labkit.challenges import challenges_of
from labkit.challenges.fine_tuning.adamw_step import torchs_step, true_step
from labkit.challenges.fine_tuning.answer_loss import true_gradient, true_loss
from labkit.challenges.fine_tuning.collate import true_batch
from labkit.challenges.fine_tuning.share_forgotten import true_forgotten
from labkit.grading.source.solutions import names, reference
from labkit.models.zoo import WEIGHTS

LESSON = "08_fine_tuning"
REFERENCE = {name: reference(LESSON, name) for name in names(LESSON)}
quick = settings(max_examples=25, deadline=None)
ids = st.lists(st.integers(0, 50), max_size=6)
rows = st.lists(st.tuples(ids, ids.filter(bool)), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(WEIGHTS / "base", padding_side="right")


@quick
@given(rows)
def test_a_batch_equals_that_of_the_librarys_collator(tokenizer, rows):
    prompts, answers = map(list, zip(*rows, strict=True))
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    features = [
        {"input_ids": [*p, *a, end], "attention_mask": [1] * (len(p) + len(a) + 1),
         "labels": [-100] * len(p) + [*a, end]}
        for p, a in rows
    ]  # fmt: skip
    theirs = DataCollatorForSeq2Seq(tokenizer, padding=True)(features)
    for ours in (REFERENCE["collate"], true_batch):
        batch = ours(prompts, answers, end, pad)
        assert batch.keys() == theirs.keys()
        assert all(torch.equal(batch[name], theirs[name]) for name in batch)


@quick
@given(st.integers(1, 4), st.integers(2, 7), st.integers(2, 30), st.integers(0, 999))
def test_the_loss_equals_transformers(count, tokens, vocab, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, tokens, vocab, generator=generator)
    labels = torch.randint(0, vocab, (count, tokens), generator=generator)
    labels[torch.rand(count, tokens, generator=generator) < 0.5] = -100
    labels[0, 1] = 0
    theirs = float(ForCausalLMLoss(logits, labels, vocab_size=vocab))
    assert float(REFERENCE["answer_loss"](logits, labels)) == pytest.approx(theirs, rel=1e-5)
    assert true_loss(logits, labels) == pytest.approx(theirs, rel=1e-5)


@quick
@given(st.integers(1, 3), st.integers(2, 6), st.integers(2, 20), st.integers(0, 999))
def test_the_gradient_by_hand_is_autograds(count, tokens, vocab, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, tokens, vocab, generator=generator, requires_grad=True)
    labels = torch.randint(0, vocab, (count, tokens), generator=generator)
    labels[torch.rand(count, tokens, generator=generator) < 0.5] = -100
    labels[0, 1] = 0
    ForCausalLMLoss(logits, labels, vocab_size=vocab).backward()
    by_hand = true_gradient(logits.detach(), labels)
    torch.testing.assert_close(by_hand, logits.grad, rtol=1e-4, atol=1e-6)


@quick
@given(
    st.integers(1, 300), st.floats(1e-5, 1), st.floats(0, 0.5), st.floats(0, 0.99),
    st.floats(0.5, 0.999), st.integers(0, 999),
)  # fmt: skip
def test_a_step_equals_torchs(step, rate, decay, beta_1, beta_2, seed):
    generator = torch.Generator().manual_seed(seed)
    weight, gradient, first, second = (torch.randn(5, generator=generator) for _ in range(4))
    numbers = (weight, gradient, first, second**2 + 0.1, step, rate, decay, (beta_1, beta_2), 1e-8)
    theirs = torchs_step(*numbers)
    for ours in (REFERENCE["adamw_step"], true_step):
        found = ours(*numbers)
        for name, value in theirs.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-4)


def test_many_steps_in_a_row_equal_torchs():
    parameter = torch.nn.Parameter(torch.tensor([3.0, -2.0, 0.5]))
    adam = torch.optim.AdamW([parameter], lr=0.1, weight_decay=0.2)
    ours = {"weight": parameter.detach().clone()}
    ours |= {"first": torch.zeros(3), "second": torch.zeros(3)}
    for step in range(1, 40):
        gradient = 2 * ours["weight"]
        ours = REFERENCE["adamw_step"](
            ours["weight"], gradient, ours["first"], ours["second"], step, 0.1, 0.2
        )
        parameter.grad = 2 * parameter.detach()
        adam.step()
    torch.testing.assert_close(ours["weight"], parameter.detach(), rtol=1e-4, atol=1e-5)


@quick
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_what_was_learned_does_not_count(pairs):
    before, after = map(list, zip((True, False), *pairs, strict=True))
    share = REFERENCE["share_forgotten"](before, after)
    assert share == pytest.approx(true_forgotten(before, after))
    better = [now or not was for was, now in zip(before, after, strict=True)]
    assert share == REFERENCE["share_forgotten"](before, better)
    assert 0 < share <= 1


@pytest.mark.parametrize("challenge", challenges_of(LESSON).values(), ids=lambda c: c.name)
def test_words_are_there_and_apart(challenge):
    assert len(challenge.mistakes) >= 5
    assert len({mistake.message for mistake in challenge.mistakes}) == len(challenge.mistakes)
    assert any(character.isdigit() for character in challenge.hints[2]), "the last works numbers"
    code = REFERENCE[challenge.name].__code__
    assert challenge.parameters == code.co_varnames[: code.co_argcount]
