"""Facts of the region, closed book: asked about in training, or only met in prose."""

from __future__ import annotations

import random

from labkit.estimates import share
from labkit.models.scoring.rows import Row, at_least
from labkit.models.scoring.subject import Subject
from labkit.models.world import closed_book
from labkit.models.world.document import Question
from labkit.models.world.entities import Fact


def fact_questions(facts: tuple[Fact, ...], n: int, seed: int = 0) -> list[Question]:
    """`n` different facts, each asked once."""
    rng = random.Random(f"questions {seed}")
    return [closed_book(fact, rng) for fact in rng.sample(facts, min(n, len(facts)))]


def facts_right(subject: Subject) -> list[bool]:
    """Which of the trained facts it knows: what other rows measure forgetting and damage by."""
    return subject.right(fact_questions(subject.world.trained_facts, subject.n))


def rehearsals(subject: Subject, n: int) -> list[Question]:
    """Up to `n` questions about trained facts, right answers to all, and none of a fact that
    `facts_right` asks for: it measures what is kept, not what was just learned again."""
    every = subject.world.trained_facts
    measured = {
        id(f) for f in random.Random("questions 0").sample(every, min(subject.n, len(every)))
    }
    rng = random.Random("replay")
    others = [fact for fact in every if id(fact) not in measured]
    return [closed_book(fact, rng) for fact in rng.sample(others, min(n, len(others)))]


def facts(subject: Subject) -> list[Row]:
    """The control are entities that the corpus describes and never asks about."""
    prose = subject.right(fact_questions(subject.world.prose_facts, subject.n))
    return [
        at_least(
            0.98,
            share("trained facts, closed book", facts_right(subject)),
            share("facts met in prose only", prose),
        )
    ]
