"""Does it fit? Weights and KV cache of well-known models against the memory of common cards.

Shapes and parameter counts are those of the config.json on the hub: published numbers, not ours.
Bits include the scales: int8 has one 16-bit scale a row (hardly anything), nf4 is QLoRA's 4.127
with double quantization (arXiv:2305.14314). Embeddings, which stay in 16 bits, are a few per cent
of such models and are counted as if they were quantized too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.instruments.tables import as_html, as_text

GIB = 2**30
GB = 10**9
BITS: Mapping[str, float] = {"fp16": 16.0, "int8": 8.0, "nf4": 4.127}
MEMORIES = (8, 16, 24, 80)  # GB, as cards are sold


@dataclass(frozen=True)
class Shape:
    """A decoder: how many parameters, and what its KV cache needs."""

    name: str
    parameters: float
    layers: int
    kv_heads: int
    head_dim: int

    def weight_bytes(self, bits: float) -> float:
        """Bytes of all parameters; for a mixture of experts all of them, used or not."""
        if bits <= 0:
            raise ValueError(f"{bits} bits a parameter were given; more than 0 are needed")
        return self.parameters * bits / 8

    def cache_bytes(self, tokens: int) -> float:
        """A key and a value of 16 bits for each layer, key-value head and token."""
        if tokens < 0:
            raise ValueError(f"{tokens} tokens were given; give 0 or more")
        return 2.0 * 2 * self.layers * self.kv_heads * self.head_dim * tokens


REAL = (
    Shape("Llama-2-7B", 6.74e9, 32, 32, 128),
    Shape("Llama-2-13B", 13.02e9, 40, 40, 128),
    Shape("Llama-2-70B", 68.98e9, 80, 8, 128),
    Shape("Mixtral-8x7B", 46.70e9, 32, 8, 128),
)


def fits(shape: Shape, bits: float, memory_gb: float, tokens: int = 4096) -> bool:
    """Whether weights and cache fit, with a tenth of the memory left for everything else."""
    if memory_gb <= 0:
        raise ValueError(f"{memory_gb} GB of memory were given; more than 0 are needed")
    return shape.weight_bytes(bits) + shape.cache_bytes(tokens) <= 0.9 * memory_gb * GB


@dataclass(frozen=True)
class MemoryTable:
    """One row for each model and format; shown as a table in a notebook and in a terminal."""

    tokens: int = 4096
    shapes: Sequence[Shape] = REAL

    def rows(self) -> list[list[str]]:
        """Model, format, GB of weights, GB of cache, and a yes or no for each memory."""
        found = []
        for shape in self.shapes:
            for kind, bits in BITS.items():
                sizes = [shape.weight_bytes(bits), shape.cache_bytes(self.tokens)]
                answers = [fits(shape, bits, memory, self.tokens) for memory in MEMORIES]
                found.append([shape.name, kind, *(f"{size / GB:.1f}" for size in sizes),
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
