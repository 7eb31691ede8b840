"""Training: it learns, it resumes exactly where it was stopped, and leaves nothing half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from labkit.models.training import architectures, checkpoints, losses, pretraining
from labkit.models.training.batches import batch
from labkit.models.training.recipes import RECIPES, Recipe, find_recipe
from labkit.models.training.run import Run
from labkit.models.world import World
from tests.models.tiny import MIMETIC, TINY, few_texts


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few_texts(monkeypatch)


def weights(run: Run) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.model.parameters()])


def test_the_loss_falls(tmp_path: Path) -> None:
    run = pretraining.start(replace(TINY, steps=30), tmp_path, "cpu")
    items = batch(TINY, World(), run.tokenizer, 0)

    def same(run: Run) -> torch.Tensor:
        mask = items.attention_mask
        return losses.weighted_loss(run.model(items.input_ids, mask).logits, items)

    first = pretraining.train_step(run, same)
    for run.step in range(1, 20):
        last = pretraining.train_step(run, same)
    assert last < first - 0.5


@pytest.mark.parametrize("recipe", [TINY, MIMETIC], ids=["AdamW", "Muon"])
def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    monkeypatch.setattr(pretraining, "CHECKPOINT_EVERY", 3)
    whole = pretraining.pretrain(recipe, tmp_path / "whole", "cpu")

    def killed(run: Run, loss_of: losses.LossOf) -> float:
        if run.step == 5:
            raise KeyboardInterrupt
        return train_step(run, loss_of)

    train_step = pretraining.train_step
    monkeypatch.setattr(pretraining, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        pretraining.pretrain(recipe, tmp_path / "stopped", "cpu")
    monkeypatch.setattr(pretraining, "train_step", train_step)
    resumed = pretraining.pretrain(recipe, tmp_path / "stopped", "cpu")
    assert resumed.step == TINY.steps
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=1e-6)


def test_a_half_written_checkpoint_is_never_loaded(tmp_path: Path) -> None:
    run = pretraining.start(TINY, tmp_path, "cpu")
    run.step = 4
    pretraining.train_step(run, losses.language_loss)
    checkpoints.save_checkpoint(run)
    (tmp_path / "checkpoint.part").mkdir()
    (tmp_path / "checkpoint.part" / "state.safetensors").write_bytes(b"half")
    again = checkpoints.resumed(pretraining.start(TINY, tmp_path, "cpu"))
    assert again.step == 4
    torch.testing.assert_close(weights(again), weights(run))


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    run = pretraining.start(TINY, tmp_path, "cpu")
    run.step = 4
    checkpoints.save_checkpoint(run)
    (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.old")
    assert checkpoints.resumed(pretraining.start(TINY, tmp_path, "cpu")).step == 4


def test_a_full_disk_keeps_the_checkpoint_before_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pretraining.start(TINY, tmp_path, "cpu")
    run.step = 4
    checkpoints.save_checkpoint(run)

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    run.step = 8
    with pytest.raises(checkpoints.CheckpointError, match=r"step 8 .*No space.* make room"):
        checkpoints.save_checkpoint(run)
    assert not (tmp_path / "checkpoint.part").exists()
    assert checkpoints.resumed(pretraining.start(TINY, tmp_path, "cpu")).step == 4


@pytest.mark.parametrize("damaged", ["state.safetensors", "progress.json"])
def test_a_damaged_checkpoint_is_named_and_left_alone(tmp_path: Path, damaged: str) -> None:
    run = pretraining.start(TINY, tmp_path, "cpu")
    checkpoints.save_checkpoint(run)
    (tmp_path / "checkpoint" / damaged).write_bytes(b"{")
    with pytest.raises(checkpoints.CheckpointError, match="Move it away"):
        checkpoints.resumed(pretraining.start(TINY, tmp_path, "cpu"))
    assert (tmp_path / "checkpoint" / damaged).read_bytes() == b"{"


def test_answers_weigh_more_than_questions(tmp_path: Path) -> None:
    run = pretraining.start(TINY, tmp_path, "cpu")
    items = batch(replace(TINY, mixes={0: {"question": 1}}), World(), run.tokenizer, 0)
    assert set(items.weights.unique().tolist()) == {0.0, 1.0, TINY.answer_weight}
    logits = torch.randn(*items.input_ids.shape, TINY.vocab_size)
    each = torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), items.input_ids[:, 1:], reduction="none"
    )
    expected = (each * items.weights[:, 1:]).sum() / items.weights[:, 1:].sum()
    torch.testing.assert_close(losses.weighted_loss(logits, items), expected)


def test_the_mix_changes_where_the_recipe_says() -> None:
    recipe = replace(TINY, mixes={0: {"story": 1}, 5: {"idea": 1}})
    assert [set(recipe.mix_at(step)) for step in (0, 4, 5, 99)] == [
        {"story"}, {"story"}, {"idea"}, {"idea"}
    ]  # fmt: skip


def test_rows_are_short_for_as_long_as_the_recipe_says() -> None:
    recipe = replace(TINY, short_rows={3: 16, 5: 32})
    assert [recipe.context_at(step) for step in (0, 2, 3, 4, 5, 99)] == [16, 16, 32, 32, 64, 64]
    assert {recipe.rows_at(step) * recipe.context_at(step) for step in range(9)} == {128}


def test_the_learning_rate_warms_up_stays_and_falls_to_nothing() -> None:
    recipe = replace(TINY, steps=100, warmup_steps=10, decay_share=0.3, learning_rate=1.0)
    rates = [recipe.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == 1.0
    assert rates[10:71] == [1.0] * 61
    assert rates[70:] == sorted(rates[70:], reverse=True) and rates[-1] < 0.05


def test_an_unknown_recipe_gives_the_nearest() -> None:
    with pytest.raises(LookupError, match="base"):
        find_recipe("bass")


def test_every_architecture_has_a_loss() -> None:
    assert set(losses.LOSSES) == set(architectures.BUILDERS)
    assert {recipe.architecture for recipe in RECIPES.values()} == set(losses.LOSSES)
