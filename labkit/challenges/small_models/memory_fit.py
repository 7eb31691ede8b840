"""Whether weights at so many bits, a KV cache and an overhead fit together into a memory.

Checked against a sum that goes layer by layer and head by head, on the shapes of open models.
"""

from __future__ import annotations

import math
from typing import Any

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

Fit = dict[str, Any]
GIB = 2**30


def true_fit(
    config: dict[str, Any], parameters: int, bits: float, tokens: int,
    memory_gib: float, overhead_gib: float,
) -> Fit:  # fmt: skip
    """Layer by layer and head by head."""
    heads = [2 * head_dim_of(config)] * config["num_key_value_heads"]
    cache = sum(2 * numbers for numbers in heads * config["num_hidden_layers"]) * tokens
    weights = parameters / 8 * bits
    left = memory_gib * GIB - overhead_gib * GIB - weights - cache
    return {"weights": weights, "cache": cache, "fits": left >= 0}


def head_dim_of(config: dict[str, Any]) -> int:
    """The config's own, or what the attention heads share."""
    return config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])


def shape(layers: int, hidden: int, heads: int, kv_heads: int, **more: int) -> dict[str, Any]:
    """What a config.json says of a model's shape."""
    sizes = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads}
    return {**sizes, "num_key_value_heads": kv_heads, **more}


LLAMA_2_7B = shape(32, 4096, 32, 32)
LLAMA_3_2_3B = shape(28, 3072, 24, 8, head_dim=128)
NEMO = shape(40, 5120, 32, 8, head_dim=128)
TINY = shape(2, 12, 3, 1)


def drawn_model(s: Submission) -> tuple[dict[str, Any], int]:
    """A config without head_dim, and a number of parameters that 16 divides."""
    kv_heads = 1 + draw(s, 8)
    heads = kv_heads * (2 + draw(s, 4))
    config = shape(2 + draw(s, 60), heads * 8 * (1 + draw(s, 20)), heads, kv_heads)
    return config, 16 * (10**8 + draw(s, 10**9))


def check_memory_fit(s: Submission) -> None:
    def expect(because: str, *arguments: Any) -> None:
        answer = s.memory_fit(*arguments)
        answer.close_to(true_fit(*arguments), because=because, rtol=0.0, atol=1.0)

    weights = "The weights take parameters · bits / 8 bytes."
    expect(weights, TINY, 2**33, 16, 0, 20, 1)
    expect(weights, TINY, 2**33, 4, 0, 20, 1)
    expect(weights, *drawn_model(s), 8, 0, draw(s, 32), 1)
    scales = "A quantization's scales make it 4.5 bits: not a whole number."
    expect(scales, TINY, 2**33, 4.5, 0, 20, 1)
    expect(scales, *drawn_model(s), 2.5 + draw(s, 6), 0, draw(s, 32), 1)
    expect("One bit is the least that a whole weight can have.", TINY, 2**33, 1, 0, 20, 1)
    cache = "A key and a value of two bytes a number, for each token, layer and key-value head."
    expect(cache, TINY, 1000, 8, 100, 1, 0)
    expect(cache, LLAMA_2_7B, 6_738_415_616, 16, 1, 24, 1)
    expect(cache, LLAMA_2_7B, 6_738_415_616, 4.5, 4096, 8, 1)
    for _ in range(2):
        expect(cache, *drawn_model(s), 4.5, 1 + draw(s, 100_000), draw(s, 32), 1)
    own = "head_dim counts where the config gives it."
    expect(own, NEMO, 12_247_782_400, 4.5, 1000, 8, 1)
    expect(own, LLAMA_3_2_3B, 3_212_749_824, 4.5, 131_072, 24, 1)
    for _ in range(2):
        config, parameters = drawn_model(s)
        config["head_dim"] = head_dim_of(config) + 8 + 8 * draw(s, 8)
        expect(own, config, parameters, 4.5, 1 + draw(s, 100_000), draw(s, 32), 1)
    edge = "It fits where all three together are no more than the memory."
    expect(edge, TINY, 8 * GIB, 8, 0, 9, 1)
    expect(edge, TINY, 8 * GIB, 8, 0, 8.5, 1)
    expect(edge, TINY, 8 * GIB, 8, 0, 8.5, 0.5)
    expect(edge, TINY, 8 * GIB, 8, 1, 9, 1)
    expect(edge, LLAMA_2_7B, 4 * GIB, 8, 4096, 7, 1)
    expect(edge, LLAMA_2_7B, 4 * GIB, 8, 4097, 7, 1)
    for bits, spare_mib in ((8, 0), (4, 0), (8, -1), (16, -1)):
        (config, parameters), tokens = drawn_model(s), 10_000 + draw(s, 90_000)
        true = true_fit(config, parameters, bits, tokens, 0, 0)
        needed = true["weights"] + true["cache"]
        overhead = (1 + draw(s, 12)) / 4
        memory = needed / GIB + overhead + spare_mib / 1024
        expect(edge, config, parameters, bits, tokens, memory, overhead)
    expect("A GiB has 2**30 bytes.", TINY, 8 * 10**9, 8, 0, 7.5, 0)
    expect("A GiB has 2**30 bytes.", TINY, 6 * 10**9, 8, 0, 7.6, 2)
    for bits in (0, -4):
        s.memory_fit.raises(ValueError, *drawn_model(s), bits, 10, 100, 0,
                            because="A weight takes more than 0 bits.")  # fmt: skip


challenge = Challenge(
    name="memory_fit",
    title="Does it fit?",
    check=check_memory_fit,
    points=2,
    hints=(
        "Three things share the memory. One depends on the bits, one on the tokens, one on "
        "neither.",
        "For the cache, start small: how many bytes does one token leave in one key-value head of "
        "one layer? Then count how many such there are. Last, all three must be in the same unit.",
        "Llama-2-7B, 4.5 bits, 4,096 tokens: 6.738e9 * 4.5 / 8 = 3.79e9 bytes (3.53 GiB); 2 · 32 "
        "· 32 · 128 · 2 = 524,288 bytes a token, 2 GiB; with 1 GiB of overhead 6.53 GiB: fits "
        "into 8.",
    ),
)

WEIGHTS = "parameters * bits / 8"
CACHE = "2 * numbers * tokens"
KV_HEADS = 'config["num_key_value_heads"]'
QUOTIENT = 'config["hidden_size"] // heads'


# ---- weights -------------------------------------------------------------------------------------

challenge.mistake(
    "bits-as-bytes",
    "You took bits for bytes: eight times too much.",
    hint="parameters * bits / 8",
    answer=spoiled(WEIGHTS, "parameters * bits"),
)

challenge.mistake(
    "bits-floored",
    "You rounded the bytes of one weight down: 4 bits became 0 bytes.",
    hint="parameters * bits / 8, without rounding before.",
    answer=spoiled(WEIGHTS, "parameters * (bits // 8)"),
)

challenge.mistake(
    "whole-bits",
    "You cut the bits to a whole number. 4.5 means 4 bits and the scales that go with them.",
    hint="parameters * bits / 8",
    answer=spoiled(WEIGHTS, "parameters * int(bits) / 8"),
)

challenge.mistake(
    "bits-unchecked",
    "You accept 0 bits, or fewer: any model would fit anywhere.",
    hint="if bits <= 0: raise ValueError(...)",
    answer=spoiled("bits <= 0", "False"),
)


# ---- the cache -----------------------------------------------------------------------------------

challenge.mistake(
    "half-the-cache",
    "Your cache is half of what it is. A layer keeps keys and values, and each of their "
    "numbers takes two bytes: one of the two factors of 2 is missing.",
    hint="2 (key, value) · layers · key-value heads · head_dim · tokens · 2 bytes",
    answer=spoiled(CACHE, "numbers * tokens"),
)

challenge.mistake(
    "twice-the-cache",
    "Your cache is twice what it is. A key and a value of two bytes for each number: a factor "
    "of 2 is there once too often.",
    hint="2 (key, value) · layers · key-value heads · head_dim · tokens · 2 bytes",
    answer=spoiled(CACHE, "4 * numbers * tokens"),
)

challenge.mistake(
    "cache-in-the-weights-bits",
    "You gave the cache the weights' bits. Quantized weights leave it as it is: two bytes a "
    "number.",
    hint="2 bytes for each number of the cache, whatever the weights have.",
    answer=spoiled(CACHE, "bits / 8 * numbers * tokens"),
)

challenge.mistake(
    "query-heads",
    "You counted query heads. Only key-value heads are kept.",
    hint="config['num_key_value_heads']",
    answer=spoiled(KV_HEADS, "heads"),
)

challenge.mistake(
    "hidden-size-cached",
    "You counted hidden_size numbers for a key, and as many for a value. Only the key-value "
    "heads are kept, with head_dim numbers each.",
    hint="num_key_value_heads * head_dim in the place of hidden_size.",
    answer=spoiled(f"{KV_HEADS} * head_dim", 'config["hidden_size"]'),
)

challenge.mistake(
    "head-dim-of-key-value-heads",
    "You divided hidden_size by the key-value heads. The attention heads share it; a "
    "key-value head is as long as one of those.",
    hint="hidden_size // num_attention_heads",
    answer=spoiled(QUOTIENT, f'config["hidden_size"] // {KV_HEADS}'),
)

challenge.mistake(
    "head-dim-computed",
    "You computed head_dim where the config gives it.",
    hint="config.get('head_dim') or hidden_size // num_attention_heads",
    answer=spoiled(f'config.get("head_dim") or {QUOTIENT}', QUOTIENT),
)

challenge.mistake(
    "one-layer",
    "You counted the cache of one layer.",
    hint="Multiply by num_hidden_layers.",
    answer=spoiled('config["num_hidden_layers"] * ', ""),
)

challenge.mistake(
    "cache-of-one-token",
    "You counted the cache of one token.",
    hint="Multiply by tokens.",
    answer=spoiled(CACHE, "2 * numbers"),
)


# ---- whether it fits -----------------------------------------------------------------------------

challenge.mistake(
    "gb-for-gib",
    "You took a GiB for 10**9 bytes. It has 2**30: 7 % more.",
    hint="memory_gib * 2**30",
    answer=spoiled("GIB = 2**30", "GIB = 10**9"),
)

challenge.mistake(
    "cache-not-added",
    "You did not add the cache to what is needed: with a long context it is what breaks.",
    hint="weights + cache + overhead <= memory",
    answer=spoiled(" + cache + ", " + "),
)

challenge.mistake(
    "overhead-forgotten",
    "You forgot the overhead: the system and the program need some of the memory too.",
    hint="weights + cache + overhead <= memory",
    answer=spoiled(" + overhead_gib * GIB", ""),
)

challenge.mistake(
    "exact-fit-refused",
    "You refuse what fits exactly.",
    hint="Compare with <=.",
    answer=spoiled("needed <=", "needed <"),
)

challenge.mistake(
    "turned-round",
    "Your 'fits' is True where it does not.",
    hint="needed <= memory",
    answer=spoiled("needed <=", "needed >"),
)


@challenge.alternative
def in_gib(
    config: dict[str, Any], parameters: int, bits: float, tokens: int,
    memory_gib: float, overhead_gib: float,
) -> Fit:  # fmt: skip
    """What is left of the memory, in GiB; the cache by the share of heads that have keys."""
    if bits <= 0:
        raise ValueError("bits")
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    width = config["head_dim"] * heads if "head_dim" in config else config["hidden_size"]
    cache = 4 * width * kv_heads // heads * config["num_hidden_layers"] * tokens / 2**30
    weights = parameters / 2**33 * bits
    fits = memory_gib - overhead_gib - cache >= weights
    return {"weights": weights * 2**30, "cache": cache * 2**30, "fits": fits}


@challenge.alternative
def in_whole_bytes(
    config: dict[str, Any], parameters: int, bits: float, tokens: int,
    memory_gib: float, overhead_gib: float,
) -> Fit:  # fmt: skip
    """Weights rounded up to a byte, a list of the cache's tensors, and what is left compared."""
    if not bits > 0:
        raise ValueError("bits")
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    tensor = tokens * config["num_key_value_heads"] * head_dim * 2
    cache = sum([tensor, tensor] * config["num_hidden_layers"])
    weights = math.ceil(parameters * bits / 8)
    left = math.floor((memory_gib - overhead_gib) * 2**30) - cache
    return {"weights": weights, "cache": cache, "fits": weights <= left}


challenge.equivalent(
    "2->-2 | GIB = 2**30",
    because="An even power has no sign.",
)
challenge.equivalent(
    'FloorDiv->Div | head_dim = config.get("head_dim") or config["hidden_size"] // heads',
    because="The heads share hidden_size without a remainder.",
)
challenge.equivalent(
    "Div->FloorDiv | weights, cache = parameters * bits / 8, 2 * numbers * tokens",
    because="Less than one byte is lost, and a byte has no parts.",
)
