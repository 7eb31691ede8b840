"""Sets of prompts with a judge that is not the model: what a model may know, and as much of it as
its time allows.

Facts, programs and ideas are those of the world that the bundled models are trained on. A model of
others gets what is most like them: `model` and `tokenizer` say which one it is. `texts` is how many
answers a cell takes to each prompt; the bundled models get all items whatever it is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments.asking import fitted
from labkit.instruments.budget import affordable
from labkit.instruments.judged import Items
from labkit.instruments.real.capitals import capital_items, capitals
from labkit.models import exact_match
from labkit.models.knowing import knows_region
from labkit.models.scoring import fact_questions, idea_prompts, program_tasks, reading_questions
from labkit.models.world import World, ideas, programs

# Tokens that another model takes: what it writes of a fact, a program, an idea as a rule, most of
# which end early; and what it reads and writes for a question with its passage.
FACT, PROGRAM, IDEA, PASSAGE = 10, 30, 36, 100
SOLVED = 8  # programs that it is shown first
ENDS = re.compile(r"[^.!?]*\w[^.!?]*[.!?]")  # a first sentence


def fact_items(
    n: int,
    model: PreTrainedModel | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    asked: bool = True,
    texts: int = 1,
    seed: int = 0,
) -> Items:
    """Questions about the region, right when they match exactly.

    `asked` facts were asked about in the training texts; the others were only mentioned there. A
    model of others is asked for capitals, and gets the first words of the answer where `asked`.
    """
    if model is not None and tokenizer is not None and not knows_region(tokenizer):
        print("This model has not read of the region: it is asked for the capitals of countries.")
        most = min(n, len(capitals()))
        make = partial(capital_items, tokenizer, begun=asked, seed=seed)
        return make(_fitting(most, model, tokenizer, make(1).prompts[0], texts * FACT))
    world = World()
    facts = world.trained_facts if asked else world.prose_facts
    questions = fact_questions(facts, n, seed)
    return Items(
        [question.prompt for question in questions],
        lambda i, text: exact_match(text, questions[i].answer),
        tuple(question.answer for question in questions),
    )


def program_items(
    n: int,
    model: PreTrainedModel | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    texts: int = 1,
    seed: int = 0,
) -> Items:
    """One-line programs to write, of combinations that no training text holds; right when they
    compute the right numbers. A model of others is shown solved tasks first, and may use other
    words of Python for the same thing."""
    tasks, before = program_tasks(n, seed), ""
    read: Callable[[str], str] = str
    if model is not None and tokenizer is not None and not knows_region(tokenizer):
        before, read = solved_programs(), in_our_words
        longest = before + max((task.question().prompt for task in tasks), key=len)
        tasks = tasks[: _fitting(n, model, tokenizer, longest, texts * PROGRAM)]
    return Items(
        [before + task.question().prompt for task in tasks],
        lambda i, text: programs.is_right(read(text), tasks[i]),
    )


def solved_programs(count: int = SOLVED) -> str:
    """Tasks with their programs, of combinations that are never asked for."""
    rng = random.Random("solved programs")
    shown = [programs.task(rng, "train").question() for _ in range(count)]
    return "".join(f"{question.prompt}{question.answer}\n\n" for question in shown)


def in_our_words(program: str) -> str:
    """A program with `list(…)` and `x ** 2` as the interpreter of the world knows them."""
    listed = re.sub(r"^list\((.*)\)$", r"[\1]", program.strip())
    return re.sub(r"\bx ?\*\* ?2\b", "x * x", listed)


def idea_items(
    n: int,
    model: PreTrainedModel | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    texts: int = 1,
) -> Items:
    """The same open prompt `n` times; right when the grammar of shop ideas accepts the sentence.
    That of a model of others is right when its first sentence ends: the grammar knows only the
    words of our texts."""
    if model is not None and tokenizer is not None and not knows_region(tokenizer):
        prompt = fitted(ideas.IDEA_PROMPT, tokenizer)
        n = _fitting(n, model, tokenizer, prompt, texts * IDEA)
        return Items([prompt] * n, lambda i, text: bool(ENDS.match(text.strip())))
    return Items(idea_prompts(n), lambda i, text: ideas.parse_idea(text) is not None)


def _fitting(
    n: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    written: int,
) -> int:
    """How many of `n` such prompts a model of others has time for, with the tokens written."""
    return affordable(n, model, tokenizer, tokens=len(tokenizer(prompt)["input_ids"]) + written)


@dataclass(frozen=True)
class Stranger:
    """Somebody or something that no training text names: a passage, one question, its answer."""

    passage: str
    question: str
    answer: str


def strangers(
    n: int,
    model: PreTrainedModel | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    texts: int = 1,
    seed: int = 0,
) -> list[Stranger]:
    """`n` of them, each with a passage that answers the question; nobody has read of them, so that
    a model of others gets the same, as many as it has time for."""
    if model is not None and tokenizer is not None:
        n = affordable(n, model, tokenizer, tokens=texts * PASSAGE)
    found = []
    for reading in reading_questions(World(), n, 1, seed):
        passage, _, asked = reading.prompt.rpartition("\nQ: ")
        found.append(Stranger(passage, asked.removesuffix("\nA: "), reading.answer))
    return found
