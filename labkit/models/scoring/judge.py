"""The judge: how often it agrees with the truth, beyond chance, and what else sways it.

The baseline reads nothing: it picks the answer that occurs in the text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from labkit.estimates import Estimate, bootstrap, difference, kappa, known, share
from labkit.models.judging import picks_right, unseen_pairs
from labkit.models.scoring.rows import Row, at_least
from labkit.models.scoring.subject import Subject
from labkit.models.world.comparisons import WORDINGS, Pair, occurs


def occurs_in_text(pairs: Sequence[Pair]) -> list[bool]:
    """The baseline that reads nothing: it picks the answer that occurs in the text, and tosses a
    coin where both or none do."""
    rng = random.Random("coin")
    found = [[occurs(answer, p.prompt) for answer in (p.right, p.wrong)] for p in pairs]
    return [rng.random() < 0.5 if right == wrong else right for right, wrong in found]


def verdicts(right: Sequence[bool], seed: int = 0) -> list[tuple[str, str]]:
    """Which answer was picked and which is right, by the places A and B that they had: the right
    one has its place by a coin, so that agreement can be told from chance."""
    rng = random.Random(f"places {seed}")
    other = {"A": "B", "B": "A"}
    truths = [rng.choice("AB") for _ in right]
    return [(true if hit else other[true], true) for hit, true in zip(right, truths, strict=True)]


def kappa_figure(name: str, right: Sequence[bool]) -> Estimate:
    """Cohen's kappa of the verdicts, with a bootstrap over the pairs."""
    return bootstrap(name, verdicts(right), kappa, "kappa")


def judge(subject: Subject) -> list[Row]:
    """Agreement with the truth on hard pairs, and the judge's biases."""
    hard, easy = unseen_pairs(subject.n), unseen_pairs(subject.n, hard=False)
    right = picks(subject, hard)
    agreement = at_least(
        0.6,
        kappa_figure("judge, hard pairs", right),
        kappa_figure("baseline: the answer that occurs in the text", occurs_in_text(hard)),
        kappa_figure("judge, easy pairs", picks(subject, easy)),
        kappa_figure("baseline, easy pairs", occurs_in_text(easy)),
    )
    return [agreement, length_bias(subject, hard), place_bias(hard, right)]


def picks(subject: Subject, pairs: Sequence[Pair]) -> list[bool]:
    """Whether the judge prefers the right answer, pair by pair."""
    return picks_right(subject.model, subject.tokenizer, pairs)


def length_bias(subject: Subject, pairs: Sequence[Pair]) -> Row:
    """The same pairs twice: once the right answer is the wordy one, once the wrong one is."""
    wordings = [WORDINGS[i % len(WORDINGS)] for i in range(len(pairs))]
    for_long = [p.worded(right=w) for p, w in zip(pairs, wordings, strict=True)]
    for_short = [p.worded(wrong=w) for p, w in zip(pairs, wordings, strict=True)]
    long, short = picks(subject, for_long), picks(subject, for_short)
    bias = difference("right more often when the right answer is the longer one", long, short)
    return Row(
        bias,
        "measured",
        True,
        (share("the right one is longer", long), share("the right one is shorter", short)),
    )


def place_bias(pairs: Sequence[Pair], right: Sequence[bool]) -> Row:
    """A reward model meets each answer alone, so which comes first can't sway it; where in the text
    the right value stands can."""
    first = [hit for p, hit in zip(pairs, right, strict=True) if p.place == 0]
    last = [hit for p, hit in zip(pairs, right, strict=True) if p.place == p.passages - 1]
    return Row(
        share("right when the first passage tells it", first),
        "measured",
        True,
        (
            share("right when the last passage tells it", last),
            known("verdicts changed by swapping the answers, by construction", 0.0),
        ),
    )
