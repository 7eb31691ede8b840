"""Lesson 09: how much an adapter learns and forgets, by its rank, its scale and where it stands.

New facts show both sides, and a tuning on them takes seconds; tickets show what a small adapter
can't do. Rank 0 is full fine-tuning.
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

from peft import LoraConfig

from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.fine_tuning import subject
from labkit.models.scoring import Subject
from labkit.models.scoring.facts import facts_right
from labkit.models.scoring.new_facts import lessons
from labkit.models.scoring.tickets import written
from labkit.models.training.tuning import Settings, Tuned, fine_tune
from labkit.models.world import tickets as world_tickets
from labkit.models.world.new_facts import NEW_FACTS

ITEMS = 150  # behind each share of tickets and of facts
RATE = 3e-3  # of adapters; from 5e-3 on, those of high rank become unstable
RANKS = (1, 2, 4, 8, 16)
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
# All with 122,880 weights where it says so: layers differ in size, so ranks do too.
VARIANTS: dict[str, dict[str, Any]] = {
    "rank 6, alpha 12": {"r": 6, "lora_alpha": 12},
    "rank 6, alpha 6": {"r": 6, "lora_alpha": 6},
    "rank 6, alpha 24": {"r": 6, "lora_alpha": 24},
    "rank 12, alpha 12": {"r": 12, "lora_alpha": 12},
    "rank 12, alpha 24": {"r": 12, "lora_alpha": 24},
    "rank 3, alpha 12": {"r": 3, "lora_alpha": 12},
    "rank 3, alpha 6": {"r": 3, "lora_alpha": 6},
    "attention, rank 15": {"r": 15, "lora_alpha": 30, "target_modules": list(ATTENTION)},
    "MLP, rank 10": {"r": 10, "lora_alpha": 20, "target_modules": list(MLP)},
    "q and v, rank 30": {"r": 30, "lora_alpha": 60, "target_modules": ["q_proj", "v_proj"]},
    "DoRA, rank 6": {"r": 6, "lora_alpha": 12, "use_dora": True},
    "rsLoRA, rank 6": {"r": 6, "lora_alpha": 12, "use_rslora": True},
}


def adapter(rank: int) -> LoraConfig | None:
    """On all linear layers, alpha twice the rank; None, which is full fine-tuning, for rank 0."""
    return config(r=rank, lora_alpha=2 * rank) if rank else None


def config(**changed: Any) -> LoraConfig:
    """LoRA on all linear layers, but for what is changed."""
    return LoraConfig(**{"target_modules": "all-linear", "task_type": "CAUSAL_LM", **changed})


def tuned_on_new_facts(settings: Settings, items: int) -> dict[str, float]:
    """New facts learned, in a form of the question that was left out, and facts still known."""
    base = subject(items)
    tuned = fine_tune(base.model, base.tokenizer, lessons(), settings, progress=False)
    after = base.with_model(tuned.model)
    return {
        "new_facts": fmean(after.right([new.question() for new in NEW_FACTS])),
        "facts": fmean(facts_right(after)),
        "trained": tuned.trainable,
        "trained_share": share_of(tuned, base),
    }


def share_of(tuned: Tuned, base: Subject) -> float:
    """What is trained over what the model has without an adapter."""
    return tuned.trainable / base.model.num_parameters()


def plane(
    rank: int, learning_rate: float, steps: int, seed: int, items: int = ITEMS
) -> dict[str, float]:
    """Tuning on new facts with an adapter of this rank, or of all weights."""
    settings = Settings(learning_rate, steps=steps, lora=adapter(rank), seed=seed)
    return tuned_on_new_facts(settings, items)


def variant(variant: str, seed: int, steps: int = 300, items: int = ITEMS) -> dict[str, float]:
    """Tuning on new facts at one learning rate, with one of `VARIANTS`."""
    lora = config(**VARIANTS[variant])
    return tuned_on_new_facts(Settings(RATE, steps=steps, lora=lora, seed=seed), items)


def on_tickets(
    rank: int, learning_rate: float, steps: int, seed: int, items: int = ITEMS
) -> dict[str, float]:
    """Tuning on 400 tickets: JSON on the test split, and facts still known."""
    base = subject(items)
    shown = [ticket.question() for ticket in world_tickets.examples(400, "train", 0)]
    settings = Settings(learning_rate, steps=steps, lora=adapter(rank), seed=seed)
    tuned = fine_tune(base.model, base.tokenizer, shown, settings, progress=False)
    after = base.with_model(tuned.model)
    valid, exact, _ = written(after, world_tickets.examples(items, "test", 0))
    return {
        "valid": fmean(valid),
        "exact": fmean(exact),
        "facts": fmean(facts_right(after)),
        "trained_share": share_of(tuned, base),
    }


ROOM = {"new_facts": 0.12, "facts": 0.12, "trained": 0.5, "trained_share": 1e-6}
EXPERIMENTS = (
    Experiment(
        "lora-plane",
        "what adapters of growing rank learn and forget, and full fine-tuning, step by step",
        (
            *grid(rank=(0,), learning_rate=(5e-4,), steps=(100, 200, 300), seed=(0, 1)),
            *grid(rank=(0,), learning_rate=(2e-4,), steps=(300,), seed=(0, 1)),
            *grid(rank=(0,), learning_rate=(2e-4,), steps=(600,), seed=(0,)),
            *grid(rank=RANKS, learning_rate=(RATE,), steps=(150, 300), seed=(0,)),
            *grid(rank=(1, 16), learning_rate=(RATE,), steps=(600,), seed=(0,)),
        ),
        plane,
        minutes=5,
        cheap={"rank": 4, "learning_rate": RATE, "steps": 30, "seed": 0, "items": 20},
        within=ROOM,
    ),
    Experiment(
        "lora-variants",
        "alpha and rank, which layers, DoRA and rsLoRA",
        grid(variant=tuple(VARIANTS), seed=(0,)),
        variant,
        minutes=4,
        cheap={"variant": "DoRA, rank 6", "seed": 0, "steps": 30, "items": 20},
        within=ROOM,
    ),
    Experiment(
        "lora-tickets",
        "tickets to JSON: small adapters and more steps against full fine-tuning",
        (
            *grid(rank=(0,), learning_rate=(1e-3,), steps=(240,), seed=(0,)),
            *grid(rank=(2, 8), learning_rate=(RATE,), steps=(400,), seed=(0,)),
            *grid(rank=(2,), learning_rate=(RATE,), steps=(1000,), seed=(0,)),
        ),
        on_tickets,
        minutes=7,
        cheap={"rank": 8, "learning_rate": RATE, "steps": 30, "seed": 0, "items": 20},
        within={"valid": 0.15, "exact": 0.15, "facts": 0.1, "trained_share": 1e-6},
    ),
)
