"""The bytes of a real cache, and what fits beside the weights."""

from __future__ import annotations

import pytest

from labkit.instruments.context import kv_cache
from labkit.models import load_model


def test_a_filled_cache_takes_two_vectors_a_head_layer_and_token() -> None:
    model, _ = load_model("base")
    shape = model.config
    for tokens, batch in ((1, 1), (7, 1), (5, 3)):
        expected = 2 * shape.num_hidden_layers * shape.num_key_value_heads * shape.head_dim
        cache = kv_cache.filled_cache(model, tokens, batch)
        assert kv_cache.measured_bytes(cache) == expected * tokens * batch * 4
    with pytest.raises(ValueError, match="at least 1"):
        kv_cache.filled_cache(model, 0)


def test_what_fits_is_what_the_weights_leave() -> None:
    assert kv_cache.tokens_that_fit(100, 40, 7) == 8
    assert kv_cache.tokens_that_fit(100, 140, 7) == 0
    with pytest.raises(ValueError, match="more than 0"):
        kv_cache.tokens_that_fit(100, 40, 0)


def test_real_models_have_what_a_config_has() -> None:
    for model in kv_cache.REAL_MODELS:
        heads, shared = model.config["num_attention_heads"], model.config["num_key_value_heads"]
        assert heads % shared == 0
        assert model.weight_bytes(4) == model.weight_bytes(16) / 4
    llama = kv_cache.REAL_MODELS[0]
    assert llama.weight_bytes(16) == pytest.approx(13.5e9, rel=0.01)
