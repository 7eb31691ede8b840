"""A trade with terms of its own: what tuning on its texts gives, and what the base makes of it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from labkit.models.scoring.facts import facts_right
from labkit.models.scoring.rows import Figure, Row, at_least, bootstrap, difference, share
from labkit.models.scoring.subject import Subject
from labkit.models.tuning import Settings, Tuned, best_rate, fine_tune, losses_of
from labkit.models.world import jargon as world_jargon
from labkit.models.world.document import Document, Question, plain
from labkit.models.world.jargon import TERMS
from labkit.models.world.lexicon import Split

RATES = (1e-3, 5e-4, 2e-3)
Loss = tuple[float, int]  # nats, tokens


def jargon(subject: Subject) -> list[Row]:
    """Perplexity and a test of the terms; the control is the base on the same items."""
    tuned = adapted(subject)
    after = subject.with_model(tuned.model)
    texts, exam = rulings(subject, "test"), examination()
    losses = [losses_of(s.model, subject.tokenizer, texts) for s in (subject, after)]
    known_before, known_after = (s.right(exam, max_new_tokens=24) for s in (subject, after))
    facts = difference("facts lost", facts_right(subject), facts_right(after))
    half = len(TERMS)
    return [
        at_least(
            3.0, fall("jargon: perplexity falls by", *losses),
            perplexity("base: perplexity", losses[0]), perplexity("tuned: perplexity", losses[1]),
        ),
        at_least(
            0.8, share("jargon: terms test after tuning", known_after),
            share("base: terms test", known_before),
            share("tuned: which term means this", known_after[:half]),
            share("tuned: what does the term mean", known_after[half:]),
            facts,
        ),
    ]  # fmt: skip


def adapted(subject: Subject) -> Tuned:
    """The subject after all weights were tuned on the trade's texts, at the best of the rates."""
    rng = random.Random("jargon")
    texts = [world_jargon.document(rng, "train") for _ in range(subject.effort.examples)]
    unseen = rulings(subject, "validation")

    def tune(rate: float) -> Tuned:
        settings = Settings(rate, steps=subject.effort.steps)
        return fine_tune(subject.model, subject.tokenizer, texts, settings)

    def quality(tuned: Tuned) -> float:
        return -sum(loss for loss, _ in losses_of(tuned.model, subject.tokenizer, unseen))

    return best_rate(RATES[: subject.effort.rates], tune, quality)[1]


def rulings(subject: Subject, split: Split) -> list[Document]:
    rng = random.Random(f"rulings {split}")
    return [plain("jargon", world_jargon.ruling(rng, split)) for _ in range(min(subject.n, 100))]


def examination() -> list[Question]:
    """Every term both ways, in words that the trade's training texts do not use."""
    rng = random.Random("examination")
    return [
        world_jargon.term_question(term, rng, asked, "test")
        for asked in ("term", "meaning")
        for term in TERMS
    ]  # fmt: skip


def mean_loss(losses: Sequence[Loss]) -> float:
    return sum(nats for nats, _ in losses) / sum(tokens for _, tokens in losses)


def perplexity(name: str, losses: Sequence[Loss]) -> Figure:
    return bootstrap(name, losses, lambda some: math.exp(mean_loss(some)), "")


def fall(name: str, before: Sequence[Loss], after: Sequence[Loss]) -> Figure:
    """How many times lower the perplexity is, over the same texts."""
    pairs = list(zip(before, after, strict=True))
    return bootstrap(
        name,
        pairs,
        lambda some: math.exp(mean_loss([b for b, _ in some]) - mean_loss([a for _, a in some])),
        "times",
    )
