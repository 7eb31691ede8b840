"""All matrices, and those of a token's experts, as the real models have them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    MixtralConfig,
    OlmoeConfig,
    PhimoeConfig,
    Qwen3MoeConfig,
)

from labkit.challenges.mixture_of_experts.shared import K_TOO_LARGE, K_TOO_SMALL, refused
from labkit.grading import Challenge, Submission
from labkit.grading.drawing import draw

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


@lru_cache
def tiny_counts(name: str) -> tuple[int, int]:
    found = counted(*TINY[name])
    return found["total"], found["active"]


def check_count_parameters(s: Submission) -> None:
    """All matrices, and those of a token's experts, as the real models have them."""

    def expect(config: dict[str, Any], counts: Counts, because: str) -> None:
        answer = s.count_parameters(config)
        answer.equals(counts, because=because)
        answer.holds(are_whole, because="Weights are counted: ints.")

    def expect_tiny(name: str, because: str) -> None:
        total, active = tiny_counts(name)
        expect(TINY[name][1], {"total": total, "active": active}, because)

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


def parts(config: dict[str, Any]) -> dict[str, int]:
    """The sizes in the formula."""
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    return {
        "vocab": config["vocab_size"],
        "hidden": hidden,
        "layers": config["num_hidden_layers"],
        "heads": heads,
        "kv_heads": config["num_key_value_heads"],
        "head_dim": config.get("head_dim", hidden // heads),
        "experts": config.get("num_local_experts", config.get("num_experts")),
        "chosen": config["num_experts_per_tok"],
        "inner": config.get("moe_intermediate_size", config.get("intermediate_size")),
        "ends": 1 if config.get("tie_word_embeddings", False) else 2,
    }


def true_count(n: dict[str, int], experts: int) -> int:
    """All weights with so many experts in each layer; the router has a row for each there is."""
    attention = n["hidden"] * n["head_dim"] * (2 * n["heads"] + 2 * n["kv_heads"])
    router = n["hidden"] * n["experts"]
    layer = attention + router + experts * 3 * n["hidden"] * n["inner"]
    return n["ends"] * n["vocab"] * n["hidden"] + n["layers"] * layer


@challenge.mistake(
    "eight-whole-models",
    "You took the mixture for so many whole models: 8x7B would be 57 billion. Only the "
    "feed-forward layers are there eight times; embedding and attention are shared.",
    hint="Multiply the experts alone by their number.",
)
def named_seven(config: dict[str, Any]) -> Counts:
    n = parts(config)
    refused(n["chosen"], n["experts"])
    one = true_count(n, 1) - n["layers"] * n["hidden"] * n["experts"]
    return {"total": n["experts"] * one, "active": n["chosen"] * one}


def counts_with(
    change: Callable[[dict[str, Any], dict[str, int]], dict[str, int]] = lambda config, n: {},
    finish: Callable[[dict[str, int], Counts], Counts] = lambda n, counts: counts,
) -> Callable[[dict[str, Any]], Counts]:
    """A complete answer; `change` gives other sizes, `finish` other counts."""

    def count_parameters(config: dict[str, Any]) -> Counts:
        n = parts(config)
        refused(n["chosen"], n["experts"])
        n |= change(config, n)
        counts = {k: true_count(n, n[v]) for k, v in (("total", "experts"), ("active", "chosen"))}
        return finish(n, counts)

    return count_parameters


challenge.mistake(
    "share-of-the-total",
    "You took k / experts of the total as active. Embedding, attention and router work for "
    "every token.",
    hint="Only the experts' part depends on k.",
    answer=counts_with(
        finish=lambda n, c: c | {"active": c["total"] * n["chosen"] // n["experts"]}
    ),
)


challenge.mistake(
    "router-by-k",
    "You counted the router's rows for the chosen experts only. To choose, it has to score "
    "them all.",
    hint="The router is hidden x experts, always.",
    answer=counts_with(
        finish=lambda n, c: (
            c | {"active": c["active"] - n["layers"] * n["hidden"] * (n["experts"] - n["chosen"])}
        )
    ),
)


def without(size: Callable[[dict[str, int]], int]) -> Callable[[dict[str, Any]], Counts]:
    """Both counts less something."""
    return counts_with(
        finish=lambda n, counts: {key: value - size(n) for key, value in counts.items()}
    )


challenge.mistake(
    "router-forgotten",
    "You forgot the routers: hidden x experts in each layer.",
    hint="Add num_hidden_layers * hidden_size * experts to both.",
    answer=without(lambda n: n["layers"] * n["hidden"] * n["experts"]),
)


challenge.mistake(
    "two-matrices",
    "You gave each expert two matrices. With a gate there are three: gate, up, down.",
    hint="3 * hidden_size * the inner size",
    answer=counts_with(
        finish=lambda n, c: {
            "total": c["total"] - n["layers"] * n["experts"] * n["hidden"] * n["inner"],
            "active": c["active"] - n["layers"] * n["chosen"] * n["hidden"] * n["inner"],
        }
    ),
)


challenge.mistake(
    "all-heads-alike",
    "You counted as many key and value heads as query heads.",
    hint="Key and value have num_key_value_heads.",
    answer=counts_with(lambda config, n: {"kv_heads": n["heads"]}),
)


challenge.mistake(
    "head-dim-computed",
    "You computed head_dim where the config gives it. heads times head_dim need not be "
    "hidden_size.",
    hint="config.get('head_dim') or hidden_size // num_attention_heads",
    answer=counts_with(lambda config, n: {"head_dim": n["hidden"] // n["heads"]}),
)


challenge.mistake(
    "head-dim-of-key-value-heads",
    "You divided hidden_size by the key-value heads. The attention heads share it; a "
    "key-value head is as long as one of those.",
    hint="hidden_size // num_attention_heads",
    answer=counts_with(
        lambda config, n: {"head_dim": config.get("head_dim", n["hidden"] // n["kv_heads"])}
    ),
)


challenge.mistake(
    "dense-size-taken",
    "You took intermediate_size for an expert's inner size where the config has "
    "moe_intermediate_size: Qwen3-30B-A3B's experts would be eight times as large.",
    hint="config.get('moe_intermediate_size') or config['intermediate_size']",
    answer=counts_with(lambda config, n: {"inner": config["intermediate_size"]}),
)


challenge.mistake(
    "tied-counted-twice",
    "You counted a tied output head a second time.",
    hint="With tie_word_embeddings there is one matrix of vocab_size x hidden_size.",
    answer=counts_with(lambda config, n: {"ends": 2}),
)


challenge.mistake(
    "tied-where-not-said",
    "You take the output head for tied where the config does not say so. tie_word_embeddings "
    "that is absent is False.",
    hint="config.get('tie_word_embeddings', False)",
    answer=counts_with(
        lambda config, n: {"ends": 1 if config.get("tie_word_embeddings", True) else 2}
    ),
)


challenge.mistake(
    "head-forgotten",
    "You forgot the output head: where it is not tied, it is as large as the embedding.",
    hint="Twice vocab_size x hidden_size, unless tie_word_embeddings.",
    answer=counts_with(lambda config, n: {"ends": 1}),
)


challenge.mistake(
    "embedding-inactive",
    "You left embedding and output head out of the active weights. By the usual count, which "
    "gives Mixtral its 12.9 billion, they are in.",
    hint="Leave out nothing but the experts that are not chosen.",
    answer=counts_with(
        finish=lambda n, c: c | {"active": c["active"] - n["ends"] * n["vocab"] * n["hidden"]}
    ),
)


challenge.mistake(
    "norms-counted",
    "You counted the norms: two of hidden_size weights in each layer, and one at the end. By "
    "the count that is asked for they are left out.",
    hint="Matrices only.",
    answer=without(lambda n: -n["hidden"] * (2 * n["layers"] + 1)),
)


challenge.mistake(
    "one-layer",
    "You counted one layer.",
    hint="Attention, router and experts come num_hidden_layers times.",
    answer=counts_with(lambda config, n: {"layers": 1}),
)


@challenge.mistake(
    "k-unchecked",
    "You accept more experts per token than there are, or none: more active than total.",
    hint="if not 1 <= num_experts_per_tok <= experts: raise ValueError(...)",
)
def count_k_unchecked(config: dict[str, Any]) -> Counts:
    n = parts(config)
    return {"total": true_count(n, n["experts"]), "active": true_count(n, n["chosen"])}


challenge.alternative(counts_with())


@challenge.alternative
def less_the_idle(config: dict[str, Any]) -> Counts:
    """Another right answer: all weights, and all but those that rest."""
    n = parts(config)
    if not 0 < n["chosen"] <= n["experts"]:
        raise ValueError("experts per token")
    total = true_count(n, n["experts"])
    resting = n["layers"] * (n["experts"] - n["chosen"])
    return {"total": total, "active": total - 3 * resting * n["hidden"] * n["inner"]}
