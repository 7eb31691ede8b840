"""Sets of prompts with a judge that is not the model: facts, programs and ideas of the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labkit.models import exact_match
from labkit.models.scoring import fact_questions, idea_prompts, program_tasks, reading_questions
from labkit.models.world import World, ideas, programs


@dataclass(frozen=True)
class Items:
    """Prompts, and whether a completion of the i-th is right: `is_right(i, text)`; `answers` are
    the right ones where each prompt has one."""

    prompts: list[str]
    is_right: Callable[[int, str], bool]
    answers: tuple[str, ...] = ()


def fact_items(n: int, *, asked: bool = True, seed: int = 0) -> Items:
    """Questions about the region, right when they match exactly.

    `asked` facts were asked about in the training texts; the others were only mentioned there.
    """
    world = World()
    facts = world.trained_facts if asked else world.prose_facts
    questions = fact_questions(facts, n, seed)
    return Items(
        [question.prompt for question in questions],
        lambda i, text: exact_match(text, questions[i].answer),
        tuple(question.answer for question in questions),
    )


def program_items(n: int, *, seed: int = 0) -> Items:
    """One-line programs to write, of combinations that no training text holds; right when they
    compute the right numbers."""
    tasks = program_tasks(n, seed)
    return Items(
        [task.question().prompt for task in tasks],
        lambda i, text: programs.is_right(text, tasks[i]),
    )


def idea_items(n: int) -> Items:
    """The same open prompt `n` times; right when the grammar of shop ideas accepts the sentence."""
    return Items(idea_prompts(n), lambda i, text: ideas.parse_idea(text) is not None)


@dataclass(frozen=True)
class Stranger:
    """Somebody or something that no training text names: a passage, one question, its answer."""

    passage: str
    question: str
    answer: str


def strangers(n: int, *, seed: int = 0) -> list[Stranger]:
    """`n` of them, each with a passage that answers the question."""
    found = []
    for reading in reading_questions(World(), n, 1, seed):
        passage, _, asked = reading.prompt.rpartition("\nQ: ")
        found.append(Stranger(passage, asked.removesuffix("\nA: "), reading.answer))
    return found
