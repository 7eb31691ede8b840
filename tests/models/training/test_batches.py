"""Batches: whole documents in rows, none of which sees another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from labkit.models import load_model
from labkit.models.training import architectures
from labkit.models.training.batches import batch, encode, pack
from labkit.models.world import World, documents
from tests.models.tiny import TINY, save_tiny_model

ROOMY = replace(TINY, context=256, rows=3)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    folder: Path = tmp_path_factory.mktemp("tiny")
    save_tiny_model(folder)
    return load_model(str(folder))[1]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 4))
def test_documents_stay_whole_and_rows_are_not_overfull(lengths: list[int], rows: int) -> None:
    def stream() -> object:
        yield from (([i] * n, [1.0] * n) for i, n in enumerate(lengths))
        while True:
            yield [999] * 40, [1.0] * 40

    packed = pack(stream(), rows, 30)  # type: ignore[arg-type]
    assert len(packed) == rows
    for row in packed:
        assert sum(len(ids) for ids, _ in row) <= 30
        assert all(
            len(ids) == (min(30, lengths[ids[0]]) if ids[0] != 999 else 30) for ids, _ in row
        )


def test_a_batch_holds_the_documents_of_its_step(tokenizer: PreTrainedTokenizerBase) -> None:
    items = batch(ROOMY, World(), tokenizer, 3)
    row, numbers = items.input_ids[0], items.document[0]
    first = tokenizer.decode(row[numbers == 1])
    whole = next(documents(World(), seed=3, mix=ROOMY.mix_at(3)))
    assert first.startswith(tokenizer.decode(encode(whole, tokenizer, ROOMY)[0][:250]))
    assert (items.weights[items.document == 0] == 0).all()


def test_no_document_sees_another(tokenizer: PreTrainedTokenizerBase) -> None:
    items = batch(ROOMY, World(), tokenizer, 1)
    seen = items.attention_mask[:, 0]
    for r in range(ROOMY.rows):
        to, source = seen[r].nonzero(as_tuple=True)
        assert (source <= to).all()
        assert (items.document[r][to] == items.document[r][source]).all()
    assert seen.diagonal(dim1=1, dim2=2).all()


def test_another_document_changes_nothing(tokenizer: PreTrainedTokenizerBase) -> None:
    """The logits of a row's second document do not depend on its first."""
    items = batch(ROOMY, World(), tokenizer, 1)
    torch.manual_seed(0)
    model = architectures.llama(ROOMY, tokenizer).eval()
    changed = torch.where(items.document == 1, 7, items.input_ids)
    with torch.no_grad():
        before, after = (
            model(ids, attention_mask=items.attention_mask).logits
            for ids in (items.input_ids, changed)
        )
    second = items.document == 2
    assert second.any()
    torch.testing.assert_close(before[second], after[second])
