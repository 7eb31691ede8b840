"""Bytes of a KV cache: 2 · layers · key-value heads · head_dim · tokens · batch · bytes a number.

Checked against transformers' own cache of the same shape, whose tensors are measured.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

DTYPES = {1: torch.int8, 2: torch.bfloat16, 4: torch.float32}


def true_cache_bytes(config: dict[str, Any], tokens: int, batch: int, bytes_per_number: int) -> int:
    """The bytes of transformers' own cache of this shape."""
    return measured_bytes(tuple(config.items()), tokens, batch, bytes_per_number)


@lru_cache
def measured_bytes(
    items: tuple[tuple[str, Any], ...], tokens: int, batch: int, bytes_per_number: int
) -> int:
    """A cache filled with tensors without storage ("meta")."""
    from transformers import DynamicCache, LlamaConfig

    config, cache = LlamaConfig(**dict(items)), DynamicCache()
    shape = (batch, config.num_key_value_heads, tokens, config.head_dim)
    empty = torch.empty(shape, dtype=DTYPES[bytes_per_number], device="meta")
    for layer in range(config.num_hidden_layers):
        cache.update(empty, empty, layer)
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


def shape(layers: int, heads: int, hidden: int, **more: int | None) -> dict[str, Any]:
    """What a config.json says of a model's shape."""
    sizes = {"num_hidden_layers": layers, "num_attention_heads": heads, "hidden_size": hidden}
    return {**sizes, **more}


SHAPES = {
    "one layer": shape(1, 1, 8),
    "gpt-2": shape(12, 12, 768),
    "llama-2-7b": shape(32, 32, 4096, num_key_value_heads=32),
    "llama-3.1-8b": shape(32, 32, 4096, num_key_value_heads=8),
    "qwen2.5-7b": shape(28, 28, 3584, num_key_value_heads=4, head_dim=None),
    "mistral-nemo": shape(40, 32, 5120, num_key_value_heads=8, head_dim=128),
    "gemma-2b": shape(18, 8, 2048, num_key_value_heads=1, head_dim=256),
    "null": shape(2, 4, 32, num_key_value_heads=None, head_dim=16),
}


def check_kv_cache_bytes(s: Submission) -> None:
    def expect(
        config: dict[str, Any], because: str, tokens: int, batch: int = 1, size: int = 2
    ) -> None:
        answer = s.kv_cache_bytes(config, tokens, batch, size)
        answer.equals(true_cache_bytes(config, tokens, batch, size), because=because)
        answer.holds(is_whole, because="Bytes are a whole number.")

    both = "For each token every layer keeps a key and a value."
    expect(SHAPES["one layer"], both, 1)
    expect(SHAPES["gpt-2"], both, 1)
    expect(SHAPES["llama-2-7b"], both, 1)
    expect(SHAPES["llama-2-7b"], "Each token takes the same again.", 4096)
    s.kv_cache_bytes(SHAPES["gpt-2"], 10).equals(
        true_cache_bytes(SHAPES["gpt-2"], 10, 1, 2),
        because="batch is 1 and bytes_per_number 2 unless they are given.",
    )
    shared = (
        "With grouped queries there are fewer key-value heads than attention heads, and each is as "
        "wide as an attention head."
    )
    expect(SHAPES["llama-3.1-8b"], shared, 1)
    expect(SHAPES["qwen2.5-7b"], shared, 100)
    own = "head_dim counts where the config gives it; heads times head_dim need not be hidden_size."
    expect(SHAPES["mistral-nemo"], own, 1)
    expect(SHAPES["gemma-2b"], own, 7)
    expect(SHAPES["null"], "None in a config means the same as absent.", 3)
    expect(SHAPES["llama-3.1-8b"], "Every row of a batch has a cache of its own.", 50, batch=8)
    sizes = "float32 takes 4 bytes a number, int8 one."
    expect(SHAPES["llama-3.1-8b"], sizes, 50, size=4)
    expect(SHAPES["mistral-nemo"], sizes, 128_000, batch=2, size=1)
    for because, groups, own_dim in (
        (both, False, False),
        (shared, True, False),
        (own, True, True),
    ):
        config = drawn_shape(s, groups, own_dim)
        expect(config, because, 1 + draw(s, 9_000), 1 + draw(s, 8), (1, 2, 4)[draw(s, 3)])


def drawn_shape(s: Submission, groups: bool, own_dim: bool) -> dict[str, Any]:
    """A shape whose query heads share key-value heads, or do not; with a head_dim of its own, or
    without."""
    kv_heads, group, head_dim = 1 + draw(s, 8), 2 + draw(s, 7), 8 * (1 + draw(s, 32))
    heads = kv_heads * group
    config = shape(1 + draw(s, 60), heads, heads * head_dim)
    config |= {"num_key_value_heads": kv_heads} if groups else {}
    return config | ({"head_dim": head_dim + 8} if own_dim else {})


def is_whole(value: Any) -> str | None:
    """What is wrong with the type of a number of bytes."""
    return None if type(value) is int else f"{value!r} is not an int"


challenge = Challenge(
    name="kv_cache_bytes",
    title="Bytes of a KV cache",
    check=check_kv_cache_bytes,
    points=2,
    hints=(
        "What does a layer have to keep of a token so that later tokens can attend to it? And how "
        "many heads have one of their own?",
        "Begin with one token in one layer: how many vectors, how long is each, and which of the "
        "config's two counts of heads is it times? Two keys may be absent or None: what holds "
        "then?",
        "Llama-2-7B: 2 × 32 layers × 32 heads × 128 × 2 bytes = 524,288 bytes a token. "
        "Llama-3.1-8B has 8 key-value heads: 2 × 32 × 8 × 128 × 2 = 131,072, a quarter. Then "
        "times all tokens of all rows. `config.get(key) or ...` takes care of absent and of None.",
    ),
)

KV_HEADS = 'config.get("num_key_value_heads") or heads'
QUOTIENT = 'config["hidden_size"] // heads'
HEAD_DIM = f'config.get("head_dim") or {QUOTIENT}'


# ---- how many heads, and how wide ----------------------------------------------------------------

challenge.mistake(
    "values-forgotten",
    "You are short by half: a cache keeps a key and a value for each head.",
    hint="KV: two vectors, so a factor of 2.",
    answer=spoiled("2 * config", "config"),
)

challenge.mistake(
    "query-heads",
    "You counted the query heads. Queries are not kept; with grouped-query attention there are "
    "fewer key-value heads than query heads, and that is what saves memory.",
    hint="Use num_key_value_heads where the config has it.",
    answer=spoiled(KV_HEADS, "heads"),
)

challenge.mistake(
    "hidden-size-kept",
    "You end up with hidden_size numbers for the keys of a token in a layer. There are "
    "num_key_value_heads × head_dim.",
    hint="heads × head_dim equals hidden_size only without grouped queries, and not always then.",
    answer=spoiled("kv_heads * head_dim", 'config["hidden_size"]'),
)

challenge.mistake(
    "head-dim-of-key-value-heads",
    "You divided hidden_size by the number of key-value heads. The width of a head comes from "
    "the attention heads: key-value heads are as wide, there are only fewer of them.",
    hint="head_dim = hidden_size // num_attention_heads, where the config does not give it.",
    answer=spoiled(QUOTIENT, 'config["hidden_size"] // kv_heads'),
)

challenge.mistake(
    "head-dim-computed",
    "You computed head_dim from hidden_size though the config gives it. In Mistral-Nemo "
    "hidden_size / heads is 160, and head_dim is 128.",
    hint="config.get('head_dim'), and the quotient only where that is absent or None.",
    answer=spoiled(HEAD_DIM, QUOTIENT),
)

challenge.mistake(
    "key-missing",
    "A config without num_key_value_heads stops your function. Older models do not have it: "
    "every attention head has keys and values of its own there.",
    hint="config.get('num_key_value_heads') or config['num_attention_heads'].",
    answer=spoiled(KV_HEADS, 'config["num_key_value_heads"]'),
)

challenge.mistake(
    "null-multiplied",
    "A config may hold the key with the value None (null in the file), and dict.get then gives "
    "None, not your default.",
    hint="Use `or`: config.get('head_dim') or hidden_size // heads.",
    answer=spoiled(
        KV_HEADS,
        'config.get("num_key_value_heads", heads)',
        HEAD_DIM,
        f'config.get("head_dim", {QUOTIENT})',
    ),
)


# ---- what it is times ----------------------------------------------------------------------------

challenge.mistake(
    "layers-forgotten",
    "You counted one layer. Every layer attends, so every layer keeps keys and values.",
    hint="Multiply by num_hidden_layers.",
    answer=spoiled(' * config["num_hidden_layers"]', ""),
)

challenge.mistake(
    "tokens-forgotten",
    "You gave the bytes of one token whatever `tokens` is.",
    hint="Multiply by the number of tokens.",
    answer=spoiled(" * tokens", ""),
)

challenge.mistake(
    "batch-ignored",
    "You counted one row. Every request in a batch has a cache of its own, and that is what "
    "fills a server.",
    hint="Multiply by batch.",
    answer=spoiled(" * batch", ""),
)

challenge.mistake(
    "always-half-precision",
    "You counted 2 bytes a number whatever bytes_per_number says.",
    hint="Multiply by bytes_per_number.",
    answer=spoiled("* bytes_per_number", "* 2"),
)


# ---- in which unit -------------------------------------------------------------------------------

challenge.mistake(
    "bits",
    "You gave bits: eight times too many.",
    hint="bytes_per_number is in bytes already.",
    answer=spoiled("* bytes_per_number", "* bytes_per_number * 8"),
)

challenge.mistake(
    "gibibytes",
    "You gave GiB. Bytes were asked for.",
    hint="Leave the division to whoever prints the number.",
    answer=spoiled("* bytes_per_number", "* bytes_per_number / 2**30"),
)

challenge.mistake(
    "float-returned",
    "The number is right, but it is a float. Bytes are a whole number.",
    hint="hidden_size // heads, with two strokes.",
    answer=spoiled(QUOTIENT, 'config["hidden_size"] / heads'),
)


@challenge.alternative
def layer_by_layer(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    """What each layer adds, with None and an absent key told apart from a number."""
    heads, kv_heads = config["num_attention_heads"], config.get("num_key_value_heads")
    head_dim = config.get("head_dim")
    kv_heads = heads if kv_heads is None else kv_heads
    head_dim = config["hidden_size"] // heads if head_dim is None else head_dim
    keys = batch * kv_heads * tokens * head_dim * bytes_per_number
    return sum(keys + keys for _ in range(config["num_hidden_layers"]))
