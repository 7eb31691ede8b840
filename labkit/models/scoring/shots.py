"""Few-shot classification: with labels that are made up, only the examples tell what they mean."""

from __future__ import annotations

import random
from statistics import fmean

from labkit.estimates import Estimate, known, share
from labkit.models.generation import exact_match
from labkit.models.scoring.rows import Row, at_least
from labkit.models.scoring.subject import Subject
from labkit.models.world.shots import Episode, Labels, episode


def few_shot(subject: Subject) -> list[Row]:
    """Eight shots against none, which can only guess; flipped labels speak against all habit."""
    chance = known("chance", fmean(1 / len(e.labels) for e in episodes(subject, 8, "made_up")))
    none, named = without_shots(subject)
    return [
        Row(none, "no better than chance", none.low <= chance.value, (chance, named)),
        at_least(
            0.8,
            right(subject, 8, "made_up"),
            chance,
            *(right(subject, shots, "made_up") for shots in (2, 4, 16)),
            right(subject, 8, "flipped"),
            right(subject, 8, "natural"),
            right(subject, 0, "natural"),
        ),
    ]


def without_shots(subject: Subject) -> tuple[Estimate, Estimate]:
    """How often the answer is right when there is nothing to go by, and how often it is one of the
    labels at all."""
    asked = episodes(subject, 0, "made_up")
    said = list(zip(subject.answers([e.prompt for e in asked]), asked, strict=True))
    return (
        share("few-shot, made-up labels, 0 shots", [exact_match(t, e.answer) for t, e in said]),
        share("0 shots: names one of the labels", [t.strip() in e.labels for t, e in said]),
    )


def episodes(subject: Subject, shots: int, labels: Labels) -> list[Episode]:
    """Episodes of categories and label words that training does not combine."""
    return [episode(random.Random(f"episode {i}"), shots, labels, "test") for i in range(subject.n)]


def right(subject: Subject, shots: int, labels: Labels) -> Estimate:
    name = f"few-shot, {labels.replace('_', '-')} labels, {shots} shots"
    return share(name, subject.right(episodes(subject, shots, labels)))
