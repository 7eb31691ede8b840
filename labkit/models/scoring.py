"""The scorecard: what a model can do, measured on items it was not trained on where that matters.

Each row has its count and a 95 % Wilson interval; the card of a bundled model holds these rows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models.generation import complete, exact_match
from labkit.models.world import World, closed_book, ideas, passages, programs
from labkit.models.world.document import Question
from labkit.models.world.entities import Fact


@dataclass(frozen=True)
class Score:
    """`hits` of `n`; `low` and `high` bound the true share with 95 % confidence."""

    name: str
    hits: int
    n: int

    @property
    def share(self) -> float:
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.n)

    def as_row(self) -> dict[str, object]:
        low, high = self.interval
        return asdict(self) | {
            "share": round(self.share, 4), "low": round(low, 4), "high": round(high, 4)
        }  # fmt: skip


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927), sound near 0 and 1 too."""
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def fact_questions(facts: tuple[Fact, ...], n: int, seed: int = 0) -> list[Question]:
    """`n` different facts, each asked once."""
    rng = random.Random(f"questions {seed}")
    return [closed_book(fact, rng) for fact in rng.sample(facts, min(n, len(facts)))]


def idea_prompts(n: int) -> list[str]:
    return [ideas.IDEA_PROMPT] * n


def program_tasks(n: int, seed: int = 0) -> list[programs.Task]:
    """`n` programming tasks of combinations that no training text contains."""
    rng = random.Random(f"tasks {seed}")
    return [programs.task(rng, "test") for _ in range(n)]


def reading_questions(world: World, n: int, count: int, seed: int = 0) -> list[Question]:
    """`n` questions with `count` passages about entities that no training text contains."""
    rng = random.Random(f"reading {seed}")
    return [passages.reading(world, rng, count, "test") for _ in range(n)]


class Scorecard:
    """Measures one model; each method is one row."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer, self.world = model, tokenizer, World()

    def answered(self, name: str, questions: list[Question]) -> Score:
        texts = complete(
            self.model, self.tokenizer, [q.prompt for q in questions], max_new_tokens=12
        )
        hits = sum(exact_match(t[0], q.answer) for t, q in zip(texts, questions, strict=True))
        return Score(name, hits, len(questions))

    def trained_facts(self, n: int) -> Score:
        return self.answered("trained facts", fact_questions(self.world.trained_facts, n))

    def prose_facts(self, n: int) -> Score:
        return self.answered("facts met in prose only", fact_questions(self.world.prose_facts, n))

    def reading(self, n: int, count: int) -> Score:
        questions = reading_questions(self.world, n, count)
        return self.answered(f"passages about unseen entities, {count} at once", questions)

    def well_formed_ideas(self, n: int) -> Score:
        """Sampled at temperature 1, so that the rows differ; judged by the grammar."""
        texts = complete(
            self.model, self.tokenizer, idea_prompts(n), temperature=1.0, max_new_tokens=40
        )
        return Score(
            "well-formed sentences", sum(ideas.parse_idea(t[0]) is not None for t in texts), n
        )

    def programs(self, n: int) -> Score:
        tasks = program_tasks(n)
        prompts = [task.question().prompt for task in tasks]
        texts = complete(self.model, self.tokenizer, prompts, max_new_tokens=48)
        hits = sum(programs.is_right(t[0], task) for t, task in zip(texts, tasks, strict=True))
        return Score("programs of unseen combinations", hits, n)

    def rows(self, n: int = 500) -> list[Score]:
        measures: list[Callable[[], Score]] = [
            lambda: self.trained_facts(n),
            lambda: self.prose_facts(n),
            lambda: self.well_formed_ideas(min(n, 200)),
            lambda: self.programs(min(n, 200)),
            lambda: self.reading(min(n, 200), 1),
            lambda: self.reading(min(n, 200), 2),
        ]
        return [measure() for measure in measures]
