"""What is measured and how thoroughly, and the way in which every row lets the model answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models.generation import complete, exact_match
from labkit.models.world import World
from labkit.models.world.document import Question


@dataclass(frozen=True)
class Effort:
    """How much a measurement may cost."""

    items: int = 300  # behind a figure
    timed: int = 40  # texts written against the clock, in each domain
    steps: int = 400  # of a tuning: a minute on two cores
    tunings: int = 3  # learning rates tried on the validation split
    examples: int = 400  # to tune on

    def tried(self, rates: Sequence[float]) -> Sequence[float]:
        """The first learning rates, as many as are tried."""
        return rates[: self.tunings]


FULL = Effort()
QUICK = Effort(items=16, timed=2, steps=4, tunings=1, examples=32)


@dataclass(frozen=True)
class Subject:
    """The model under measurement, its tokenizer, the world it may know, and the effort."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    effort: Effort = FULL
    world: World = field(default_factory=World)

    @property
    def n(self) -> int:
        return self.effort.items

    def with_model(self, model: PreTrainedModel) -> Subject:
        """The same measurement of another model."""
        return dataclasses.replace(self, model=model)

    def answers(self, prompts: Sequence[str], max_new_tokens: int = 12) -> list[str]:
        """What the model says to each prompt, greedily, up to the end of the line."""
        texts = complete(self.model, self.tokenizer, prompts, max_new_tokens=max_new_tokens)
        return [text for (text,) in texts]

    def right(self, questions: Sequence[Question], max_new_tokens: int = 12) -> list[bool]:
        """Which questions it answers exactly."""
        texts = self.answers([q.prompt for q in questions], max_new_tokens)
        return [exact_match(t, q.answer) for t, q in zip(texts, questions, strict=True)]
