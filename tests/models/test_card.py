"""Publishing a finished run: weights, card and checksums that load as shipped."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import torch

from labkit.models import card, zoo
from labkit.models.training import pretraining
from tests.models.tiny import TINY, few_texts


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    few_texts(monkeypatch)
    run = pretraining.pretrain(TINY, tmp_path / "runs", "cpu")
    return card.publish(run, n=4, weights=tmp_path / "weights")


def test_what_is_published_loads_and_matches_its_checksums(published: Path) -> None:
    zoo.verify_files(published)
    model, tokenizer = zoo.load_model(str(published))
    assert tokenizer("Anna lives in")["input_ids"]
    assert model.config.hidden_size == TINY.shape["hidden_size"]
    assert torch.isfinite(model.lm_head.weight).all()


def test_everyone_may_read_it(published: Path) -> None:
    """safetensors writes files for their owner alone; a course is installed for others too."""
    assert {stat.S_IMODE(file.stat().st_mode) for file in published.iterdir()} == {0o644}


def test_the_card_says_what_was_done_and_measured(published: Path) -> None:
    written = json.loads((published / "card.json").read_text())
    assert written["steps"] == TINY.steps
    assert written["tokens"] == TINY.steps * TINY.rows * TINY.context
    assert {row["name"] for row in written["scores"]} >= {"trained facts", "well-formed sentences"}
    for row in written["scores"]:
        assert row["low"] <= row["value"] <= row["high"] and row["n"] > 0
    text = (published / "README.md").read_text()
    assert "labkit models train tiny" in text and "95 % interval" in text
