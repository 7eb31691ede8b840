"""From documents to training batches: token ids, and how much each token weighs in the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from labkit.models.recipes import Recipe
from labkit.models.world import Document, World, documents, lexicon


@dataclass(frozen=True)
class Batch:
    """`input_ids` (rows, context) int64 and `weights` (rows, context) float32."""

    input_ids: torch.Tensor
    weights: torch.Tensor


def encode(
    document: Document, tokenizer: PreTrainedTokenizerBase, answer_weight: float
) -> tuple[list[int], list[float]]:
    """A document's token ids and weights, closed by the end-of-text token."""
    parts = tokenizer([part.text for part in document.parts], return_attention_mask=False)
    ids: list[int] = []
    weights: list[float] = []
    for part, piece in zip(document.parts, parts["input_ids"], strict=True):
        ids += piece
        weights += [answer_weight if part.answer else 1.0] * len(piece)
    return [*ids, tokenizer.eos_token_id], [*weights, 1.0]


def batch(recipe: Recipe, world: World, tokenizer: PreTrainedTokenizerBase, step: int) -> Batch:
    """The batch of one step, the same whenever it is asked for: documents one after the other."""
    size = recipe.rows * recipe.context
    ids: list[int] = []
    weights: list[float] = []
    stream = documents(world, seed=recipe.seed * 1_000_000_007 + step, mix=recipe.mix_at(step))
    while len(ids) < size:
        more_ids, more_weights = encode(next(stream), tokenizer, recipe.answer_weight)
        ids += more_ids
        weights += more_weights
    shape = (recipe.rows, recipe.context)
    return Batch(
        torch.tensor(ids[:size]).view(shape), torch.tensor(weights[:size]).view(shape)
    )  # fmt: skip


def texts_for_tokenizer(recipe: Recipe, world: World, count: int = 40_000) -> Iterator[str]:
    """What the tokenizer is trained on: documents of the mix, and every name there is."""
    stream = documents(world, seed=-1 - recipe.seed, mix=recipe.mix_at(0))
    yield from (next(stream).text for _ in range(count))
    names = (
        *lexicon.FIRST_NAMES, *lexicon.LAST_NAMES, *lexicon.TOWN_NAMES,
        *lexicon.COMPANY_NAMES, *lexicon.PRODUCT_NAMES,
    )  # fmt: skip
    for name in names:
        yield from [name] * 20
