"""The small trainings: what stays the same, what is counted, and that they learn at all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from labkit.grading.source.solutions import reference
from labkit.instruments.experts import training
from labkit.instruments.experts.training import KINDS, remembered, watch_router

BALANCE = reference("15_mixture_of_experts", "load_balancing_loss")


def test_without_and_with_balance_start_alike() -> None:
    alone, even = (watch_router(balance, steps=20) for balance in (None, BALANCE))
    assert alone.steps == even.steps == [0, 10, 20]
    assert alone.in_use[0] == even.in_use[0] and alone.in_use[2] != even.in_use[2]
    for watched in (alone, even):
        assert watched.at_the_end == pytest.approx(sum(watched.in_use) / 3)
        assert sum(watched.shares) == pytest.approx(1)
        assert all(1 <= n <= 8 for n in watched.in_use)
        assert watched.idle(below=2.0) == 8 and watched.idle(below=0.0) == 0


def test_the_balance_loss_gets_every_layer_k_and_the_mask() -> None:
    heard: list[tuple[int, int, int]] = []

    def balance(logits: list[Tensor], k: int, mask: Tensor) -> Tensor:
        assert all(one.shape == (len(mask), 8) for one in logits)
        heard.append((len(logits), k, int(mask.sum())))
        return BALANCE(logits, k, mask)

    watch_router(balance, steps=2)
    assert [(layers, k) for layers, k, _ in heard] == [(1, 2), (1, 2)]
    assert all(0 < real <= 4 * 128 for *_, real in heard)


def test_the_global_draws_are_left_alone() -> None:
    state = torch.random.get_rng_state()
    watch_router(None, steps=1)
    remembered(KINDS[0], 8, BALANCE, steps=1)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_sizes_of_mixture_and_twins() -> None:
    """A router of 8 x 32 is all that the mixture has beyond its twins."""
    sizes = training.weights_of()
    assert sizes["mixture"] == (3 * 32 * 64 + 256, 3 * 32 * 16 + 256)
    assert sizes["twin, equal active"] == (3 * 32 * 16,) * 2
    assert sizes["twin, equal total"] == (3 * 32 * 64,) * 2


def test_facts_are_all_different() -> None:
    pairs, answers = training.random_facts(4096)
    assert len(pairs.unique(dim=0)) == 4096 and answers.max() < 64
    for count in (0, 4097):
        with pytest.raises(ValueError, match=f"{count} facts: there are 4096 pairs"):
            training.random_facts(count)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_facts_are_remembered_by_all(kind: str) -> None:
    assert sum(remembered(kind, 64, BALANCE, steps=60)) >= 60
    assert sum(remembered(kind, 64, BALANCE, steps=1)) < 40


def test_an_unknown_block_is_named() -> None:
    with pytest.raises(LookupError, match="no 'tree': mixture, twin"):
        training.block_of("tree")
