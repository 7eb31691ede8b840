"""Lessons on tuning: how many examples, which learning rate, and what keeps old knowledge.

Each point tunes a fresh copy of `base` and asks it what no tuning has seen: test tickets, or new
facts in a form of the question that was left out; and facts of the region, closed book.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from statistics import fmean

from labkit.experiments.experiment import Experiment, grid
from labkit.models import load_model
from labkit.models.scoring import Subject
from labkit.models.scoring.facts import facts_right, rehearsals
from labkit.models.scoring.new_facts import lessons
from labkit.models.scoring.subject import Effort
from labkit.models.scoring.tickets import REPLAY, written
from labkit.models.training.tuning import (
    Example,
    Settings,
    fine_tune,
    lora_config,
    losses_of,
    with_replay,
)
from labkit.models.world import tickets as world_tickets
from labkit.models.world.document import plain
from labkit.models.world.new_facts import NEW_FACTS

ITEMS = 150  # behind each share
PULL = 30.0  # how strongly weights are drawn back to where they started
REMEDIES: dict[str, Settings] = {
    "full": Settings(5e-4, steps=300),
    "replay": Settings(5e-4, steps=300),
    "pull": Settings(5e-4, steps=300, pull=PULL),
    "LoRA": Settings(5e-3, steps=300, lora=lora_config(rank=8)),
}


@lru_cache(maxsize=1)
def subject(items: int) -> Subject:
    return Subject(*load_model("base"), Effort(items=items))


def tune_on_tickets(
    examples: int, learning_rate: float, steps: int, seed: int, items: int = ITEMS
) -> dict[str, float]:
    """Full tuning on so many tickets: JSON on the test split, loss on the validation split (nats
    an answer), and facts still known, each by so many items."""
    base = subject(items)
    shown = [t.question() for t in world_tickets.examples(examples, "train", seed)]
    settings = Settings(learning_rate, steps=steps, seed=seed)
    tuned = fine_tune(base.model, base.tokenizer, shown, settings, progress=False)
    after = base.with_model(tuned.model)
    unseen = [t.question() for t in world_tickets.examples(items, "validation", 0)]
    losses = losses_of(tuned.model, base.tokenizer, unseen)
    valid, exact, _ = written(after, world_tickets.examples(items, "test", 0))
    return {
        "valid": fmean(valid),
        "exact": fmean(exact),
        "training_loss": fmean(tuned.losses[-20:]),
        "validation_loss": sum(loss for loss, _ in losses) / sum(count for _, count in losses),
        "facts": fmean(facts_right(after)),
    }


def tune_on_labels(on: str, steps: int, seed: int, items: int = ITEMS) -> dict[str, float]:
    """The same tickets with the loss on the answers, or on everything: the same tokens either
    way, read as a question with its answer or as one text."""
    base = subject(items)
    asked = [t.question() for t in world_tickets.examples(400, "train", seed)]
    whole = [plain("tickets", f"{q.prompt}{q.answer}\n") for q in asked]
    shown: Sequence[Example] = asked if on == "answers" else whole
    settings = Settings(1e-3, steps=steps, seed=seed)
    tuned = fine_tune(base.model, base.tokenizer, shown, settings, progress=False)
    after = base.with_model(tuned.model)
    valid, exact, _ = written(after, world_tickets.examples(items, "test", 0))
    return {
        "valid": fmean(valid),
        "exact": fmean(exact),
        "training_loss": fmean(tuned.losses[-20:]),
        "facts": fmean(facts_right(after)),
    }


def tune_on_new_facts(
    method: str, seed: int, steps: int | None = None, items: int = ITEMS
) -> dict[str, float]:
    """Tuning on new facts by one of `REMEDIES`: new facts learned, and facts still known; in fewer
    steps than the remedy takes where `steps` says so."""
    base, remedy = subject(items), REMEDIES[method]
    settings = replace(remedy, seed=seed, steps=steps or remedy.steps)
    shown: Sequence[Example] = lessons()
    if method == "replay":
        shown = with_replay(shown, rehearsals(base, len(shown)), REPLAY)
    tuned = fine_tune(base.model, base.tokenizer, shown, settings, progress=False)
    after = base.with_model(tuned.model)
    return {
        "new_facts": fmean(after.right([new.question() for new in NEW_FACTS])),
        "facts": fmean(facts_right(after)),
        "trained_share": tuned.trainable_share,
    }


ROOM = {"valid": 0.05, "exact": 0.12, "training_loss": 0.05, "validation_loss": 0.1, "facts": 0.1}
EXPERIMENTS = (
    Experiment(
        "ticket-examples",
        "how many examples a tuning on tickets needs",
        grid(examples=(10, 50, 100, 300, 500), learning_rate=(1e-3,), steps=(400,), seed=(0, 1, 2)),
        tune_on_tickets,
        minutes=15,
        cheap={"examples": 50, "learning_rate": 1e-3, "steps": 30, "seed": 0, "items": 20},
        within=ROOM,
    ),
    Experiment(
        "ticket-rates",
        "learning rates and steps: under- and overfitting on tickets",
        grid(
            examples=(400,),
            learning_rate=(1e-4, 3e-4, 1e-3, 1.5e-3, 3e-3),
            steps=(100, 200, 400),
            seed=(0,),
        ),
        tune_on_tickets,
        minutes=10,
        cheap={"examples": 400, "learning_rate": 3e-3, "steps": 30, "seed": 0, "items": 20},
        within=ROOM,
    ),
    Experiment(
        "ticket-labels",
        "loss on the answers only, against loss on tickets and answers",
        grid(on=("answers", "everything"), steps=(100, 300), seed=(0, 1, 2)),
        tune_on_labels,
        minutes=8,
        cheap={"on": "everything", "steps": 30, "seed": 0, "items": 20},
        within={figure: ROOM[figure] for figure in ("valid", "exact", "training_loss", "facts")},
    ),
    Experiment(
        "new-facts-remedies",
        "what keeps old facts while new ones are learned: replay, a pull to the start, LoRA",
        grid(method=tuple(REMEDIES), seed=(0, 1, 2)),
        tune_on_new_facts,
        minutes=7,
        cheap={"method": "replay", "seed": 0, "steps": 30, "items": 20},
        within={"new_facts": 0.12, "facts": 0.12, "trained_share": 1e-6},
    ),
)
