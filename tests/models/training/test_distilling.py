"""Students: the same start and batches, targets that are the teacher's, and a loss that falls."""

from __future__ import annotations

from statistics import fmean

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.grading.source.solutions import reference
from labkit.models import load_model
from labkit.models.training import distilling
from labkit.models.training.tuning import IGNORED, Settings


@pytest.fixture(scope="module")
def draft() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load_model("draft")


def test_texts_are_drawn_by_split() -> None:
    texts = distilling.texts(6, "train")
    assert [text.kind for text in texts] == ["idea", "story"] * 3
    assert texts == distilling.texts(6, "train") != distilling.texts(6, "test")
    assert not {t.text for t in distilling.texts(40, "train")} & {
        t.text for t in distilling.texts(150, "test")
    }
    with pytest.raises(ValueError, match="at least 1"):
        distilling.texts(0, "train")


def test_a_student_is_drawn_from_its_seed_and_leaves_the_global_one(draft) -> None:
    before = torch.get_rng_state()
    one, same, other = (distilling.fresh_student(draft[1], seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [m.model.embed_tokens.weight for m in (one, same, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_the_teacher_says_what_the_model_says_where_a_label_is(draft) -> None:
    model, tokenizer = draft
    batch = distilling.batch_of(distilling.texts(3, "train"), tokenizer)
    batch["labels"][0, :4] = IGNORED
    teacher = distilling.Teacher(model)
    with torch.no_grad():
        whole = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    expected = whole[:, :-1][batch["labels"][:, 1:] != IGNORED]
    for _ in range(2):  # read, then remembered
        torch.testing.assert_close(teacher.logits(batch), expected, rtol=1e-3, atol=1e-3)


def test_a_teacher_does_not_keep_without_end(draft, monkeypatch) -> None:
    monkeypatch.setattr(distilling, "MOST_KEPT", 1)
    teacher = distilling.Teacher(draft[0])
    batch = distilling.batch_of(distilling.texts(3, "train"), draft[1])
    assert torch.equal(teacher.logits(batch), teacher.logits(batch))
    assert len(teacher._kept) == 1


def test_the_loss_is_the_lessons() -> None:
    drawn = [torch.randn(5, 7, generator=torch.Generator().manual_seed(i)) for i in (0, 1)]
    ours = distilling.soft_loss(*drawn, 2.0)
    torch.testing.assert_close(ours, reference("14_small_models", "distillation_loss")(*drawn, 2.0))


def test_a_taught_student_learns_and_repeats(draft) -> None:
    model, tokenizer = draft
    read, unseen = distilling.texts(4, "train"), distilling.texts(6, "test")
    loss_of = distilling.taught_by(distilling.Teacher(model))
    taught, again = (
        distilling.train_student(tokenizer, read, 0, loss_of, steps=6) for _ in range(2)
    )
    first, second, untrained = (
        fmean(distilling.held_out_losses(m, tokenizer, unseen))
        for m in (taught, again, distilling.fresh_student(tokenizer, 0))
    )
    assert first == pytest.approx(second, abs=1e-3)
    assert first < untrained - 0.1
    assert not taught.training


def test_each_text_is_read_once_a_round() -> None:
    rows = distilling._rows(6, Settings(1e-3, rows=3, seed=1))
    for _ in range(3):
        assert sorted(next(rows) + next(rows)) == list(range(6))


def test_nothing_to_read_is_refused(draft) -> None:
    with pytest.raises(ValueError, match="nothing to learn from"):
        distilling.train_student(draft[1], [], 0)
