"""A trade with terms of its own: what tuning on its texts gives, and what the base makes of it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from labkit.estimates import Estimate, bootstrap, difference, share
from labkit.models.scoring.facts import facts_right
from labkit.models.scoring.rows import Row, at_least
from labkit.models.scoring.subject import Subject
from labkit.models.training.tuning import (
    Example,
    Settings,
    Tuned,
    best_rate,
    fine_tune,
    losses_of,
    with_replay,
)
from labkit.models.world import jargon as world_jargon
from labkit.models.world.document import Document, Question, plain
from labkit.models.world.jargon import TERMS
from labkit.models.world.lexicon import Split

RATES = (1e-3, 5e-4, 2e-3)
REPLAY = 0.05  # of the examples, when questions are learned
TEXTS = 100  # of a split that nothing is learned from
Loss = tuple[float, int]  # nats, tokens


def jargon(subject: Subject) -> list[Row]:
    """Perplexity and a test of the terms; the control is the base on the same items."""
    tuned = adapted(subject)
    after = subject.with_model(tuned.model)
    texts, exam = rulings("test", TEXTS), questions(random.Random("examination"), "test")
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
    """The subject after all weights were tuned on the trade, at the best of the rates."""
    rates = subject.effort.tried(RATES)
    return best_rate(
        rates, lambda rate: tuned_twice(subject, rate), lambda tuned: -unseen_loss(subject, tuned)
    )[1]


def tuned_twice(subject: Subject, rate: float) -> Tuned:
    """A copy that has read the trade's texts, and then learned to answer about its terms.

    In one go the texts' many tokens drown those of the answers; some texts are read again with
    the questions, or they are forgotten (perplexity near 1,000 without).
    """
    effort, rng = subject.effort, random.Random("jargon")
    texts = rulings("train", effort.examples)
    rounds = max(1, effort.examples // len(TERMS))
    asked = [q for _ in range(rounds) for q in questions(rng, "train")]
    first, then = (Settings(rate, steps=n) for n in (max(1, effort.steps // 2), 2 * effort.steps))
    reader = fine_tune(subject.model, subject.tokenizer, texts, first).model
    return fine_tune(reader, subject.tokenizer, with_replay(asked, texts, REPLAY), then)


def unseen_loss(subject: Subject, tuned: Tuned) -> float:
    """On the validation split: mean loss of the rulings, and of the answers, added up."""
    asked = questions(random.Random("validation"), "validation")
    unseen: tuple[Sequence[Example], ...] = (rulings("validation", TEXTS), asked)
    return sum(mean_loss(losses_of(tuned.model, subject.tokenizer, some)) for some in unseen)


def rulings(split: Split, n: int) -> list[Document]:
    rng = random.Random(f"rulings {split}")
    return [plain("jargon", world_jargon.ruling(rng, split)) for _ in range(n)]


def questions(rng: random.Random, split: Split) -> list[Question]:
    """Every term both ways: first what is it called, then what does it mean."""
    return [
        world_jargon.term_question(term, rng, asked, split)
        for asked in ("term", "meaning")
        for term in TERMS
    ]  # fmt: skip


def mean_loss(losses: Sequence[Loss]) -> float:
    return sum(nats for nats, _ in losses) / sum(tokens for _, tokens in losses)


def perplexity(name: str, losses: Sequence[Loss]) -> Estimate:
    return bootstrap(name, losses, lambda some: math.exp(mean_loss(some)), "")


def fall(name: str, before: Sequence[Loss], after: Sequence[Loss]) -> Estimate:
    """How many times lower the perplexity is, over the same texts."""
    pairs = list(zip(before, after, strict=True))
    return bootstrap(
        name,
        pairs,
        lambda some: math.exp(mean_loss([b for b, _ in some]) - mean_loss([a for _, a in some])),
        "times",
    )
