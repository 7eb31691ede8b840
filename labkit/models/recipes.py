"""How each bundled model is made: its shape, its corpus and its training, as plain data.

A recipe and its seed determine a model up to floating-point noise. Hidden and feed-forward sizes
are multiples of 256, which block-wise quantizers need (see the lesson on quantization).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.models.world import BASE_MIX, FACTS_MIX
from labkit.paths import nearest


@dataclass(frozen=True)
class Recipe:
    """One model. Lengths are in tokens; the learning rate warms up, stays, and falls to zero.

    `mixes` gives the shares of documents by kind from a step on.
    """

    name: str
    summary: str
    shape: Mapping[str, Any]
    steps: int
    mixes: Mapping[int, Mapping[str, float]] = field(default_factory=lambda: {0: BASE_MIX})
    rows: int = 4
    context: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    warmup_steps: int = 100
    decay_share: float = 0.3
    answer_weight: float = 5.0
    seed: int = 0
    vocab_size: int = 2560

    @property
    def tokens(self) -> int:
        return self.steps * self.rows * self.context

    def mix_at(self, step: int) -> Mapping[str, float]:
        """The shares of documents by kind at a step: those of the last start at or before it."""
        return self.mixes[max(start for start in self.mixes if start <= step)]

    def learning_rate_at(self, step: int) -> float:
        """The rate of a step: linear warm-up, plateau, linear decay (arXiv:2404.06395)."""
        decay_steps = max(1, round(self.steps * self.decay_share))
        rising = min(1.0, (step + 1) / self.warmup_steps)
        falling = min(1.0, (self.steps - step) / decay_steps)
        return self.learning_rate * min(rising, falling)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="base",
            summary="The course's generalist: a Llama of 4 layers that knows a made-up region.",
            shape={
                "hidden_size": 256,
                "intermediate_size": 768,
                "num_hidden_layers": 4,
                "num_attention_heads": 4,
                "num_key_value_heads": 4,
            },
            mixes={0: BASE_MIX, 1000: FACTS_MIX},
            steps=2900,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise LookupError(f"There is no recipe for a model {name!r}: {nearest(name, RECIPES)}")
    return RECIPES[name]
