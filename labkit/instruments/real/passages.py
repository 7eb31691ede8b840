"""Passages about people and towns that nobody knows, for a model of the real world to read.

A model that was trained on other texts does not know the form of our questions: it is shown solved
ones first. Which ones matters, so measure over several sets of them. They stand as plain text: in
its chat template SmolLM2 reads worse.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments.context.haystacks import Haystack, rival_haystacks
from labkit.instruments.real.accepting import says
from labkit.models import complete_after

SHOWN = 4  # solved questions before each text


def demonstrations(seed: int, count: int = SHOWN) -> str:
    """Solved questions, each with one passage; another `seed` gives others."""
    stacks = rival_haystacks(1, count, 1, seed=1000 + seed)
    return "".join(
        f"{stack.text}{stack.questions[0].strip()} {stack.answers[0]}\n\n" for stack in stacks
    )


def read(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    stacks: Sequence[Haystack],
    shown: str,
    *,
    with_text: bool = True,
) -> list[list[str]]:
    """The answers to the questions of each haystack, after the same demonstrations; without its
    passages where `with_text` is False."""
    texts = [shown + (stack.text if with_text else "") for stack in stacks]
    asked = [[question.strip() for question in stack.questions] for stack in stacks]
    return complete_after(model, tokenizer, texts, asked, max_new_tokens=10)


def names(text: str, answer: str, others: Sequence[str]) -> bool:
    """Whether a text names this value, or more than one of it ("turtles"), and none of the others
    before it."""
    return says(text, [answer, f"{answer}s"], {*others} - {answer})
