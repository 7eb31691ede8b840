"""Support tickets to JSON by tuning: in full, by LoRA, and with replay; and what is forgotten.

Learning rates are picked on the validation split; every figure is of the test split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from peft import LoraConfig

from labkit.estimates import Estimate, difference, known, share
from labkit.models.quantization.simulated import linear_layers
from labkit.models.scoring.facts import facts_right, rehearsals
from labkit.models.scoring.rows import Row, at_least
from labkit.models.scoring.subject import Subject
from labkit.models.training.tuning import (
    Example,
    Settings,
    Tuned,
    fine_tune,
    lora_config,
    losses_of,
    with_replay,
)
from labkit.models.world import tickets as world_tickets
from labkit.models.world.tickets import FIELDS, Ticket

FULL_RATES = (1e-3, 5e-4, 1.5e-3)  # the likeliest first
LORA_RATES = (5e-3, 3e-3, 1e-2)
LORA_SHARE = 0.03  # of the weights, at most
REPLAY = 0.3  # of the examples, when facts are rehearsed
ANSWER_TOKENS = 60
SHOTS = 4  # in the prompt of the untuned base: as many as its context holds


@dataclass(frozen=True)
class Trial:
    """One learning rate: the tuned model, its validation tickets, and the facts it still knows."""

    tuned: Tuned
    exact: list[bool]
    loss: float  # of the validation answers, nats
    facts: list[bool]

    def figures(self, name: str) -> tuple[Estimate, Estimate]:
        name = f"{name} at {self.tuned.settings.learning_rate:g}"
        return (
            share(f"{name}: exact, validation", self.exact),
            share(f"{name}: facts right", self.facts),
        )


@dataclass(frozen=True)
class Outcome:
    """One way to the JSON: what the model writes for the test tickets, and what it still knows."""

    name: str
    valid: list[bool]
    exact: list[bool]
    fields: dict[str, list[bool]]
    facts: list[bool]
    trials: tuple[Trial, ...] = ()  # the best one first

    def figures(self) -> tuple[Estimate, Estimate]:
        return share(f"{self.name}: valid", self.valid), share(f"{self.name}: exact", self.exact)


def tuning(subject: Subject) -> list[Row]:
    """Task, LoRA against full, forgetting, replay: all from the same few tunings."""
    examples = [t.question() for t in world_tickets.examples(subject.effort.examples, "train", 0)]
    base = outcome(f"base, {SHOTS} shots", subject, shots=SHOTS)
    full = tuned_best(subject, "full", examples, FULL_RATES, None)
    lora = tuned_best(subject, "LoRA", examples, LORA_RATES, lora_of_share(subject))
    best_of_full = full.trials[0].tuned.settings.learning_rate
    rehearsed = with_replay(examples, rehearsals(subject, len(examples)), REPLAY)
    replay = tuned_best(subject, "full with replay", rehearsed, (best_of_full,), None)
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
    settings = (
        Settings(rate, steps=subject.effort.steps, lora=lora)
        for rate in subject.effort.tried(rates)
    )
    trials = [trial(subject, examples, some) for some in settings]
    trials.sort(key=lambda t: (sum(t.exact), -t.loss), reverse=True)
    return outcome(name, subject.with_model(trials[0].tuned.model), trials=tuple(trials))


def trial(subject: Subject, examples: Sequence[Example], settings: Settings) -> Trial:
    """One tuning, judged on validation tickets."""
    unseen = world_tickets.examples(max(8, subject.n // 3), "validation", 0)
    tuned = fine_tune(subject.model, subject.tokenizer, examples, settings)
    after = subject.with_model(tuned.model)
    losses = losses_of(tuned.model, subject.tokenizer, [t.question() for t in unseen])
    exact = written(after, unseen)[1]
    return Trial(tuned, exact, fmean(loss for loss, _ in losses), facts_right(after))


def outcome(
    name: str, subject: Subject, *, shots: int = 0, trials: tuple[Trial, ...] = ()
) -> Outcome:
    tickets = world_tickets.examples(subject.n, "test", 0)
    valid, exact, fields = written(subject, tickets, shots)
    return Outcome(name, valid, exact, fields, facts_right(subject), trials)


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


def _task(base: Outcome, full: Outcome, lora: Outcome) -> list[Row]:
    cost = known("seconds of tuning, here", full.trials[0].tuned.seconds, "s")
    fields = [share(f"full: {field}", full.fields[field]) for field in FIELDS]
    valid = share("tickets, valid JSON after full tuning", full.valid)
    exact = share("tickets, exact after full tuning", full.exact)
    return [
        at_least(0.98, valid, base.figures()[0], lora.figures()[0], cost),
        at_least(0.6, exact, base.figures()[1], lora.figures()[1], *fields),
    ]


def _lora(base: Outcome, full: Outcome, lora: Outcome) -> list[Row]:
    """LoRA against full: the task at the best rate of each, and the facts at equal task scores."""
    worse = difference("LoRA - full, exact tickets", lora.exact, full.exact)
    size = known("LoRA: weights trained", lora.trials[0].tuned.trainable_share)
    scores = (full.figures()[1], lora.figures()[1])
    rates = [
        known(f"{o.name}: rate", o.trials[0].tuned.settings.learning_rate, "") for o in (full, lora)
    ]
    ours, theirs = equal_scores(lora.trials, full.trials)
    kept = difference("LoRA - full, facts kept at the nearest task score", ours.facts, theirs.facts)
    trials = [f for o in (full, lora) for t in o.trials for f in t.figures(o.name)]
    before = share("base: facts right", base.facts)
    return [
        Row(worse, "interval holds 0", worse.low <= 0 <= worse.high, (*scores, size, *rates)),
        Row(kept, "above 0", kept.low > 0, (before, *trials)),
    ]


def equal_scores(ours: Sequence[Trial], theirs: Sequence[Trial]) -> tuple[Trial, Trial]:
    """The best of ours, and the one of theirs that does the task most nearly as well."""
    return ours[0], min(theirs, key=lambda t: abs(sum(t.exact) - sum(ours[0].exact)))


def _forgetting(base: Outcome, full: Outcome, lora: Outcome, replay: Outcome) -> list[Row]:
    """What the tickets cost in facts; how much forgetting there can be, `new_facts.py` measures."""
    lost = difference("tickets: facts lost by full tuning", base.facts, full.facts)
    after = [share(f"{o.name}: facts right", o.facts) for o in (base, full, replay, lora)]
    tasks = [share(f"{o.name}: exact tickets", o.exact) for o in (full, replay)]
    return [Row(lost, "measured", True, (*after, *tasks))]
