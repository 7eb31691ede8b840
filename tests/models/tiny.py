"""A recipe that trains in seconds, for tests of the training code itself."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from labkit.models.training import architectures, batches, pretraining
from labkit.models.training.losses import WORLD
from labkit.models.training.recipes import Recipe
from labkit.models.training.tokenizer import train_tokenizer

TINY = Recipe(
    name="tiny",
    summary="A model for tests.",
    shape={
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
    },
    steps=8,
    rows=2,
    context=64,
    warmup_steps=2,
    vocab_size=320,
)
MIMETIC = replace(TINY, mimetic=True, shape={**TINY.shape, "attention_bias": True})


def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains the tokenizer on fewer documents, which is what takes the time."""
    whole = batches.texts_for_tokenizer
    monkeypatch.setattr(
        pretraining, "texts_for_tokenizer", lambda recipe, world: whole(recipe, world, count=200)
    )


def save_tiny_model(folder: Path) -> LlamaForCausalLM:
    """An untrained model of the tiny shape with a real tokenizer, as a folder to load."""
    recipe = TINY
    tokenizer = train_tokenizer(
        batches.texts_for_tokenizer(recipe, WORLD, count=200), recipe.vocab_size
    )
    model = architectures.llama(recipe, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


@cache
def other_tokenizer() -> PreTrainedTokenizerBase:
    """Another tokenizer than that of the bundled models; each call gives the same."""
    return train_tokenizer(batches.texts_for_tokenizer(TINY, WORLD, count=200), TINY.vocab_size)


@cache
def other_model() -> LlamaForCausalLM:
    """An untrained model that reads by `other_tokenizer`, in eval mode."""
    torch.manual_seed(0)
    return architectures.llama(TINY, other_tokenizer()).eval()
