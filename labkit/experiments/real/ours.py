"""Our models on the questions that a real one was asked, in the form that they were trained on."""

from __future__ import annotations

from dataclasses import replace

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, share
from labkit.experiments.real import formats, reading, sizes
from labkit.instruments import formats as tables
from labkit.instruments.context import haystacks
from labkit.instruments.real.capitals import capital_items
from labkit.instruments.sizes import hits_of
from labkit.models import complete, exact_match
from labkit.models.scoring.specialist import sums


def answered(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Estimate]:
    """Task → the share right; names and questions as in `sizes_figures.of_the_real_model`."""
    return {
        "capitals": capitals(model, tokenizer),
        "one passage": passages(model, tokenizer, 1),
        "one of eight passages": passages(model, tokenizer, 8),
        "one row of four": rows(model, tokenizer),
        "sums": added(model, tokenizer),
    }


def capitals(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Estimate:
    return share("capitals", hits_of(model, tokenizer, capital_items(tokenizer), 8))


def passages(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, count: int) -> Estimate:
    texts = [text for each in range(reading.SETS) for text in reading.stacks(count, each)]
    return haystacks.accuracy("passages", haystacks.ask(model, tokenizer, texts))


def rows(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Estimate:
    asked = [question for each in range(formats.SETS) for question in formats.questions(each)]
    found = tables.look_up(model, tokenizer, asked, formats.table, ["CSV"])["CSV"].right
    return replace(found, name="rows")


def added(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Estimate:
    asked = sums(sizes.SETS * sizes.ASKED, "test")
    texts = complete(model, tokenizer, [q.prompt for q in asked], max_new_tokens=6)
    return share("sums", [exact_match(t, q.answer) for (t,), q in zip(texts, asked, strict=True)])
