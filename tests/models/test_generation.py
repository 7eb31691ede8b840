"""Completions in batches: repeatable by seed, and without a trace in the global random state."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models import complete, load_model

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def base() -> Loaded:
    return load_model("base")


def test_greedy_is_what_generate_gives(base: Loaded) -> None:
    model, tokenizer = base
    prompt = "An idea for a shop: "
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    output = model.generate(ids, do_sample=False, max_new_tokens=30)
    expected = tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True).split("\n")[0]
    assert complete(model, tokenizer, [prompt], max_new_tokens=30) == [[expected]]


def test_a_seed_repeats_and_another_does_not(base: Loaded) -> None:
    def drawn(seed: int) -> list[list[str]]:
        return complete(*base, ["Once upon a time"], temperature=1.0, samples=4, seed=seed)

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(drawn(1)[0]) == 4


def test_the_global_random_state_is_left_alone(base: Loaded) -> None:
    before = torch.random.get_rng_state()
    complete(*base, ["Once"], temperature=1.0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_no_filter_is_applied_unasked(base: Loaded) -> None:
    """generate keeps 50 tokens by default; very hot sampling must reach beyond them."""
    texts = complete(*base, ["Once "], temperature=50.0, samples=200, max_new_tokens=1, stop=None)
    assert len(set(texts[0])) > 100
