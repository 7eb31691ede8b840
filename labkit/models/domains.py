"""Held-out loss by domain: by kind of document, on texts that no training batch holds."""

from __future__ import annotations

from dataclasses import replace

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models.training.batches import Batch, batch
from labkit.models.training.losses import WORLD, weighted_loss
from labkit.models.training.recipes import Recipe

HELD_OUT = -5  # the seed of texts that no training batch holds: theirs is 0 or more


def texts_by_domain(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, rows: int
) -> dict[str, Batch]:
    """Texts that no training batch holds, so many rows for each kind of document."""
    recipe = replace(recipe, rows=rows, seed=HELD_OUT, short_rows={})
    return {
        kind: batch(replace(recipe, mixes={0: {kind: 1.0}}), WORLD, tokenizer, 0)
        for kind in recipe.mix_at(0)
    }


@torch.inference_mode()
def loss_of_texts(model: PreTrainedModel, texts: Batch) -> float:
    """Mean next-token loss in nats; a document's first token, which nothing predicts, and padding
    don't count."""
    items = texts.to(model.device)
    inner = model.model(items.input_ids, attention_mask=items.attention_mask, use_cache=False)
    return weighted_loss(model.lm_head(inner.last_hidden_state), items).item()


def domain_losses(model: PreTrainedModel, texts: dict[str, Batch]) -> dict[str, float]:
    """Mean held-out loss for each domain."""
    return {kind: loss_of_texts(model, items) for kind, items in texts.items()}
