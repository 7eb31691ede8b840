"""From documents to training batches: token ids, and how much each token weighs in the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from labkit.models.training.recipes import Recipe
from labkit.models.world import Document, World, documents, words

MISSES = 4  # so many documents in a row that fit into no row end a batch
Encoded = tuple[list[int], list[float]]


@dataclass(frozen=True)
class Batch:
    """`input_ids` int64, `weights` float32 and `document` int64, all (rows, context).

    `document` numbers the documents of a row from 1; 0 is padding, which weighs nothing.
    """

    input_ids: Tensor
    weights: Tensor
    document: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(t.to(device) for t in (self.input_ids, self.weights, self.document)))

    @property
    def attention_mask(self) -> Tensor:
        """Each token sees itself and what precedes it in its own document, bool (rows, 1, context,
        context). A value of another document would only be in the way."""
        same = self.document[:, :, None] == self.document[:, None, :]
        return same.tril()[:, None]


def encode(document: Document, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> Encoded:
    """A document's token ids and weights, closed by the end-of-text token."""
    parts = tokenizer([part.text for part in document.parts], return_attention_mask=False)
    context_weight = recipe.context_weights.get(document.kind, 1.0)
    ids: list[int] = []
    weights: list[float] = []
    for part, piece in zip(document.parts, parts["input_ids"], strict=True):
        ids += piece
        weights += [recipe.answer_weight if part.answer else context_weight] * len(piece)
    return [*ids, tokenizer.eos_token_id], [*weights, context_weight]


def batch(recipe: Recipe, world: World, tokenizer: PreTrainedTokenizerBase, step: int) -> Batch:
    """The batch of one step, the same whenever it is asked for: whole documents, packed into rows.
    A document longer than a row is cut."""
    stream = documents(world, seed=recipe.seed * 1_000_000_007 + step, mix=recipe.mix_at(step))
    context = recipe.context_at(step)
    rows = pack((encode(d, tokenizer, recipe) for d in stream), recipe.rows_at(step), context)
    items = Batch(
        torch.full((len(rows), context), tokenizer.pad_token_id or 0),
        torch.zeros(len(rows), context),
        torch.zeros(len(rows), context, dtype=torch.int64),
    )
    for r, row in enumerate(rows):
        start = 0
        for number, (ids, weights) in enumerate(row, start=1):
            place = slice(start, start + len(ids))
            items.input_ids[r, place] = torch.tensor(ids)
            items.weights[r, place] = torch.tensor(weights)
            items.weights[r, start] = 0.0  # nothing before it foretells a document's first token
            items.document[r, place] = number
            start += len(ids)
    return items


def pack(stream: Iterator[Encoded], rows: int, context: int) -> list[list[Encoded]]:
    """Documents by row, each in the first row that has room for it."""
    packed: list[list[Encoded]] = [[] for _ in range(rows)]
    room, misses = [context] * rows, 0
    while misses < MISSES:
        ids, weights = next(stream)
        length = min(context, len(ids))
        row = next((r for r in range(rows) if room[r] >= length), None)
        if row is None:
            misses += 1
        else:
            packed[row].append((ids[:context], weights[:context]))
            room[row] -= length
    return packed


def texts_for_tokenizer(recipe: Recipe, world: World, count: int = 40_000) -> Iterator[str]:
    """What the tokenizer is trained on: documents as halfway, and every name there is."""
    stream = documents(world, seed=-1 - recipe.seed, mix=recipe.mix_at(recipe.steps // 2))
    yield from (next(stream).text for _ in range(count))
    for word in words():
        yield from [word] * 20
