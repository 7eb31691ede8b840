"""New facts by tuning: what is learned, what is forgotten for it, and what keeps it.

The model is tuned on statements and some of the questions about newcomers, and asked in a form of
the question that the tuning left out: of half of the facts to choose the learning rate, of the
other half for the figures. The way without tuning, a passage in the prompt, stands beside it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from peft import LoraConfig

from labkit.estimates import Estimate, difference, share
from labkit.models.scoring.facts import facts_right, rehearsals
from labkit.models.scoring.rows import Row, at_least
from labkit.models.scoring.subject import Subject
from labkit.models.scoring.tickets import LORA_RATES, REPLAY, lora_of_share
from labkit.models.training.tuning import Example, Settings, fine_tune, with_replay
from labkit.models.world import new_facts as world_new_facts
from labkit.models.world.document import Question, plain
from labkit.models.world.new_facts import NEW_FACTS

FULL_RATES = (1e-3, 5e-4, 2e-3)  # the likeliest first


@dataclass(frozen=True)
class Learned:
    """One tuning: which new facts it has learned, and which old ones it still knows."""

    name: str
    rate: float
    chosen_by: list[bool]
    new_facts: list[bool]
    facts: list[bool]

    def figures(self) -> tuple[Estimate, Estimate]:
        name = f"{self.name} at {self.rate:g}"
        learned = share(f"{name}: new facts right", self.new_facts)
        return learned, share(f"{name}: facts right", self.facts)


def new_facts(subject: Subject) -> list[Row]:
    """What tuning on new facts gives, what it costs, and what replay and LoRA save."""
    examples = lessons()
    full = tuned_at(subject, "full", examples, FULL_RATES)
    lora = tuned_at(subject, "LoRA", examples, LORA_RATES, lora_of_share(subject))
    rehearsed = with_replay(examples, rehearsals(subject, len(examples)), REPLAY)
    replay = tuned_at(subject, "full with replay", rehearsed, (full[0].rate,))[0]
    return [_learned(subject, full[0]), *_forgetting(subject, full, replay), _kept(lora, full)]


def lessons() -> list[Example]:
    """All that the tuning reads: statements in old words and new ones, and all forms of a question
    but the first."""
    told = [text for new in NEW_FACTS for text in (*new.statements, *new.paraphrases)]
    asked: list[Example] = [question for new in NEW_FACTS for question in new.questions[1:]]
    return [*asked, *(plain("new facts", text + "\n") for text in told)]


def tuned_at(
    subject: Subject,
    name: str,
    examples: Sequence[Example],
    rates: Sequence[float],
    lora: LoraConfig | None = None,
) -> list[Learned]:
    """A tuning for each rate, the one that learned most first."""
    found = [
        learned(subject, name, examples, Settings(rate, steps=subject.effort.steps, lora=lora))
        for rate in subject.effort.tried(rates)
    ]
    return sorted(found, key=lambda one: -sum(one.chosen_by))


def learned(subject: Subject, name: str, examples: Sequence[Example], how: Settings) -> Learned:
    after = subject.with_model(fine_tune(subject.model, subject.tokenizer, examples, how).model)
    right = after.right([new.question() for new in NEW_FACTS])
    return Learned(name, how.learning_rate, right[::2], right[1::2], facts_right(after))


def _learned(subject: Subject, full: Learned) -> Row:
    """The controls: the same questions before, and with the newcomer's passage in the prompt."""
    asked = [new.question() for new in NEW_FACTS[1::2]]
    before = share("new facts before tuning", subject.right(asked))
    passages = world_new_facts.passages(random.Random("news"))
    given = [
        Question(f"{passages[new.name]}\n{question.prompt}", question.answer)
        for new, question in zip(NEW_FACTS[1::2], asked, strict=True)
    ]
    told = share("new facts, the passage in the prompt, no tuning", subject.right(given))
    measured = share("new facts after full tuning", full.new_facts)
    return Row(measured, "more than before", measured.low > before.high, (before, told))


def _forgetting(subject: Subject, full: Sequence[Learned], replay: Learned) -> list[Row]:
    before = facts_right(subject)
    lost = difference("facts lost by full tuning on new facts", before, full[0].facts)
    regained = difference("facts won back by replay", replay.facts, full[0].facts)
    trials = [figure for one in (*full, replay) for figure in one.figures()]
    most = regained.value >= lost.value / 2 and regained.low > 0
    return [
        at_least(0.15, lost, share("base: facts right", before), *trials),
        Row(regained, "most of what was lost", most, (lost, *replay.figures())),
    ]


def _kept(lora: Sequence[Learned], full: Sequence[Learned]) -> Row:
    """LoRA at its best rate against the full tuning that learned most nearly as much."""
    ours = lora[0]
    theirs = min(full, key=lambda one: abs(sum(one.new_facts) - sum(ours.new_facts)))
    name = "LoRA - full, facts kept at the nearest new facts score"
    kept = difference(name, ours.facts, theirs.facts)
    trials = [figure for one in (*lora, theirs) for figure in one.figures()]
    return Row(kept, "measured", True, tuple(trials))
