"""Does it fit? Weights and KV cache of well-known models against the memory of common cards.

Bits include the scales: int8 has one 16-bit scale a row (hardly anything), nf4 is QLoRA's 4.127
with double quantization (arXiv:2305.14314). Embeddings, which stay in 16 bits, are a few per cent
of such models and are counted as if they were quantized too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.instruments.models_table import RealModel, find_model
from labkit.instruments.tables import as_html, as_text

GB = 10**9
BITS: Mapping[str, float] = {"fp16": 16.0, "int8": 8.0, "nf4": 4.127}
MEMORIES = (8, 16, 24, 80)  # GB, as cards are sold


REAL = tuple(map(find_model, ("Llama-2-7B", "Llama-2-13B", "Llama-2-70B", "Mixtral-8x7B")))


def fits(model: RealModel, bits: float, memory_gb: float, tokens: int = 4096) -> bool:
    """Whether weights and cache fit, with a tenth of the memory left for everything else."""
    if memory_gb <= 0:
        raise ValueError(f"{memory_gb} GB of memory were given; more than 0 are needed")
    return model.weight_bytes(bits) + model.cache_bytes(tokens) <= 0.9 * memory_gb * GB


def embedding_share(model: RealModel) -> float:
    """The share of the parameters that are embeddings, those of the output head included."""
    has = model.config
    tables = 1 if has["tie_word_embeddings"] else 2
    return float(tables * has["vocab_size"] * has["hidden_size"] / model.parameters)


@dataclass(frozen=True)
class MemoryTable:
    """One row for each model and format; shown as a table in a notebook and in a terminal."""

    tokens: int = 4096
    models: Sequence[RealModel] = REAL

    def rows(self) -> list[list[str]]:
        """Model, format, GB of weights, GB of cache, and a yes or no for each memory."""
        found = []
        for model in self.models:
            for kind, bits in BITS.items():
                sizes = [model.weight_bytes(bits), model.cache_bytes(self.tokens)]
                answers = [fits(model, bits, memory, self.tokens) for memory in MEMORIES]
                found.append([model.name, kind, *(f"{size / GB:.1f}" for size in sizes),
                              *("yes" if one else "no" for one in answers)])  # fmt: skip
        return found

    def columns(self) -> list[str]:
        """The headings, with the units."""
        cards = [f"{memory} GB" for memory in MEMORIES]
        return ["model", "format", "weights (GB)", f"cache, {self.tokens:,} tokens (GB)", *cards]

    def __repr__(self) -> str:
        return as_text(self.columns(), self.rows())

    def _repr_html_(self) -> str:
        return as_html(self.columns(), self.rows())
