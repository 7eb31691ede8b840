"""Pictures: one question at a time, answered by generation, on test pictures - and on a grey one,
the control."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from labkit.estimates import share
from labkit.models.scoring.rows import Row, at_least
from labkit.models.scoring.subject import Subject
from labkit.models.vision import Pixels, answers
from labkit.models.world import pictures

WANTED = {"colour": 0.98, "shape": 0.95, "count": 0.9, "count of one shape": 0.9, "position": 0.95}


def vision(subject: Subject) -> list[Row]:
    """One row for each kind of question with a one-word answer; controls: the same questions on a
    grey picture, and those about combinations of shape and colour that training never showed.

    The subject's "tokenizer" is the processor.
    """
    return [_row(subject, kind) for kind in WANTED]


def _row(subject: Subject, kind: str) -> Row:
    asked = list(itertools.islice(pictures.items("test", kind), subject.n))
    hits = _hits(subject, asked, [shown.pixels for shown, _ in asked])
    blanked = _hits(subject, asked, [pictures.blank()] * len(asked))
    new = [
        hit
        for hit, (_, question) in zip(hits, asked, strict=True)
        if any(pictures.is_new(thing) for thing in question.things)
    ]
    return at_least(
        WANTED[kind],
        share(f"{kind}, by generation", hits),
        share("picture blanked", blanked),
        *([share("with a combination of shape and colour never trained", new)] if new else []),
    )


def _hits(
    subject: Subject,
    asked: Sequence[tuple[pictures.Picture, pictures.Asked]],
    shown: Sequence[Pixels],
) -> list[bool]:
    questions = [question.question for _, question in asked]
    texts = answers(subject.model, subject.tokenizer, shown, questions)
    return [text == question.answer for text, (_, question) in zip(texts, asked, strict=True)]
