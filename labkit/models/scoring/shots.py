"""Few-shot classification: with labels that are made up, only the examples tell what they mean."""

from __future__ import annotations

import random
from statistics import fmean

from labkit.models.scoring.rows import Figure, Row, at_least, known, share
from labkit.models.scoring.subject import Subject
from labkit.models.world.shots import Episode, Labels, episode


def few_shot(subject: Subject) -> list[Row]:
    """Eight shots against none, which can only guess; flipped labels speak against all habit."""
    chance = known("chance", fmean(1 / len(e.labels) for e in episodes(subject, 8, "made_up")))
    none = right(subject, 0, "made_up")
    return [
        Row(none, "at chance", none.low <= chance.figure <= none.high, (chance,)),
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


def episodes(subject: Subject, shots: int, labels: Labels) -> list[Episode]:
    """Episodes of categories and label words that training does not combine."""
    return [episode(random.Random(f"episode {i}"), shots, labels, "test") for i in range(subject.n)]


def right(subject: Subject, shots: int, labels: Labels) -> Figure:
    name = f"few-shot, {labels.replace('_', '-')} labels, {shots} shots"
    return share(name, subject.right(episodes(subject, shots, labels)))
