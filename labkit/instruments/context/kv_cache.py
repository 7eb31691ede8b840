"""The KV cache: what a real one takes, and what the caches of well-known models take.

For every token and layer a decoder keeps a key and a value vector for each key-value head, so that
it need not read the prompt again for the next token: 2 · layers · kv_heads · head_dim numbers a
token. Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) shares a pair of key-value
heads between several query heads, and keeps fewer numbers.
"""

from __future__ import annotations

import torch
from transformers import DynamicCache, PreTrainedModel

from labkit.instruments.models_table import find_model

GIB = 2**30


REAL_MODELS = tuple(
    map(
        find_model,
        (
            "Llama-2-7B",
            "Phi-3.5-mini",
            "Mistral-Nemo-12B",
            "Llama-3.1-8B",
            "Mistral-7B-v0.3",
            "Qwen2.5-7B",
            "SmolLM2-135M",
        ),
    )
)  # from a wide cache to a narrow one


@torch.inference_mode()
def filled_cache(model: PreTrainedModel, tokens: int, batch: int = 1) -> DynamicCache:
    """The real cache of a model that has read `tokens` tokens in each of `batch` rows."""
    if tokens < 1 or batch < 1:
        raise ValueError(f"{batch} rows of {tokens} tokens were given; at least 1 of 1 is needed")
    cache = DynamicCache(config=model.config)
    ids = torch.ones((batch, tokens), dtype=torch.long, device=model.device)
    model(input_ids=ids, past_key_values=cache, logits_to_keep=1)
    return cache


def measured_bytes(cache: DynamicCache) -> int:
    """The bytes of all keys and values that a cache holds."""
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


def tokens_that_fit(memory_bytes: float, weight_bytes: float, bytes_per_token: float) -> int:
    """How many tokens of cache fit beside the weights; 0 where the weights alone do not.

    A server needs some memory besides (activations, the CUDA context): this is the most there can
    be.
    """
    if bytes_per_token <= 0:
        raise ValueError(f"{bytes_per_token} bytes a token were given; more than 0 are needed")
    return max(0, int((memory_bytes - weight_bytes) // bytes_per_token))
