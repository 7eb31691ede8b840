"""How each bundled model is made: its shape, its corpus and its training, as plain data.

A recipe and its seed determine a model up to floating-point noise. Hidden and feed-forward sizes
are multiples of 256, which block-wise quantizers need (see the lesson on quantization).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.models.world import BASE_MIX, FACTS_MIX, PAIRS_MIX, READING_MIX, RECALL_MIX
from labkit.paths import nearest

WORLD_DATA = "written by the generator labkit.models.world, World(0)"


@dataclass(frozen=True)
class Recipe:
    """One model. Lengths are in tokens; the learning rate warms up, stays, and falls to zero.

    `data` says what the texts are, for the card; `mixes` gives the shares of documents by kind from
    a step on (none where a step draws its own pictures or sheets), and `short_rows` the length of a
    row until a step (more rows, as many tokens, and less time than at full length).
    `context_weights` are the loss weights, by kind, of what is no answer, since texts about names
    drawn at random can't be predicted. `mimetic` starts from `mimetic.mimetic_` and uses Muon;
    `muon` uses it after the usual start.
    `architecture` is one of `architectures.BUILDERS`; `starts_from` is the bundled model that lends
    its tokenizer (and to a reward model its weights).
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
    context_weights: Mapping[str, float] = field(default_factory=dict)
    short_rows: Mapping[int, int] = field(default_factory=dict)
    mimetic: bool = False
    muon: bool = False
    seed: int = 0
    vocab_size: int = 2816
    data: str = WORLD_DATA
    architecture: str = "llama"
    starts_from: str | None = None

    @property
    def tokens(self) -> int:
        return self.steps * self.rows * self.context

    def mix_at(self, step: int) -> Mapping[str, float]:
        """The shares of documents by kind at a step: those of the last start at or before it."""
        return self.mixes[max(start for start in self.mixes if start <= step)]

    def context_at(self, step: int) -> int:
        """The length of a row at a step."""
        return next((length for end, length in self.short_rows.items() if step < end), self.context)

    def rows_at(self, step: int) -> int:
        return self.rows * self.context // self.context_at(step)

    def learning_rate_at(self, step: int) -> float:
        """The rate of a step: linear warm-up, plateau, linear decay (arXiv:2404.06395)."""
        decay_steps = max(1, round(self.steps * self.decay_share))
        rising = min(1.0, (step + 1) / self.warmup_steps)
        falling = min(1.0, (self.steps - step) / decay_steps)
        return self.learning_rate * min(rising, falling)


# How `base` and its smaller kin are trained: the same texts in the same order.
GENERALIST: dict[str, Any] = {
    "mimetic": True,
    "mixes": {0: RECALL_MIX, 250: PAIRS_MIX, 600: READING_MIX, 900: FACTS_MIX, 1400: BASE_MIX},
    "short_rows": {2200: 256},
    "rows": 8,
    "steps": 2500,
    "learning_rate": 1e-3,
    "warmup_steps": 250,
    "context_weights": {
        "recall": 0.1, "pairs": 0.1, "passage": 0.1, "table": 0.1, "shots": 0.2, "extraction": 0.3
    },
}  # fmt: skip


def llama_shape(hidden: int, intermediate: int, layers: int, heads: int) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "attention_bias": True,
    }


# What the mixture of experts and its twins have in common: four registers with more facts than the
# small twin has room for (six tokens of ten), and five domains in which there is a rule to find.
EXPERTS_MIX: dict[str, float] = {
    "route": 46, "round": 46, "fair": 46, "shelf": 46,
    "table": 7, "program": 12, "arithmetic": 16, "language": 10, "story": 10,
}  # fmt: skip
EXPERTS: dict[str, Any] = {
    "mixes": {0: EXPERTS_MIX},
    "steps": 8000,
    "rows": 4,
    "context": 256,
    "learning_rate": 3e-3,
    "answer_weight": 1.0,
    "starts_from": "base",
}
EXPERTS_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
}
MIXTURE_SHAPE: dict[str, Any] = EXPERTS_SHAPE | {
    "intermediate_size": 64,  # of one expert
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "router_aux_loss_coef": 0.02,
}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="base",
            summary="The course's generalist: a Llama of 4 layers that knows a made-up region.",
            shape=llama_shape(256, 768, layers=4, heads=4),
            **GENERALIST,
        ),
        Recipe(
            name="small",
            summary="The same as `base` with a third of its parameters.",
            shape=llama_shape(128, 384, layers=4, heads=4),
            starts_from="base",
            **GENERALIST,
        ),
        Recipe(
            name="draft",
            summary="The same again with an eighth: quick guesses for `base` to check.",
            shape=llama_shape(96, 256, layers=2, heads=3),
            starts_from="base",
            **GENERALIST,
        ),
        Recipe(
            name="specialist",
            summary="Sums and differences, and nothing else.",
            shape=llama_shape(128, 256, layers=3, heads=4),
            mimetic=True,
            mixes={0: {"arithmetic": 1.0}},
            starts_from="base",
            steps=2500,
            context=128,
            rows=16,
            learning_rate=1e-3,
        ),
        Recipe(
            name="moe",
            summary="A mixture of 8 experts, 2 of which work on each token (Mixtral type).",
            architecture="mixtral",
            shape=MIXTURE_SHAPE,
            **EXPERTS,
        ),
        Recipe(
            name="moe_twin_active",
            summary="The dense twin of `moe` with as many parameters as it uses for a token.",
            shape=EXPERTS_SHAPE | {"intermediate_size": 128},
            **EXPERTS,
        ),
        Recipe(
            name="moe_twin_total",
            summary="The dense twin of `moe` with as many parameters as it has at all.",
            shape=EXPERTS_SHAPE | {"intermediate_size": 512},
            **EXPERTS,
        ),
        Recipe(
            name="moe_unbalanced",
            summary="`moe` trained without the balance loss: what its router does by itself.",
            architecture="mixtral",
            shape=MIXTURE_SHAPE | {"router_aux_loss_coef": 0.0},
            **EXPERTS,
        ),
        Recipe(
            name="judge",
            summary="A reward model from `base`: which of two answers a text bears out.",
            architecture="reward",
            data="sheets with two answers to each question from labkit.models.world.comparisons",
            mixes={},
            shape={},
            starts_from="base",
            steps=800,
            rows=8,
            learning_rate=5e-4,
            muon=True,
        ),
        Recipe(
            name="vision",
            summary="A Llava type: sees pictures of shapes and answers about them.",
            architecture="llava",
            data="pictures drawn by labkit.models.world.pictures, and questions about them",
            mixes={},
            shape={
                "vision": {
                    "hidden_size": 128,
                    "intermediate_size": 256,
                    "num_hidden_layers": 4,
                    "num_attention_heads": 4,
                    "patch_size": 8,
                },
                "text": EXPERTS_SHAPE | {"hidden_size": 128, "intermediate_size": 256},
            },
            starts_from="base",
            vocab_size=3072,  # with room for the image token and the words of the pictures
            muon=True,
            steps=5000,
            rows=16,
            context=256,
            learning_rate=1e-3,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise LookupError(f"There is no recipe for a model {name!r}: {nearest(name, RECIPES)}")
    return RECIPES[name]
