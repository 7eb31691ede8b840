"""What the model writes, judged by something other than the model: a grammar and an interpreter."""

from __future__ import annotations

import random

from labkit.models.generation import complete
from labkit.models.scoring.subject import Subject
from labkit.models.world import ideas, programs


def idea_prompts(n: int) -> list[str]:
    return [ideas.IDEA_PROMPT] * n


def program_tasks(n: int, seed: int = 0) -> list[programs.Task]:
    """`n` programming tasks of combinations that no training text contains."""
    rng = random.Random(f"tasks {seed}")
    return [programs.task(rng, "test") for _ in range(n)]


def ideas_well_formed(subject: Subject, n: int) -> list[bool]:
    """Sampled at temperature 1, so that the sentences differ; judged by the grammar."""
    texts = complete(
        subject.model, subject.tokenizer, idea_prompts(n), temperature=1.0, max_new_tokens=40
    )
    return [ideas.parse_idea(text) is not None for (text,) in texts]


def programs_right(subject: Subject, n: int) -> list[bool]:
    """Greedy; judged by what the program computes."""
    tasks = program_tasks(n)
    texts = subject.answers([task.question().prompt for task in tasks], max_new_tokens=48)
    return [programs.is_right(text, task) for text, task in zip(texts, tasks, strict=True)]
