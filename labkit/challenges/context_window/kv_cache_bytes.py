"""2 · layers · key-value heads · head_dim · tokens · batch · bytes, as real caches measure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from labkit.grading import Challenge, Submission
from labkit.grading.drawing import draw

DTYPES = {1: torch.int8, 2: torch.bfloat16, 4: torch.float32}


SHAPES: dict[str, dict[str, Any]] = {
    "one layer": {"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 8},
    "llama-2-7b": {
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "hidden_size": 4096,
        "num_key_value_heads": 32,
    },
    "llama-3.1-8b": {
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "hidden_size": 4096,
        "num_key_value_heads": 8,
    },
    "qwen2.5-7b": {
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "hidden_size": 3584,
        "num_key_value_heads": 4,
        "head_dim": None,
    },
    "mistral-nemo": {
        "num_hidden_layers": 40,
        "num_attention_heads": 32,
        "hidden_size": 5120,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
    "gemma-2b": {
        "num_hidden_layers": 18,
        "num_attention_heads": 8,
        "hidden_size": 2048,
        "num_key_value_heads": 1,
        "head_dim": 256,
    },
    "old": {"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768},
    "null": {
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_size": 32,
        "num_key_value_heads": None,
        "head_dim": 16,
    },
}


def true_cache_bytes(config: dict[str, Any], tokens: int, batch: int, bytes_per_number: int) -> int:
    """The bytes of transformers' own cache of this shape."""
    return measured_bytes(tuple(config.items()), tokens, batch, bytes_per_number)


@lru_cache
def measured_bytes(
    items: tuple[tuple[str, Any], ...], tokens: int, batch: int, bytes_per_number: int
) -> int:
    """A cache filled with tensors without storage ("meta")."""
    from transformers import DynamicCache, LlamaConfig

    shape = LlamaConfig(**dict(items))
    cache = DynamicCache()
    for layer in range(shape.num_hidden_layers):
        pair = torch.empty(
            (2, batch, shape.num_key_value_heads, tokens, shape.head_dim),
            dtype=DTYPES[bytes_per_number],
            device="meta",
        )
        cache.update(pair[0], pair[1], layer)
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


def check_kv_cache_bytes(s: Submission) -> None:
    """2 · layers · key-value heads · head_dim · tokens · batch · bytes, as real caches measure."""

    def expect(shape: str, because: str, tokens: int, batch: int = 1, size: int = 2) -> None:
        expect_of(SHAPES[shape], because, tokens, batch, size)

    def expect_of(config: dict[str, Any], because: str, tokens: int, batch: int, size: int) -> None:
        answer = s.kv_cache_bytes(config, tokens, batch, size)
        answer.equals(true_cache_bytes(config, tokens, batch, size), because=because)
        answer.holds(is_whole, because="Bytes are a whole number.")

    both = "For each token every layer keeps a key and a value."
    expect("one layer", both, 1)
    expect("old", both, 1)
    expect("llama-2-7b", both, 1)
    expect("llama-2-7b", "Each token takes the same again.", 4096)
    default = "batch is 1 and bytes_per_number 2 unless they are given."
    s.kv_cache_bytes(SHAPES["old"], 10).equals(
        true_cache_bytes(SHAPES["old"], 10, 1, 2), because=default
    )
    shared = (
        "With grouped queries there are fewer key-value heads than attention heads, and each is as "
        "wide as an attention head."
    )
    expect("llama-3.1-8b", shared, 1)
    expect("qwen2.5-7b", shared, 100)
    own = "head_dim counts where the config gives it; heads times head_dim need not be hidden_size."
    expect("mistral-nemo", own, 1)
    expect("gemma-2b", own, 7)
    expect("null", "None in a config means the same as absent.", 3)
    expect("llama-3.1-8b", "Every row of a batch has a cache of its own.", 50, batch=8)
    expect("llama-3.1-8b", "float32 takes 4 bytes a number, int8 one.", 50, size=4)
    expect("mistral-nemo", "float32 takes 4 bytes a number, int8 one.", 128_000, batch=2, size=1)
    for because, heads, own_dim in ((both, False, False), (shared, True, False), (own, True, True)):
        config = drawn_shape(s, heads, own_dim)
        expect_of(config, because, 1 + draw(s, 9_000), 1 + draw(s, 8), (1, 2, 4)[draw(s, 3)])


def drawn_shape(s: Submission, shared: bool, own_dim: bool) -> dict[str, Any]:
    """A shape with heads that share keys, and a head_dim of its own, or without."""
    kv_heads, groups, head_dim = 1 + draw(s, 8), 2 + draw(s, 7), 8 * (1 + draw(s, 32))
    heads = kv_heads * groups
    config = {
        "num_hidden_layers": 1 + draw(s, 60),
        "num_attention_heads": heads,
        "hidden_size": heads * head_dim,
    }
    if shared:
        config["num_key_value_heads"] = kv_heads
    return config | ({"head_dim": head_dim + 8} if own_dim else {})


def is_whole(value: Any) -> str | None:
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


def spoiled_cache(
    formula: Callable[[int, int, int, int, int, int], Any],
) -> Callable[..., Any]:
    """formula(layers, kv_heads, head_dim, tokens, batch, bytes) in the place of the product."""

    def kv_cache_bytes(
        config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
    ) -> Any:
        heads = config["num_attention_heads"]
        kv_heads = config.get("num_key_value_heads") or heads
        head_dim = config.get("head_dim") or config["hidden_size"] // heads
        layers = config["num_hidden_layers"]
        return formula(layers, kv_heads, head_dim, tokens, batch, bytes_per_number)

    return kv_cache_bytes


challenge.mistake(
    "values-forgotten",
    "You are short by half: a cache keeps a key and a value for each head.",
    hint="KV: two vectors, so a factor of 2.",
    answer=spoiled_cache(lambda n, h, d, t, b, size: n * h * d * t * b * size),
)


@challenge.mistake(
    "query-heads",
    "You counted the query heads. Queries are not kept; with grouped-query attention there are "
    "fewer key-value heads than query heads, and that is what saves memory.",
    hint="Use num_key_value_heads where the config has it.",
)
def query_heads(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    return 2 * config["num_hidden_layers"] * heads * head_dim * tokens * batch * bytes_per_number


@challenge.mistake(
    "hidden-size-kept",
    "You end up with hidden_size numbers for the keys of a token in a layer. There are "
    "num_key_value_heads × head_dim.",
    hint="heads × head_dim equals hidden_size only without grouped queries, and not always then.",
)
def hidden_size_kept(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    hidden: int = config["hidden_size"]
    return 2 * config["num_hidden_layers"] * hidden * tokens * batch * bytes_per_number


@challenge.mistake(
    "head-dim-of-key-value-heads",
    "You divided hidden_size by the number of key-value heads. The width of a head comes from "
    "the attention heads: key-value heads are as wide, there are only fewer of them.",
    hint="head_dim = hidden_size // num_attention_heads, where the config does not give it.",
)
def dim_of_shared_heads(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    kv_heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // kv_heads
    return 2 * config["num_hidden_layers"] * kv_heads * head_dim * tokens * batch * bytes_per_number


@challenge.mistake(
    "head-dim-computed",
    "You computed head_dim from hidden_size though the config gives it. In Mistral-Nemo "
    "hidden_size / heads is 160, and head_dim is 128.",
    hint="config.get('head_dim'), and the quotient only where that is absent or None.",
)
def head_dim_computed(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    head_dim = config["hidden_size"] // heads
    return 2 * config["num_hidden_layers"] * kv_heads * head_dim * tokens * batch * bytes_per_number


challenge.mistake(
    "layers-forgotten",
    "You counted one layer. Every layer attends, so every layer keeps keys and values.",
    hint="Multiply by num_hidden_layers.",
    answer=spoiled_cache(lambda n, h, d, t, b, size: 2 * h * d * t * b * size),
)


challenge.mistake(
    "tokens-forgotten",
    "You gave the bytes of one token whatever `tokens` is.",
    hint="Multiply by the number of tokens.",
    answer=spoiled_cache(lambda n, h, d, t, b, size: 2 * n * h * d * b * size),
)


challenge.mistake(
    "batch-ignored",
    "You counted one row. Every request in a batch has a cache of its own, and that is what "
    "fills a server.",
    hint="Multiply by batch.",
    answer=spoiled_cache(lambda n, h, d, t, b, size: 2 * n * h * d * t * size),
)


challenge.mistake(
    "always-half-precision",
    "You counted 2 bytes a number whatever bytes_per_number says.",
    hint="Multiply by bytes_per_number.",
    answer=spoiled_cache(lambda n, h, d, t, b, size: 2 * n * h * d * t * b * 2),
)


challenge.mistake(
    "bits",
    "You gave bits: eight times too many.",
    hint="bytes_per_number is in bytes already.",
    answer=spoiled_cache(lambda n, h, d, t, b, size: 16 * n * h * d * t * b * size),
)


challenge.mistake(
    "gibibytes",
    "You gave GiB. Bytes were asked for.",
    hint="Leave the division to whoever prints the number.",
    answer=spoiled_cache(lambda n, h, d, t, b, size: 2 * n * h * d * t * b * size / 2**30),
)


challenge.mistake(
    "float-returned",
    "The number is right, but it is a float. Bytes are a whole number.",
    hint="hidden_size // heads, with two strokes.",
    answer=spoiled_cache(lambda n, h, d, t, b, size: float(2 * n * h * d * t * b * size)),
)


@challenge.mistake(
    "key-missing",
    "A config without num_key_value_heads stops your function. Older models do not have it: "
    "every attention head has keys and values of its own there.",
    hint="config.get('num_key_value_heads') or config['num_attention_heads'].",
)
def absent_key(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    kv_heads = config["num_key_value_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return 2 * config["num_hidden_layers"] * kv_heads * head_dim * tokens * batch * bytes_per_number


@challenge.mistake(
    "null-multiplied",
    "A config may hold the key with the value None (null in the file), and dict.get then gives "
    "None, not your default.",
    hint="Use `or`: config.get('head_dim') or hidden_size // heads.",
)
def null_multiplied(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    head_dim = config.get("head_dim", config["hidden_size"] // heads)
    return 2 * config["num_hidden_layers"] * kv_heads * head_dim * tokens * batch * bytes_per_number


@challenge.alternative
def by_sizes(config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2) -> int:
    """A right answer, key by key."""
    heads = config["num_attention_heads"]
    shared = config.get("num_key_value_heads")
    size = config.get("head_dim")
    kv_heads = heads if shared is None else shared
    head_dim = config["hidden_size"] // heads if size is None else size
    keys = batch * kv_heads * tokens * head_dim * bytes_per_number
    return sum(keys + keys for _ in range(config["num_hidden_layers"]))
