"""Passages: does the model read at all, and does it take the value of the right entity?

Accuracy alone can't tell: a model that copies any value of the asked type is right wherever there
is one such value. So each figure stands beside what that guess would reach on the same questions.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean

from labkit.estimates import known, share
from labkit.models.generation import exact_match
from labkit.models.scoring.rows import Row, at_least, at_most
from labkit.models.scoring.subject import Subject
from labkit.models.world import World, passages
from labkit.models.world.document import Question
from labkit.models.world.passages import NOT_STATED, Reading

WANTED_WITH_RIVALS = {2: 0.85, 4: 0.80, 8: 0.65}  # passages: share right


def reading_questions(world: World, n: int, count: int, seed: int = 0) -> list[Reading]:
    """`n` questions with `count` passages about entities that no training text contains."""
    rng = random.Random(f"reading {seed}")
    return [passages.reading(world, rng, count, "test") for _ in range(n)]


def reading(subject: Subject) -> list[Row]:
    """One passage against none, rivals, a passage against memory, and the unanswerable."""
    return [
        *one_passage(subject),
        *(rivals(subject, count, bound) for count, bound in WANTED_WITH_RIVALS.items()),
        context_against_memory(subject),
        *unanswerable(subject),
    ]


def without_passage(questions: Sequence[Question]) -> list[Question]:
    """The same questions, and nothing to read."""
    return [Question("Q: " + q.prompt.rpartition("\nQ: ")[2], q.answer) for q in questions]


def one_passage(subject: Subject) -> list[Row]:
    questions = reading_questions(subject.world, subject.n, 1)
    given = share("unseen entity, with its passage", subject.right(questions))
    bare = share("unseen entity, without passage", subject.right(without_passage(questions)))
    return [at_least(0.95, given, bare), at_most(0.15, bare, given)]


def with_rivals(world: World, n: int, count: int) -> list[Reading]:
    """Questions in whose text another value of the asked type stands too."""
    rng = random.Random("rivals")
    found: list[Reading] = []
    while len(found) < n:
        drawn = passages.reading(world, rng, count, "test")
        found += [drawn] if set(drawn.candidates) - {drawn.answer} else []
    return found


def rivals(subject: Subject, count: int, bound: float) -> Row:
    """Only the name decides; the guess picks any value of the asked type in the text."""
    questions = with_rivals(subject.world, subject.n, count)
    texts = subject.answers([q.prompt for q in questions])
    right = [exact_match(t, q.answer) for t, q in zip(texts, questions, strict=True)]
    any_value = [t.strip() in q.candidates for t, q in zip(texts, questions, strict=True)]
    return at_least(
        bound,
        share(f"rivals, {count} passages", right),
        known("guess among values of that type", fmean(q.type_guess for q in questions)),
        share("any value of that type", any_value),
    )


def context_against_memory(subject: Subject) -> Row:
    """A passage contradicts a trained fact; closed book, the same facts are known."""
    rng = random.Random("conflict")
    questions = [passages.conflict(subject.world, rng) for _ in range(subject.n)]
    truth = {
        f"Q: {form.format(name=fact.entity.name)}\nA: ": fact.value
        for fact in subject.world.trained_facts
        for form in fact.relation.questions
    }
    bare = [Question(q.prompt, truth[q.prompt]) for q in without_passage(questions)]
    memory = [Question(q.prompt, b.answer) for q, b in zip(questions, bare, strict=True)]
    return at_least(
        0.95,
        share("follows the passage against memory", subject.right(questions)),
        share("answers from memory in spite of the passage", subject.right(memory)),
        share("knows the fact without the passage", subject.right(bare)),
    )


def unanswerable(subject: Subject, count: int = 2) -> list[Row]:
    """Says that it is not stated where it is not, and only there."""
    rng = random.Random("unanswerable")
    asked = [passages.unanswerable(subject.world, rng, count, "test") for _ in range(subject.n)]
    says_so = share(f"unanswerable, {count} passages: says so", subject.right(asked))
    answered = [
        Question(q.prompt, NOT_STATED) for q in reading_questions(subject.world, subject.n, count)
    ]
    alarms = share(f"answerable, {count} passages: says that it is not", subject.right(answered))
    return [at_least(0.8, says_so, alarms), at_most(0.1, alarms, says_so)]
