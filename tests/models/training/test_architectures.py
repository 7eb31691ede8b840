"""From recipe to model: the right class, equal sizes where they should be equal, clear refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from labkit.models import moe_family, vision
from labkit.models.training import architectures
from labkit.models.training.recipes import RECIPES, Recipe, find_recipe
from labkit.models.zoo import WEIGHTS
from tests.models.tiny import TINY

TINY_MIXTURE = replace(
    TINY,
    architecture="mixtral",
    shape={**TINY.shape, "num_local_experts": 4, "num_experts_per_tok": 2},
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(WEIGHTS / "base")


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_builds_a_model_that_may_be_bundled(recipe: Recipe) -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "base")
    if recipe.architecture == "llava":
        vision.make_processor(tokenizer, recipe.shape["vision"]["patch_size"])
    model = architectures.build(recipe, tokenizer)
    assert sum(p.numel() for p in model.parameters()) * 2 <= 16e6  # bytes in bfloat16
    assert (
        type(model).__name__
        == {
            "llama": "LlamaForCausalLM",
            "mixtral": "MixtralForCausalLM",
            "llava": "LlavaForConditionalGeneration",
            "reward": "LlamaForSequenceClassification",
        }[recipe.architecture]
    )


def test_the_twins_are_as_large_as_the_mixture(tokenizer: PreTrainedTokenizerBase) -> None:
    moe, active, total = (
        architectures.build(find_recipe(name), tokenizer) for name in moe_family.COMPARED
    )
    used, whole = moe_family.active_parameters(moe), sum(p.numel() for p in moe.parameters())
    assert moe_family.active_parameters(active) == pytest.approx(used, rel=0.01)
    assert moe_family.active_parameters(total) == pytest.approx(whole, rel=0.01)
    assert 0.25e6 <= used < whole <= 1.5e6


def test_the_active_parameters_are_those_that_one_token_moves(tiny_base: Path) -> None:
    """Of the experts, a token's loss reaches two; the embedding it reaches as the head."""
    model = architectures.build(TINY_MIXTURE, AutoTokenizer.from_pretrained(tiny_base))
    model(
        input_ids=torch.tensor([[7]]), output_router_logits=False
    ).logits.square().sum().backward()
    moved = sum(
        p.numel()
        if ".experts." not in name
        else sum(e.numel() for e, g in zip(p, p.grad, strict=True) if g.any())
        for name, p in model.named_parameters()
    )
    assert moe_family.active_parameters(model) == moved


def test_grouped_experts_compute_what_a_loop_over_experts_does(tiny_base: Path) -> None:
    model = architectures.build(TINY_MIXTURE, AutoTokenizer.from_pretrained(tiny_base))
    ids = torch.randint(5, 300, (2, 16), generator=torch.Generator().manual_seed(0))
    found = {}
    for how in ("grouped_mm", "eager"):
        model.set_experts_implementation(how)
        logits = model(input_ids=ids).logits
        (gradient,) = torch.autograd.grad(
            logits.square().mean(), model.model.layers[0].mlp.experts.down_proj
        )
        found[how] = logits.detach(), gradient
    torch.testing.assert_close(found["grouped_mm"], found["eager"], rtol=1e-4, atol=1e-6)


def test_what_cannot_be_built_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(LookupError, match="mixtral"):
        architectures.build(replace(TINY, architecture="mamba"), tokenizer)
    with pytest.raises(ValueError, match="room for 320 tokens"):
        architectures.build(TINY, tokenizer)
