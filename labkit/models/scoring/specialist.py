"""The specialist against the generalist: better in its one domain, lost everywhere else."""

from __future__ import annotations

import random

from labkit.estimates import difference, known, share
from labkit.models.scoring.facts import facts_right
from labkit.models.scoring.rows import Row
from labkit.models.scoring.subject import Subject
from labkit.models.scoring.writing import programs_right
from labkit.models.world import arithmetic
from labkit.models.world.document import Question
from labkit.models.world.lexicon import Split


def specialist(subject: Subject, generalist: Subject) -> list[Row]:
    """Sums and differences of numbers that no training text puts together; then facts and programs.

    The control inside the domain are trained sums, outside it each model's own share.
    """
    sizes = (subject.model.num_parameters(), generalist.model.num_parameters())
    size = known("specialist: parameters of the base's", sizes[0] / sizes[1])
    ours, theirs = (s.right(sums(s.n, "test")) for s in (subject, generalist))
    trained = share("specialist, trained sums", subject.right(sums(subject.n, "train")))
    inside = difference("specialist - base, held-out sums", ours, theirs)
    beside = (share("specialist", ours), share("base", theirs), trained, size)
    return [
        Row(inside, "above 0", inside.low > 0, beside),
        _elsewhere("facts", facts_right(subject), facts_right(generalist)),
        _elsewhere("programs", *(programs_right(s, s.n) for s in (subject, generalist))),
    ]


def sums(n: int, split: Split) -> list[Question]:
    """`n` different tasks of a split."""
    rng = random.Random(f"sums {split}")
    found: dict[str, Question] = {}
    while len(found) < n:
        question = arithmetic.question(rng, split)
        found[question.prompt] = question
    return list(found.values())


def _elsewhere(what: str, ours: list[bool], theirs: list[bool]) -> Row:
    lost = difference(f"specialist - base, {what}", ours, theirs)
    control = (share("specialist", ours), share("base", theirs))
    return Row(lost, "below 0", lost.high < 0, control)
