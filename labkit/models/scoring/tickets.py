"""Support tickets to JSON by tuning: in full, by LoRA, and with replay; and what is forgotten.

Learning rates are picked on the validation split; every figure is of the test split.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from peft import LoraConfig

from labkit.models.quantizing import linear_layers
from labkit.models.scoring.facts import facts_right
from labkit.models.scoring.rows import (
    Figure,
    Row,
    at_least,
    difference,
    known,
    share,
)
from labkit.models.scoring.subject import Subject
from labkit.models.tuning import (
    Example,
    Settings,
    Tuned,
    best_rate,
    fine_tune,
    lora_config,
    losses_of,
    with_replay,
)
from labkit.models.world import tickets as world_tickets
from labkit.models.world.knowledge import questions as asked_facts
from labkit.models.world.tickets import FIELDS, Ticket

FULL_RATES = (1e-3, 3e-4, 3e-3)  # the likeliest first
LORA_RATES = (5e-3, 2e-3, 1e-2)
LORA_SHARE = 0.03  # of the weights, at most
REPLAY = 0.3  # of the examples, when facts are rehearsed
ANSWER_TOKENS = 60
SHOTS = 3  # in the prompt of the untuned base: as many as its context holds


@dataclass(frozen=True)
class Outcome:
    """One way to the JSON: what the model writes for the test tickets, and what it still knows."""

    name: str
    valid: list[bool]
    exact: list[bool]
    fields: dict[str, list[bool]]
    facts: list[bool]
    tuned: Tuned | None = None

    def figures(self) -> tuple[Figure, Figure]:
        return share(f"{self.name}: valid", self.valid), share(f"{self.name}: exact", self.exact)


def tuning(subject: Subject) -> list[Row]:
    """Task, LoRA against full, forgetting, replay: all from the same few tunings."""
    examples = [t.question() for t in world_tickets.examples(subject.effort.examples, "train", 0)]
    base = outcome(f"base, {SHOTS} shots", subject, shots=SHOTS)
    full = tuned_best(subject, "full", examples, FULL_RATES, None)
    lora = tuned_best(subject, "LoRA", examples, LORA_RATES, lora_of_share(subject))
    assert full.tuned is not None
    replay = tuned_best(
        subject,
        "full with replay",
        with_replay(examples, rehearsals(subject, len(examples)), REPLAY),
        (full.tuned.settings.learning_rate,),
        None,
    )
    return [
        *_task(base, full, lora),
        *_lora(base, full, lora),
        *_forgetting(base, full, lora, replay),
    ]


def tuned_best(
    subject: Subject,
    name: str,
    examples: Sequence[Example],
    rates: Sequence[float],
    lora: LoraConfig | None,
) -> Outcome:
    """The outcome at the rate that writes the most exact answers to the validation tickets."""
    unseen = world_tickets.examples(max(8, subject.n // 3), "validation", 0)

    def tune(rate: float) -> Tuned:
        settings = Settings(rate, steps=subject.effort.steps, lora=lora)
        return fine_tune(subject.model, subject.tokenizer, examples, settings)

    def quality(tuned: Tuned) -> tuple[float, float]:
        exact = sum(written(subject.with_model(tuned.model), unseen)[1])
        losses = losses_of(tuned.model, subject.tokenizer, [t.question() for t in unseen])
        return exact, -sum(loss for loss, _ in losses)

    tuned = best_rate(rates[: subject.effort.rates], tune, quality)[1]
    return outcome(name, subject.with_model(tuned.model), tuned=tuned)


def outcome(name: str, subject: Subject, *, shots: int = 0, tuned: Tuned | None = None) -> Outcome:
    tickets = world_tickets.examples(subject.n, "test", 0)
    valid, exact, fields = written(subject, tickets, shots)
    return Outcome(name, valid, exact, fields, facts_right(subject), tuned)


def written(
    subject: Subject, tickets: Sequence[Ticket], shots: int = 0
) -> tuple[list[bool], list[bool], dict[str, list[bool]]]:
    """For each ticket whether the JSON is valid, whether it is exact, and each of its fields."""
    shown = "".join(
        f"{t.question().prompt}{t.as_json}\n" for t in world_tickets.examples(shots, "train", 1)
    )
    texts = subject.answers([shown + t.question().prompt for t in tickets], ANSWER_TOKENS)
    found = [world_tickets.parse(text) for text in texts]
    pairs = list(zip(found, tickets, strict=True))
    fields = {
        field: [f is not None and f[field] == t.fields[field] for f, t in pairs] for field in FIELDS
    }
    exact = [f == t.fields for f, t in pairs]
    return [f is not None for f in found], exact, fields


def lora_of_share(subject: Subject) -> LoraConfig:
    """The largest rank whose adapter is no more than `LORA_SHARE` of the weights."""
    per_rank = sum(sum(layer.weight.shape) for layer in linear_layers(subject.model).values())
    return lora_config(max(1, int(LORA_SHARE * subject.model.num_parameters() / per_rank)))


def rehearsals(subject: Subject, n: int) -> list[Example]:
    """Texts of the pre-training corpus: questions about facts, with their answers."""
    rng = random.Random("replay")
    return [asked_facts(subject.world, rng) for _ in range(n)]


def _task(base: Outcome, full: Outcome, lora: Outcome) -> list[Row]:
    assert full.tuned is not None
    cost = known("seconds of tuning, here", full.tuned.seconds, "s")
    fields = [share(f"full: {field}", full.fields[field]) for field in FIELDS]
    valid, exact = (share(f"tickets, {what}", hits) for what, hits in (
        ("valid JSON after full tuning", full.valid), ("exact after full tuning", full.exact)
    ))  # fmt: skip
    return [
        at_least(0.98, valid, base.figures()[0], lora.figures()[0], cost),
        at_least(0.6, exact, base.figures()[1], lora.figures()[1], *fields),
    ]


def _lora(base: Outcome, full: Outcome, lora: Outcome) -> list[Row]:
    assert lora.tuned is not None and full.tuned is not None
    worse = difference("LoRA - full, exact tickets", lora.exact, full.exact)
    kept = difference("LoRA - full, facts kept", lora.facts, full.facts)
    size = known("LoRA: weights trained", lora.tuned.trainable_share)
    rates = [
        known(f"{o.name}: rate", o.tuned.settings.learning_rate, "")
        for o in (full, lora)
        if o.tuned is not None
    ]
    scores = (full.figures()[1], lora.figures()[1])
    facts = [share(f"{o.name}: facts right", o.facts) for o in (base, full, lora)]
    return [
        Row(worse, "interval holds 0", worse.low <= 0 <= worse.high, (*scores, size, *rates)),
        Row(kept, "above 0", kept.low > 0, (*facts, *scores)),
    ]


def _forgetting(base: Outcome, full: Outcome, lora: Outcome, replay: Outcome) -> list[Row]:
    lost = difference("facts lost by full tuning", base.facts, full.facts)
    regained = difference("facts won back by replay", replay.facts, full.facts)
    after = [share(f"{o.name}: facts right", o.facts) for o in (base, full, replay, lora)]
    tasks = [share(f"{o.name}: exact tickets", o.exact) for o in (full, replay)]
    most = regained.figure >= lost.figure / 2 and regained.low > 0
    return [
        at_least(0.15, lost, *after, *tasks),
        Row(regained, "most of what was lost", most, (lost, *after, *tasks)),
    ]
