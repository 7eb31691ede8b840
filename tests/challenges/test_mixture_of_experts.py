"""The reference answers of lesson 15 against transformers' mixtures, on random sizes and weights,
and the published counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModelForCausalLM, MixtralConfig, OlmoeConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

from labkit.challenges.mixture_of_experts import (
    count_parameters,
    load_balancing_loss,
    sparse_experts,
    top_k_router,
)
from labkit.challenges.mixture_of_experts.drawing import GAP, spread
from labkit.grading.source.solutions import names, reference

LESSON = "15_mixture_of_experts"
REFERENCE = {name: reference(LESSON, name) for name in names(LESSON)}
sizes = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 999)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def block(experts: int, k: int, hidden: int, inner: int, seed: int) -> MixtralSparseMoeBlock:
    """Mixtral's own layer with weights of ours."""
    config = MixtralConfig(
        hidden_size=hidden, intermediate_size=inner,
        num_local_experts=experts, num_experts_per_tok=k,
    )  # fmt: skip
    config._experts_implementation = "eager"
    theirs = MixtralSparseMoeBlock(config).eval()
    for place, weight in enumerate(theirs.parameters()):
        weight.copy_(drawn(seed + place, *weight.shape))
    return theirs


@sizes
@given(st.data(), st.integers(1, 8), st.integers(1, 9), st.integers(1, 9), st.integers(0, 9), seeds)
def test_router_and_experts_equal_mixtrals_block(
    data: st.DataObject, experts: int, hidden: int, inner: int, tokens: int, seed: int
) -> None:
    k = data.draw(st.integers(1, experts))
    theirs = block(experts, k, hidden, inner, seed)
    x = drawn(seed, 1, tokens, hidden)
    with torch.no_grad():
        expected = theirs(x)[0]
        weights, chosen = REFERENCE["top_k_router"](x[0] @ theirs.gate.weight.T, k, True)
        layer = (theirs.experts.gate_up_proj, theirs.experts.down_proj)
        ours = REFERENCE["sparse_experts"](x[0], chosen, weights, *layer)
        truth = sparse_experts.true_experts(x[0], chosen, weights, *layer)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(truth, expected, rtol=1e-4, atol=1e-4)


@sizes
@given(st.data(), st.integers(1, 9), st.integers(0, 9), st.booleans(), seeds)
def test_routes_equal_the_librarys(
    data: st.DataObject, experts: int, tokens: int, norm: bool, seed: int
) -> None:
    k = data.draw(st.integers(1, experts))
    logits = drawn(seed, tokens, experts)
    weights, chosen = REFERENCE["top_k_router"](logits, k, norm)
    theirs = top_k_router.library_routes(logits, k, norm)
    torch.testing.assert_close(weights, theirs[0])
    assert torch.equal(chosen, theirs[1])
    torch.testing.assert_close(top_k_router.true_routes(logits, k, norm), (weights, chosen))
    if norm:
        torch.testing.assert_close(weights.sum(-1), torch.ones(tokens))


def test_scaling_after_is_softmax_after_and_not_scaling_is_not() -> None:
    """The order matters only where nothing is scaled."""
    logits = drawn(0, 20, 8)
    after = logits.topk(2).values.softmax(-1)
    torch.testing.assert_close(REFERENCE["top_k_router"](logits, 2, True)[0], after)
    assert (REFERENCE["top_k_router"](logits, 2, False)[0] < after).all()


@sizes
@given(st.data(), st.integers(2, 8), st.integers(1, 9), st.integers(1, 3), seeds)
def test_the_loss_equals_the_librarys_and_teaches_the_same(
    data: st.DataObject, experts: int, tokens: int, layers: int, seed: int
) -> None:
    k = data.draw(st.integers(1, experts))
    real = data.draw(st.lists(st.booleans(), min_size=tokens, max_size=tokens).filter(any))
    mask = data.draw(st.sampled_from([None, torch.tensor(real).long()]))
    logits = [drawn(seed + i, tokens, experts).requires_grad_() for i in range(layers)]
    ours = REFERENCE["load_balancing_loss"](logits, k, mask)
    theirs = load_balancing_loss.library_balance(logits, k, mask)
    torch.testing.assert_close(ours, theirs)
    truth = load_balancing_loss.true_balance(logits, k, mask)
    torch.testing.assert_close(truth.float(), ours.detach())
    pulls = load_balancing_loss.true_pull(logits, k, mask)
    for a, b, c in zip(
        torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits), pulls, strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(c, b, rtol=1e-4, atol=1e-6)


@sizes
@given(st.integers(1, 9), st.integers(1, 16), seeds)
def test_no_choice_hangs_on_rounding(tokens: int, experts: int, seed: int) -> None:
    scores = drawn(seed, tokens, experts).round(decimals=1)
    ordered = spread(scores).sort(dim=-1)
    assert (ordered.values.diff(dim=-1) >= 0.99 * GAP).all()
    assert (scores.gather(-1, ordered.indices).diff(dim=-1) >= 0).all()
    assert (spread(scores).bfloat16().sort(dim=-1).values.diff(dim=-1) > 0).all()


@pytest.mark.parametrize("k", [1, 2, 3])
def test_an_even_spread_gives_k(k: int) -> None:
    near = sum(torch.eye(6).roll(step, 1) * (k - step) for step in range(k))
    found = REFERENCE["load_balancing_loss"]([near], k)  # token i goes to experts i to i + k - 1
    assert found.item() == pytest.approx(k)


def test_the_published_counts() -> None:
    """Jiang et al. 2024 (arXiv:2401.04088): 47B and 13B; Phi-3.5-MoE's card: 42B and 6.6B."""
    for config, total, active in (
        (count_parameters.MIXTRAL_8X7B, 46.7, 12.9),
        (count_parameters.PHI_3_5_MOE, 41.9, 6.6),
        (count_parameters.QWEN3_30B_A3B, 30.5, 3.4),
    ):
        found = REFERENCE["count_parameters"](config)
        assert round(found["total"] / 1e9, 1) == total
        assert round(found["active"] / 1e9, 1) == active


def whole(config: Any) -> int:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(p.numel() for p in model.parameters())


def test_constants_are_those_of_the_real_models() -> None:
    biased = count_parameters.PHI_3_5_MOE | {"attention_bias": True, "lm_head_bias": True}
    for kind, config, counts in (
        ("mixtral", count_parameters.MIXTRAL_8X7B, count_parameters.MIXTRAL_COUNTS),
        ("phimoe", biased, count_parameters.PHI_COUNTS),
        ("qwen3_moe", count_parameters.QWEN3_30B_A3B, count_parameters.QWEN3_COUNTS),
    ):
        assert count_parameters.counted(kind, config) == counts
        left_out = whole(count_parameters.CONFIG_CLASSES[kind](**config)) - counts["total"]
        assert 0 < left_out < counts["total"] / 10_000


@pytest.mark.parametrize("name", count_parameters.TINY)
def test_the_checks_counts_are_those_of_the_real_models(name: str) -> None:
    kind, config = count_parameters.TINY[name]
    assert count_parameters.true_counts(config) == count_parameters.counted(kind, config)


def test_a_finely_grained_one_of_many_small_experts() -> None:
    """OLMoE (Muennighoff et al. 2024, arXiv:2409.02060): 6.9B, 1.3B active, 8 of 64 experts."""
    config = {
        "vocab_size": 50_304, "hidden_size": 2048, "intermediate_size": 1024,
        "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 16,
        "num_experts": 64, "num_experts_per_tok": 8, "tie_word_embeddings": False,
    }  # fmt: skip
    found = REFERENCE["count_parameters"](config)
    assert (round(found["total"] / 1e9, 1), round(found["active"] / 1e9, 1)) == (6.9, 1.3)
    assert 0 < whole(OlmoeConfig(**config)) - found["total"] < found["total"] / 10_000


def test_what_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="k is 9: give 1 to 8"):
        REFERENCE["top_k_router"](torch.zeros(2, 8), 9, True)
    with pytest.raises(ValueError, match="no token"):
        REFERENCE["load_balancing_loss"]([torch.zeros(0, 4)], 2)
    with pytest.raises(ValueError, match="numbered from 0"):
        index, ones = torch.tensor([[4]]), torch.ones(1, 1)
        REFERENCE["sparse_experts"](torch.zeros(1, 2), index, ones, torch.zeros(4, 2, 2),
                                    torch.zeros(4, 2, 1))  # fmt: skip
    with pytest.raises(ValueError, match="num_experts_per_tok is 9"):
        REFERENCE["count_parameters"](count_parameters.MIXTRAL_8X7B | {"num_experts_per_tok": 9})


def test_the_checks_truth_leaves_the_global_draws_alone() -> None:
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    top_k_router.library_routes(torch.zeros(2, 4), 2, True)
    sparse_experts.library_experts(
        torch.zeros(1, 2), torch.zeros(1, 1).long(), torch.ones(1, 1), torch.zeros(1, 2, 2),
        torch.zeros(1, 2, 1),
    )  # fmt: skip
    count_parameters.counted(*count_parameters.TINY["two experts"])
    assert torch.equal(torch.random.get_rng_state(), state)
