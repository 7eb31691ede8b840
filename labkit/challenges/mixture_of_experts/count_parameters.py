"""All weights of a mixture, and those that one token uses, from its config.json.

Checked matrix by matrix, and against what models of transformers have, built without memory:
tiny ones, and Mixtral 8x7B, Phi-3.5-MoE and Qwen3-30B-A3B.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    MixtralConfig,
    OlmoeConfig,
    PhimoeConfig,
    Qwen3MoeConfig,
)

from labkit.challenges.mixture_of_experts.experts_per_token import K_TOO_LARGE, K_TOO_SMALL, refuse
from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

Counts = dict[str, int]

CONFIG_CLASSES = {
    "mixtral": MixtralConfig,
    "olmoe": OlmoeConfig,
    "phimoe": PhimoeConfig,
    "qwen3_moe": Qwen3MoeConfig,
}
COMMON = {"hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 20}
UNTIED = COMMON | {"tie_word_embeddings": False}

TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "two experts": ("mixtral", UNTIED | {
        "num_hidden_layers": 1, "intermediate_size": 12, "num_local_experts": 2,
        "num_experts_per_tok": 1}),
    "eight experts": ("mixtral", UNTIED | {
        "num_hidden_layers": 3, "intermediate_size": 6, "num_local_experts": 8,
        "num_experts_per_tok": 2}),
    "all active": ("mixtral", UNTIED | {
        "num_hidden_layers": 2, "intermediate_size": 10, "num_local_experts": 3,
        "num_experts_per_tok": 3}),
    "not said": ("mixtral", COMMON | {
        "num_hidden_layers": 2, "intermediate_size": 10, "num_local_experts": 4,
        "num_experts_per_tok": 1}),
    "tied": ("mixtral", COMMON | {
        "num_hidden_layers": 2, "intermediate_size": 10, "num_local_experts": 4,
        "num_experts_per_tok": 1, "tie_word_embeddings": True}),
    "other name": ("olmoe", UNTIED | {
        "num_hidden_layers": 2, "intermediate_size": 4, "num_experts": 16,
        "num_experts_per_tok": 4}),
    "fine-grained": ("qwen3_moe", UNTIED | {
        "num_hidden_layers": 2, "intermediate_size": 24, "moe_intermediate_size": 3,
        "num_experts": 16, "num_experts_per_tok": 4, "head_dim": 4}),
}  # fmt: skip

MIXTRAL_8X7B = {
    "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 14_336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_local_experts": 8, "num_experts_per_tok": 2, "tie_word_embeddings": False,
}  # fmt: skip

PHI_3_5_MOE = MIXTRAL_8X7B | {
    "vocab_size": 32_064, "intermediate_size": 6400, "num_local_experts": 16
}  # fmt: skip

QWEN3_30B_A3B = {
    "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 6144,
    "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8,
    "tie_word_embeddings": False,
}  # fmt: skip


# Counted from the models of transformers on the meta device (tests/challenges).
MIXTRAL_COUNTS = {"total": 46_702_526_464, "active": 12_879_659_008}
PHI_COUNTS = {"total": 41_872_261_120, "active": 6_640_107_520}
QWEN3_COUNTS = {"total": 30_531_911_680, "active": 3_352_821_760}


def counted(kind: str, config: dict[str, Any]) -> Counts:
    """What a model of transformers has: tensors of two dimensions and more; nothing is drawn."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(CONFIG_CLASSES[kind](**config, eos_token_id=None))
    matrices = {name: p.numel() for name, p in model.named_parameters() if p.dim() > 1}
    total = sum(matrices.values())
    experts = config.get("num_local_experts") or config["num_experts"]
    inside = sum(count for name, count in matrices.items() if ".experts." in name)
    idle = inside // experts * (experts - config["num_experts_per_tok"])
    return {"total": total, "active": total - idle}


def true_counts(config: dict[str, Any]) -> Counts:
    """Matrix by matrix."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    head_dim = config.get("head_dim", hidden // heads)
    query, key = heads * head_dim, config["num_key_value_heads"] * head_dim
    experts = config.get("num_local_experts") or config["num_experts"]
    inner = config.get("moe_intermediate_size", config["intermediate_size"])
    outside = [(config["vocab_size"], hidden)] * (1 if config.get("tie_word_embeddings") else 2)
    layer = [(query, hidden), (key, hidden), (key, hidden), (hidden, query), (experts, hidden)]
    expert = [(inner, hidden), (inner, hidden), (hidden, inner)]

    def with_experts(number: int) -> int:
        layers = [*layer, *expert * number] * config["num_hidden_layers"]
        return sum(rows * columns for rows, columns in [*outside, *layers])

    return {"total": with_experts(experts), "active": with_experts(config["num_experts_per_tok"])}


@cache
def tiny_counts(name: str) -> Counts:
    """What a TINY model has, built once."""
    return counted(*TINY[name])


def check_count_parameters(s: Submission) -> None:
    """Tiny models of transformers, drawn configs, and three real models."""

    def expect(config: dict[str, Any], counts: Counts, because: str) -> None:
        answer = s.count_parameters(config)
        answer.equals(counts, because=because)
        answer.holds(are_whole, because="Weights are counted: ints.")

    def expect_tiny(name: str, because: str) -> None:
        expect(TINY[name][1], tiny_counts(name), because)

    def expect_drawn(because: str, **changes: Any) -> None:
        config = drawn_config(s) | changes
        expect(config, true_counts(config), because)

    once = "Embedding, head, attention, router, experts."
    expect_tiny("two experts", once)
    each = "Embedding, head, attention, router, experts; each layer has its own."
    expect_tiny("eight experts", each)
    expect_drawn(each, tie_word_embeddings=False)
    expect_drawn(each, tie_word_embeddings=False)
    expect_tiny("all active", "With every expert active, active is total.")
    silent = "Where tie_word_embeddings is absent it is False: the head is a matrix of its own."
    expect_tiny("not said", silent)
    expect_drawn(silent)
    tied = "A tied head is the embedding: it is counted once."
    expect_tiny("tied", tied)
    expect_drawn(tied, tie_word_embeddings=True)
    other = "OLMoE's config says num_experts."
    expect_tiny("other name", other)
    config = drawn_config(s)
    config["num_experts"] = config.pop("num_local_experts")
    expect(config, true_counts(config), other)
    small = "moe_intermediate_size is the size of an expert; head_dim counts where it is given."
    expect_tiny("fine-grained", small)
    for _ in range(2):
        inner, longer = 1 + draw(s, 90), 41 + draw(s, 40)
        expect_drawn(small, tie_word_embeddings=False, moe_intermediate_size=inner, head_dim=longer)
    expect(MIXTRAL_8X7B, MIXTRAL_COUNTS, "Mixtral 8x7B: 46.7 billion, and 12.9 of them active.")
    expect(PHI_3_5_MOE, PHI_COUNTS, "Phi-3.5-MoE: 42 billion, and 6.6 of them active.")
    expect(QWEN3_30B_A3B, QWEN3_COUNTS, "Qwen3-30B-A3B: 30.5 billion, and 3.35 of them active.")
    config = drawn_config(s)
    for chosen, because in ((config["num_local_experts"] + 1, K_TOO_LARGE), (0, K_TOO_SMALL)):
        wrong = config | {"num_experts_per_tok": chosen}
        s.count_parameters.raises(ValueError, wrong, because=because)


def drawn_config(s: Submission) -> dict[str, Any]:
    """A small mixture as Mixtral's config has it, but for tie_word_embeddings."""
    key_value_heads, experts = 1 + draw(s, 5), 3 + draw(s, 14)
    heads = key_value_heads * (2 + draw(s, 3))
    return {
        "vocab_size": 100 + draw(s, 900), "hidden_size": heads * (2 + 2 * draw(s, 20)),
        "intermediate_size": 100 + draw(s, 900), "num_hidden_layers": 2 + draw(s, 30),
        "num_attention_heads": heads, "num_key_value_heads": key_value_heads,
        "num_local_experts": experts, "num_experts_per_tok": 1 + draw(s, experts - 1),
    }  # fmt: skip


def are_whole(value: Any) -> str | None:
    """What is wrong with the types of the counts."""
    return None if all(type(n) is int for n in value.values()) else f"{value} holds another type"


challenge = Challenge(
    name="count_parameters",
    title="Parameters: resident and active",
    check=check_count_parameters,
    points=3,
    hints=(
        "What is there once, what once for each layer, what once for each expert of each layer? "
        "Only the last kind can be idle.",
        "Write down the shape of every matrix: at the two ends, in a layer's attention (queries "
        "and output are as wide as all heads, keys and values as the key-value heads), its "
        "router, one expert. Then say for each how often it is there, and how often it works for "
        "a token.",
        "Mixtral 8x7B: an expert is 3 * 4096 * 14336 = 176 million. 32 layers of 8: 45.1 billion; "
        "of 2: 11.3 billion. All else is 1.6 billion. Together 46.7 and 12.9.",
    ),
)

ACTIVE = "shared + layers * chosen * expert"
TOTAL = "shared + layers * experts * expert"
TIED = 'config.get("tie_word_embeddings")'


# ---- what is active ------------------------------------------------------------------------------

challenge.mistake(
    "eight-whole-models",
    "You took the mixture for so many whole models: 8x7B would be 57 billion. Only the "
    "feed-forward layers are there eight times; embedding and attention are shared.",
    hint="Multiply the experts alone by their number.",
    answer=spoiled(
        TOTAL, "experts * (shared + layers * expert)",
        ACTIVE, "chosen * (shared + layers * expert)",
        " + hidden * experts", "",
    ),
)  # fmt: skip

challenge.mistake(
    "share-of-the-total",
    "You took k / experts of the total as active. Embedding, attention and router work for "
    "every token.",
    hint="Only the experts' part depends on k.",
    answer=spoiled(ACTIVE, f"({TOTAL}) * chosen // experts"),
)

challenge.mistake(
    "embedding-inactive",
    "You left embedding and output head out of the active weights. By the usual count, which "
    "gives Mixtral its 12.9 billion, they are in.",
    hint="Leave out nothing but the experts that are not chosen.",
    answer=spoiled(ACTIVE, f"{ACTIVE} - vocabularies * config['vocab_size'] * hidden"),
)

challenge.mistake(
    "router-by-k",
    "You counted the router's rows for the chosen experts only. To choose, it has to score "
    "them all.",
    hint="The router is hidden x experts, always.",
    answer=spoiled(ACTIVE, f"{ACTIVE} - layers * hidden * (experts - chosen)"),
)

challenge.mistake(
    "k-unchecked",
    "You accept more experts per token than there are, or none: more active than total.",
    hint="if not 1 <= num_experts_per_tok <= experts: raise ValueError(...)",
    answer=spoiled("not 1 <= chosen <= experts", "False"),
)

# ---- what is counted -----------------------------------------------------------------------------

challenge.mistake(
    "router-forgotten",
    "You forgot the routers: hidden x experts in each layer.",
    hint="Add num_hidden_layers * hidden_size * experts to both.",
    answer=spoiled(" + hidden * experts", ""),
)

challenge.mistake(
    "two-matrices",
    "You gave each expert two matrices. With a gate there are three: gate, up, down.",
    hint="3 * hidden_size * the inner size",
    answer=spoiled("3 * hidden * inner", "2 * hidden * inner"),
)

challenge.mistake(
    "one-layer",
    "You counted one layer.",
    hint="Attention, router and experts come num_hidden_layers times.",
    answer=spoiled('config["num_hidden_layers"]', "1"),
)

challenge.mistake(
    "norms-counted",
    "You counted the norms: two of hidden_size weights in each layer, and one at the end. By "
    "the count that is asked for they are left out.",
    hint="Matrices only.",
    answer=spoiled(
        "(attention + hidden * experts)", "(attention + hidden * experts + 2 * hidden) + hidden"
    ),
)

challenge.mistake(
    "head-forgotten",
    "You forgot the output head: where it is not tied, it is as large as the embedding.",
    hint="Twice vocab_size x hidden_size, unless tie_word_embeddings.",
    answer=spoiled(f"1 if {TIED} else 2", "1"),
)

challenge.mistake(
    "tied-counted-twice",
    "You counted a tied output head a second time.",
    hint="With tie_word_embeddings there is one matrix of vocab_size x hidden_size.",
    answer=spoiled(f"1 if {TIED} else 2", "2"),
)

challenge.mistake(
    "tied-where-not-said",
    "You take the output head for tied where the config does not say so. tie_word_embeddings "
    "that is absent is False.",
    hint="config.get('tie_word_embeddings', False)",
    answer=spoiled(TIED, 'config.get("tie_word_embeddings", True)'),
)

# ---- the sizes of heads and experts --------------------------------------------------------------

challenge.mistake(
    "all-heads-alike",
    "You counted as many key and value heads as query heads.",
    hint="Key and value have num_key_value_heads.",
    answer=spoiled('heads + config["num_key_value_heads"]', "heads + heads"),
)

challenge.mistake(
    "head-dim-computed",
    "You computed head_dim where the config gives it. heads times head_dim need not be "
    "hidden_size.",
    hint="config.get('head_dim') or hidden_size // num_attention_heads",
    answer=spoiled('config.get("head_dim") or ', ""),
)

challenge.mistake(
    "head-dim-of-key-value-heads",
    "You divided hidden_size by the key-value heads. The attention heads share it; a "
    "key-value head is as long as one of those.",
    hint="hidden_size // num_attention_heads",
    answer=spoiled("hidden // heads", 'hidden // config["num_key_value_heads"]'),
)

challenge.mistake(
    "dense-size-taken",
    "You took intermediate_size for an expert's inner size where the config has "
    "moe_intermediate_size: Qwen3-30B-A3B's experts would be eight times as large.",
    hint="config.get('moe_intermediate_size') or config['intermediate_size']",
    answer=spoiled('config.get("moe_intermediate_size") or ', ""),
)

# ---- other right answers -------------------------------------------------------------------------


@challenge.alternative
def less_the_idle(config: dict[str, Any]) -> Counts:
    """All weights, and all but those that rest."""
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    experts = config["num_experts" if "num_experts" in config else "num_local_experts"]
    refuse(config["num_experts_per_tok"], experts)
    head_dim = config.get("head_dim", hidden // config["num_attention_heads"])
    attention = 2 * head_dim * (config["num_attention_heads"] + config["num_key_value_heads"])
    expert = 3 * config.get("moe_intermediate_size", config["intermediate_size"])
    ends = (2 - config.get("tie_word_embeddings", False)) * config["vocab_size"]
    total = hidden * (ends + layers * (attention + experts * (1 + expert)))
    idle = layers * (experts - config["num_experts_per_tok"])
    return {"total": total, "active": total - hidden * idle * expert}


@challenge.alternative
def from_a_table(config: dict[str, Any]) -> Counts:
    """For each kind of matrix its size, how often it is there, and how often it works."""
    experts, chosen = config.get("num_local_experts"), config["num_experts_per_tok"]
    experts = experts or config["num_experts"]
    refuse(chosen, experts)
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    long = config.get("head_dim") or hidden // config["num_attention_heads"]
    inner = config.get("moe_intermediate_size") or config["intermediate_size"]
    ends = 1 if config.get("tie_word_embeddings") else 2
    table = [
        (config["vocab_size"], ends, ends),
        (config["num_attention_heads"] * long, 2 * layers, 2 * layers),
        (config["num_key_value_heads"] * long, 2 * layers, 2 * layers),
        (experts, layers, layers),
        (inner, 3 * layers * experts, 3 * layers * chosen),
    ]
    return {
        "total": sum(hidden * size * there for size, there, _ in table),
        "active": sum(hidden * size * working for size, _, working in table),
    }
