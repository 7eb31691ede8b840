"""Well-known open models as they stand on the hub: shape, size, window, tokenizer, licence, source.

The shapes are those of each model's config.json, the months of release and the licences those of
its model card. Parameters are counted by building the model from its shape (tests/instruments), and
what a model is for is said by its makers, in short: no measurement of this course. Gemma 2 keeps no
more than 4,096 tokens in every other layer: its cache is smaller than its shape says (at 8,192
tokens 0.61 GiB, not 0.81; lesson 02 computes both).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.paths import nearest


@dataclass(frozen=True)
class RealModel:
    """What stands in a model's config.json on the hub, how many parameters it has, and its card.

    `parameters` are all that have to be in memory; `active` those that one token uses, fewer for a
    mixture of experts only. `window` counts tokens; `released` is year and month.
    """

    name: str
    config: Mapping[str, Any]
    parameters: float
    window: int
    repository: str
    released: str
    licence: str
    tokenizer: str
    made_for: str
    active_parameters: float | None = None

    @property
    def active(self) -> float:
        return self.active_parameters or self.parameters

    @property
    def source(self) -> str:
        """The address of the model card."""
        return f"https://huggingface.co/{self.repository}"

    def weight_bytes(self, bits: float = 16) -> float:
        """Bytes of all weights, used for a token or not, at so many bits each."""
        if bits <= 0:
            raise ValueError(f"{bits} bits a parameter were given; more than 0 are needed")
        return self.parameters * bits / 8

    def cache_bytes(self, tokens: int) -> float:
        """A key and a value of 16 bits for each layer, key-value head and token: the most that a
        cache takes. Gemma 2, whose every other layer looks back 4,096 tokens, needs less."""
        if tokens < 0:
            raise ValueError(f"{tokens} tokens were given; give 0 or more")
        has = self.config
        head_dim = has.get("head_dim") or has["hidden_size"] // has["num_attention_heads"]
        return 2.0 * 2 * has["num_hidden_layers"] * has["num_key_value_heads"] * head_dim * tokens


def _config(layers: int, hidden: int, heads: int, kv_heads: int, **more: Any) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
    } | more


def _size(kind: str, vocabulary: int, inner: int, tied: bool = False) -> dict[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": vocabulary,
        "intermediate_size": inner,
        "tie_word_embeddings": tied,
    }


APACHE, MIT = "Apache 2.0", "MIT"
SMOL = "BPE, 49,152"
LLAMA_3 = "BPE (tiktoken), 128,256"
TEKKEN = "Tekken, 131,072"
EDGE = "on a device, fine-tuned for one task"

MODELS = (
    RealModel(
        "SmolLM2-135M",
        _config(30, 576, 9, 3, **_size("llama", 49_152, 1536, tied=True)),
        0.135e9, 8_192, "HuggingFaceTB/SmolLM2-135M-Instruct", "2024-11", APACHE, SMOL, EDGE,
    ),
    RealModel(
        "SmolLM2-360M",
        _config(32, 960, 15, 5, **_size("llama", 49_152, 2560, tied=True)),
        0.362e9, 8_192, "HuggingFaceTB/SmolLM2-360M-Instruct", "2024-11", APACHE, SMOL, EDGE,
    ),
    RealModel(
        "SmolLM2-1.7B",
        _config(24, 2048, 32, 32, **_size("llama", 49_152, 8192, tied=True)),
        1.71e9, 8_192, "HuggingFaceTB/SmolLM2-1.7B-Instruct", "2024-11", APACHE, SMOL,
        "on a device: rewriting, summaries, function calls, in English",
    ),
    RealModel(
        "Llama-3.2-1B",
        _config(16, 2048, 32, 8, head_dim=64, **_size("llama", 128_256, 8192, tied=True)),
        1.24e9, 131_072, "meta-llama/Llama-3.2-1B-Instruct", "2024-09", "Llama 3.2 Community",
        LLAMA_3, "on a phone: summaries, rewriting, in eight languages",
    ),
    RealModel(
        "Llama-3.2-3B",
        _config(28, 3072, 24, 8, head_dim=128, **_size("llama", 128_256, 8192, tied=True)),
        3.21e9, 131_072, "meta-llama/Llama-3.2-3B-Instruct", "2024-09", "Llama 3.2 Community",
        LLAMA_3, "on a phone or laptop: summaries, rewriting, in eight languages",
    ),
    RealModel(
        "Gemma-2-2B",
        _config(26, 2304, 8, 4, head_dim=256, **_size("gemma2", 256_000, 9216, tied=True)),
        2.61e9, 8_192, "google/gemma-2-2b-it", "2024-07", "Gemma", "BPE (SentencePiece), 256,000",
        "on a laptop: chat and text, distilled from a larger model",
    ),
    RealModel(
        "Phi-3.5-mini",
        _config(32, 3072, 32, 32, **_size("phi3", 32_064, 8192)),
        3.82e9, 131_072, "microsoft/Phi-3.5-mini-instruct", "2024-08", MIT,
        "BPE (SentencePiece), 32,064", "little memory or time: reasoning, code, long documents",
    ),
    RealModel(
        "Llama-2-7B",
        _config(32, 4096, 32, 32, **_size("llama", 32_000, 11_008)),
        6.74e9, 4_096, "meta-llama/Llama-2-7b-hf", "2023-07", "Llama 2 Community",
        "BPE (SentencePiece), 32,000", "research and products in English",
    ),
    RealModel(
        "Llama-2-13B",
        _config(40, 5120, 40, 40, **_size("llama", 32_000, 13_824)),
        13.02e9, 4_096, "meta-llama/Llama-2-13b-hf", "2023-07", "Llama 2 Community",
        "BPE (SentencePiece), 32,000", "research and products in English",
    ),
    RealModel(
        "Llama-2-70B",
        _config(80, 8192, 64, 8, **_size("llama", 32_000, 28_672)),
        68.98e9, 4_096, "meta-llama/Llama-2-70b-hf", "2023-07", "Llama 2 Community",
        "BPE (SentencePiece), 32,000", "research and products in English, on several cards",
    ),
    RealModel(
        "Mistral-7B-v0.3",
        _config(32, 4096, 32, 8, **_size("mistral", 32_768, 14_336)),
        7.25e9, 32_768, "mistralai/Mistral-7B-Instruct-v0.3", "2024-05", APACHE,
        "BPE (SentencePiece), 32,768", "a base that is easily fine-tuned; function calls",
    ),
    RealModel(
        "Qwen2.5-7B",
        _config(28, 3584, 28, 4, **_size("qwen2", 152_064, 18_944)),
        7.62e9, 131_072, "Qwen/Qwen2.5-7B", "2024-09", APACHE, "BPE, 152,064",
        "code, mathematics, structured output, many languages",
    ),
    RealModel(
        "Llama-3.1-8B",
        _config(32, 4096, 32, 8, **_size("llama", 128_256, 14_336)),
        8.03e9, 131_072, "meta-llama/Llama-3.1-8B-Instruct", "2024-07", "Llama 3.1 Community",
        LLAMA_3, "assistants in eight languages",
    ),
    RealModel(
        "Mistral-Nemo-12B",
        _config(40, 5120, 32, 8, head_dim=128, **_size("mistral", 131_072, 14_336)),
        12.2e9, 131_072, "mistralai/Mistral-Nemo-Instruct-2407", "2024-07", APACHE, TEKKEN,
        "many languages in few tokens, long documents",
    ),
    RealModel(
        "Mistral-Small-24B",
        _config(40, 5120, 32, 8, head_dim=128, **_size("mistral", 131_072, 32_768)),
        23.6e9, 32_768, "mistralai/Mistral-Small-24B-Instruct-2501", "2025-01", APACHE, TEKKEN,
        "quick answers and function calls on one card",
    ),
    RealModel(
        "OLMoE-1B-7B",
        _config(16, 2048, 16, 16, num_experts=64, num_experts_per_tok=8,
                **_size("olmoe", 50_304, 1024)),
        6.92e9, 4_096, "allenai/OLMoE-1B-7B-0924", "2024-09", APACHE, "BPE, 50,304",
        "research: weights, data and code are open", 1.28e9,
    ),
    RealModel(
        "Mixtral-8x7B",
        _config(32, 4096, 32, 8, num_local_experts=8, num_experts_per_tok=2,
                **_size("mixtral", 32_000, 14_336)),
        46.7e9, 32_768, "mistralai/Mixtral-8x7B-Instruct-v0.1", "2023-12", APACHE,
        "BPE (SentencePiece), 32,000", "the quality of a large model at the time of a 13B", 12.9e9,
    ),
    RealModel(
        "Phi-3.5-MoE",
        _config(32, 4096, 32, 8, num_local_experts=16, num_experts_per_tok=2,
                attention_bias=True, lm_head_bias=True, **_size("phimoe", 32_064, 6400)),
        41.9e9, 131_072, "microsoft/Phi-3.5-MoE-instruct", "2024-08", MIT,
        "BPE (SentencePiece), 32,064", "reasoning and many languages at the time of a 7B", 6.64e9,
    ),
    RealModel(
        "Qwen3-30B-A3B",
        _config(48, 2048, 32, 4, head_dim=128, num_experts=128, num_experts_per_tok=8,
                moe_intermediate_size=768, **_size("qwen3_moe", 151_936, 6144)),
        30.5e9, 40_960, "Qwen/Qwen3-30B-A3B", "2025-04", APACHE, "BPE, 151,936",
        "many small experts: quality at the time of a 3B", 3.35e9,
    ),
)  # fmt: skip


def find_model(name: str) -> RealModel:
    """One of the table by its name.

    Raises LookupError for another name, with the nearest ones.
    """
    known = {model.name: model for model in MODELS}
    if name not in known:
        raise LookupError(f"There is no model {name!r} in the table: {nearest(name, known)}")
    return known[name]


def table(*names: str) -> dict[str, list[str]]:
    """The family table, all models or those named: a list of cells for each column."""
    chosen = [find_model(name) for name in names] if names else MODELS
    return {
        "model": [m.name for m in chosen],
        "parameters": [f"{m.parameters / 1e9:.3g} B" for m in chosen],
        "active for a token": [f"{m.active / 1e9:.3g} B" for m in chosen],
        "window (tokens)": [f"{m.window:,}" for m in chosen],
        "GB at 4 bits": [f"{m.weight_bytes(4) / 1e9:.3g}" for m in chosen],
        "tokenizer": [m.tokenizer for m in chosen],
        "licence": [m.licence for m in chosen],
        "released": [m.released for m in chosen],
        "made for": [m.made_for for m in chosen],
        "source": [m.source for m in chosen],
    }
