"""A model that knows the region is told by its tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from labkit.models.knowing import knows_region, own_tokenizer
from labkit.models.zoo import WEIGHTS
from tests.models.tiny import other_tokenizer

BUNDLED = sorted(file.parent.name for file in WEIGHTS.glob("*/tokenizer.json"))


@pytest.mark.parametrize("name", BUNDLED)
def test_all_bundled_models_know_it(name: str) -> None:
    assert knows_region(AutoTokenizer.from_pretrained(WEIGHTS / name))


def test_a_copy_elsewhere_and_one_with_more_tokens_know_it(tmp_path: Path) -> None:
    own_tokenizer().save_pretrained(tmp_path)
    copied = AutoTokenizer.from_pretrained(tmp_path)
    assert knows_region(copied)
    copied.add_tokens(["<|more|>"])
    assert knows_region(copied)


def test_other_tokenizers_do_not(tmp_path: Path) -> None:
    assert not knows_region(other_tokenizer())
    own_tokenizer().save_pretrained(tmp_path)
    file = tmp_path / "tokenizer.json"
    content = json.loads(file.read_text("utf-8"))
    one, two = (token for token, i in content["model"]["vocab"].items() if i in (1000, 1001))
    vocabulary = content["model"]["vocab"]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
    file.write_text(json.dumps(content), "utf-8")
    assert not knows_region(AutoTokenizer.from_pretrained(tmp_path))  # as many, in another order
