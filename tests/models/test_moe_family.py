"""The mixture of experts: what its router is measured by, and the comparison with its twins."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from labkit.models import card, domains, moe_family, routing, zoo
from labkit.models.training import checkpoints, losses, pretraining
from labkit.models.training.batches import batch
from labkit.models.training.losses import WORLD
from labkit.models.training.recipes import Recipe
from tests.models.tiny import TINY
from tests.models.training.test_architectures import TINY_MIXTURE

tables = arrays.arrays("int64", (3, 4), elements=st.integers(0, 50)).filter(lambda t: t.any())

any_time = settings(deadline=None, max_examples=50)


def recipes(base: Path) -> dict[str, Recipe]:
    """The family, tiny."""
    common = {
        "mixes": {0: {"question": 1.0, "arithmetic": 1.0}},
        "steps": 4,
        "answer_weight": 1.0,
        "starts_from": str(base),
    }
    mixture = {**TINY_MIXTURE.shape, "intermediate_size": 32, "router_aux_loss_coef": 0.02}
    return {
        "moe": replace(TINY_MIXTURE, name="moe", shape=mixture, **common),
        "moe_twin_active": replace(TINY, name="moe_twin_active", **common),
        "moe_twin_total": replace(
            TINY, name="moe_twin_total", **common, shape={**TINY.shape, "intermediate_size": 128}
        ),
        "moe_unbalanced": replace(
            TINY_MIXTURE,
            name="moe_unbalanced",
            shape=mixture | {"router_aux_loss_coef": 0.0},
            **common,
        ),
    }


@pytest.fixture(scope="module")
def family(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> moe_family.Runs:
    runs = tmp_path_factory.mktemp("runs")
    return moe_family.train_family(runs, "cpu", recipes(tiny_base), seeds=(0, 1))


def test_information_by_hand() -> None:
    alike = torch.tensor([[10, 30], [20, 60]])
    apart = torch.tensor([[8, 0, 0, 0], [0, 8, 0, 0], [0, 0, 8, 0], [0, 0, 0, 8]])
    assert routing.mutual_information(alike) == pytest.approx(0, abs=1e-9)
    assert routing.mutual_information(apart) == pytest.approx(2)


@any_time
@given(tables)
def test_information_is_symmetric_and_bounded(table: object) -> None:
    counts = torch.tensor(table)
    bits = routing.mutual_information(counts)
    assert -1e-9 <= bits <= math.log2(3) + 1e-9
    assert bits == pytest.approx(routing.mutual_information(counts.T), abs=1e-9)
    assert bits == pytest.approx(routing.mutual_information(counts * 7), abs=1e-9)


def test_experts_in_use_runs_from_one_to_all() -> None:
    assert routing.experts_in_use(torch.tensor([[5.0, 5, 5, 5]])) == pytest.approx(4)
    assert routing.experts_in_use(torch.tensor([[9.0, 0, 0, 0]])) == pytest.approx(1)
    assert routing.shares(torch.tensor([[[1.0, 3]], [[1, 3]]])).tolist() == [0.25, 0.75]


def test_counts_leave_out_padding(family: moe_family.Runs) -> None:
    run = family["moe"][0]
    texts = domains.texts_by_domain(run.recipe, run.tokenizer, rows=3)
    counted = routing.counts(run.model, texts)
    assert counted.shape == (1, 3, 2, 4)
    for place, items in enumerate(texts.values()):
        assert counted[0, :, place].sum() == 2 * (items.document > 0).sum()


def test_the_balance_loss_is_the_one_of_the_paper(family: moe_family.Runs) -> None:
    """Experts x the sum over experts of (share of choices) x (mean probability)."""
    run = replace(family["moe"][0], step=3)
    items = batch(run.recipe, WORLD, run.tokenizer, run.step)
    output = run.model.model(
        items.input_ids, attention_mask=items.attention_mask, output_router_logits=True
    )
    real = items.document.flatten() > 0
    probabilities = output.router_logits[0].softmax(-1)[real]
    chosen = probabilities.topk(2).indices
    share = torch.nn.functional.one_hot(chosen, 4).sum(1).float().mean(0)
    expected = 4 * (share * probabilities.mean(0)).sum()
    run.model.config.router_aux_loss_coef = 0.5
    with_balance = losses.mixture_loss(run)
    run.model.config.router_aux_loss_coef = 0.0
    torch.testing.assert_close(with_balance - losses.mixture_loss(run), 0.5 * expected)
    torch.testing.assert_close(
        losses.mixture_loss(run),
        losses.weighted_loss(run.model.lm_head(output.last_hidden_state), items),
    )


def test_held_out_texts_are_the_same_for_every_seed(family: moe_family.Runs) -> None:
    once, again = (
        domains.texts_by_domain(run.recipe, run.tokenizer, rows=2) for run in family["moe"]
    )
    for kind in once:
        assert torch.equal(once[kind].input_ids, again[kind].input_ids)


def test_a_finished_family_is_not_trained_again(
    family: moe_family.Runs, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "train_step", lambda *a: pytest.fail("trained again"))
    runs = family["moe"][0].folder.parents[1]
    again = moe_family.train_family(runs, "cpu", recipes(tiny_base), seeds=(0, 1))
    assert {name: len(seeds) for name, seeds in again.items()} == {
        "moe": 2, "moe_twin_active": 2, "moe_twin_total": 2, "moe_unbalanced": 1
    }  # fmt: skip
    for name, seeds in again.items():
        for one, other in zip(seeds, family[name], strict=True):
            for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True):
                assert torch.equal(p, q)


def test_a_stopped_mixture_goes_on_as_if_it_had_not_been_stopped(
    family: moe_family.Runs, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, recipe = family["moe"][0], recipes(tiny_base)["moe"]
    stopped = pretraining.start(recipe, tmp_path, "cpu")
    for stopped.step in range(2):
        pretraining.train_step(stopped, losses.mixture_loss)
    stopped.step = 2
    checkpoints.save_checkpoint(stopped)
    resumed = pretraining.pretrain(recipe, tmp_path, "cpu")
    assert resumed.step == recipe.steps
    for p, q in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5)


def test_the_published_family_loads_and_the_card_holds_the_comparison(
    family: moe_family.Runs, tmp_path: Path
) -> None:
    folder = card.publish_family(family, tmp_path, texts=2)
    written = json.loads((folder / "card.json").read_text())
    seeds = {name: len(losses) for name, losses in written["comparison"]["held_out_losses"].items()}
    assert seeds == {"moe": 2, "moe_twin_active": 2, "moe_twin_total": 2, "moe_unbalanced": 1}
    assert [len(row["control"]) > 0 for row in written["scorecard"]] == [True] * 3
    shares = written["comparison"]["expert_shares"]["moe"]
    assert all(sum(layer) == pytest.approx(1, abs=1e-3) for layer in shares)
    assert "equal active parameters" in (folder / "README.md").read_text()
    for name in moe_family.FAMILY:
        model, _ = zoo.load_model(str(tmp_path / name))
        assert type(model) is type(family[name][0].model)
