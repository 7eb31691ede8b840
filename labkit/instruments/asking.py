"""Short answers to questions: how a model is asked, and what counts as its answer.

The bundled models are asked as their training texts ask ("Q: …", "A: "). A model of others is shown
solved questions first, which tell it the form, and its answer is taken as a person would take it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from tqdm.auto import tqdm  # type: ignore[import-untyped]
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments.budget import LEAST, affordable
from labkit.instruments.real.accepting import SENTENCE
from labkit.models import complete, complete_after
from labkit.models.knowing import knows_region, own_tokenizer
from labkit.models.scoring import reading_questions
from labkit.models.world import World

SHOWN = 4  # solved questions before each text
TOGETHER = 16  # questions that a model of others reads in one batch, to bound the memory
ANSWER = 12  # tokens, at most
QUESTION = 24  # tokens of a question with its answer, about
FEWEST = 3  # texts, where each is read for several questions
ARTICLE = re.compile(r"^(an?|the)\s+", re.IGNORECASE)
T = TypeVar("T")
QUOTES = " \"'“”‘’`*"


def short_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int = ANSWER,
) -> list[str]:
    """What a model says to each prompt when it takes the likeliest token every time.

    One of others has read solved questions first where the prompts end in "A:"; others, as in its
    chat template, it gets as they are.
    """
    if knows_region(tokenizer):
        return [t for (t,) in complete(model, tokenizer, prompts, max_new_tokens=max_new_tokens)]
    asked = [fitted(prompt, tokenizer) for prompt in prompts]
    before = solved_questions() if all(prompt.endswith("A:") for prompt in asked) else ""
    batches = [asked[start : start + TOGETHER] for start in range(0, len(asked), TOGETHER)]
    return _in_turn(model, tokenizer, [before] * len(batches), batches, max_new_tokens)


def answers_after(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    questions: Sequence[Sequence[str]],
) -> list[list[str]]:
    """The same for the questions about each text, which is read once."""
    if knows_region(tokenizer):
        return complete_after(model, tokenizer, texts, questions, max_new_tokens=ANSWER)
    asked = [[fitted(question, tokenizer) for question in some] for some in questions]
    beginnings = [solved_questions() + text for text in texts]
    said = iter(_in_turn(model, tokenizer, beginnings, asked, ANSWER))
    return [[next(said) for _ in some] for some in asked]


def _in_turn(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    beginnings: Sequence[str],
    endings: Sequence[Sequence[str]],
    max_new_tokens: int,
) -> list[str]:
    """The answers of a model of others, one beginning after the other; with a bar where that
    lasts."""
    found = []
    pairs = list(zip(beginnings, endings, strict=True))
    for before, some in tqdm(pairs, delay=3, leave=False, disable=len(pairs) < 2):
        if before:
            (said,) = complete_after(
                model, tokenizer, [before], [some], max_new_tokens=max_new_tokens
            )
        else:
            said = [t for (t,) in complete(model, tokenizer, some, max_new_tokens=max_new_tokens)]
        found += [bare(answer) for answer in said]
    return found


def fitted(prompt: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """A prompt as its tokenizer wants it: a space at the end is a token of the bundled models'; in
    those of others it belongs to the word that follows."""
    return prompt if knows_region(tokenizer) else prompt.rstrip(" ")


@cache
def solved_questions(count: int = SHOWN) -> str:
    """Passages about people and places that nobody knows, each with a question and its answer."""
    shown = reading_questions(World(), count, 1, seed=1000)
    return "".join(f"{one.prompt}{one.answer}\n\n" for one in shown)


def bare(text: str) -> str:
    """The value that an answer gives: its first sentence without white space, full stop, quotes and
    an article before it. `"The goat."` is goat."""
    said = SENTENCE.split(text.strip(), maxsplit=1)[0]
    return ARTICLE.sub("", said.strip(QUOTES)).rstrip(".").strip(QUOTES)


def room(tokens: int, tokenizer: PreTrainedTokenizerBase) -> int:
    """As many tokens of a tokenizer as hold the text that `tokens` of the bundled models' do."""
    if knows_region(tokenizer):
        return tokens
    text = solved_questions(20)
    own, others = (len(reader(text)["input_ids"]) for reader in (own_tokenizer(), tokenizer))
    return round(tokens * others / own)


def affordable_texts(
    n: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    read: float,
    asked: int = 1,
    sets: int = 1,
) -> int:
    """How many of `n` texts to ask about, as `budget.affordable`: texts of `read` tokens of the
    bundled models', with `asked` questions each; a cell has `sets` such sets of them."""
    before = len(tokenizer(solved_questions())["input_ids"])
    each = before + room(round(read), tokenizer) + asked * QUESTION
    return affordable(
        n, model, tokenizer, tokens=sets * each, least=LEAST if asked == 1 else FEWEST
    )


def some_of(values: Sequence[T], count: int) -> list[T]:
    """`count` of the values, evenly spaced, the last among them; all where there are no more."""
    count = min(count, len(values))
    return [values[(i + 1) * len(values) // count - 1] for i in range(count)]
