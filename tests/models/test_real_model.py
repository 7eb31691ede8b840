"""SmolLM2-135M-Instruct, where it was fetched: what its card and its makers say of it is so."""

from __future__ import annotations

import pytest
import torch

from labkit.cli.fetching import SMOLLM2
from labkit.fetched import MODELS
from labkit.instruments.context.kv_cache import filled_cache, measured_bytes
from labkit.instruments.real.capitals import question
from labkit.models import complete, load_model
from labkit.models.zoo import card_of

pytestmark = pytest.mark.skipif(not MODELS["smollm2"].is_there, reason="smollm2 is not fetched")


@pytest.fixture(scope="module")
def smollm2():
    return load_model("smollm2")


def test_it_is_the_one_that_the_card_describes(smollm2) -> None:
    model, tokenizer = smollm2
    config = model.config
    assert round(model.num_parameters() / 1e6, 1) == 134.5 and model.dtype == torch.float32
    assert (config.num_hidden_layers, config.hidden_size, config.num_key_value_heads) == (
        30,
        576,
        3,
    )
    assert "<|im_start|>" in tokenizer.chat_template
    assert card_of("smollm2")["sha256 of the file"] == SMOLLM2.file_sha256


def test_it_knows_where_paris_is(smollm2) -> None:
    ((text,),) = complete(*smollm2, [question(smollm2[1], "France", begun=True)], max_new_tokens=4)
    assert text.strip().startswith("Paris")


def test_a_tokens_cache_takes_what_the_formula_says(smollm2) -> None:
    assert measured_bytes(filled_cache(smollm2[0], 8)) == 8 * 46_080
