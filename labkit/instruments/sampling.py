"""What lesson 05 measures with: distributions over the next token, and what sampling does.

Probabilities come from transformers' own logits processors, in the order in which `generate`
applies them: temperature, top-k, top-p, min-p.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TemperatureLogitsWarper,
)

from labkit.estimates import Estimate, mean, mean_of_few
from labkit.models.generation import check_temperatures, filters

Grid = dict[float, list[list[str]]]  # temperature → prompt → samples (labkit.models.complete_grid)
Curve = dict[float, Estimate]  # temperature → a share of the items at it
TEMPERATURES = (0.0, 0.2, 0.5, 0.8, 1.0, 1.3, 1.6, 2.0)


@torch.inference_mode()
def next_token_logits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str
) -> Tensor:
    """Logits of the token after `prompt`, shape (vocab,), float32 on the CPU.

    Rows that pad the vocabulary to a round size are left out.
    """
    inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    logits = model(**inputs.to(model.device)).logits[0, -1]
    return logits[: len(tokenizer)].float().cpu()


def vocabulary(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Every token as text, by id."""
    return [str(tokenizer.decode([i])) for i in range(len(tokenizer))]


def next_token_probabilities(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Tensor:
    """Probabilities of the next token, shape (vocab,); temperature 0 is all on the argmax.

    Raises ValueError for a temperature below 0.
    """
    check_temperatures([temperature])
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(), logits.numel()).float()
    cuts = filters(top_k, top_p, min_p)
    processors = LogitsProcessorList([TemperatureLogitsWarper(float(temperature)), *cuts])
    no_ids = torch.LongTensor(1, 0)
    return processors(no_ids, logits[None].clone())[0].softmax(-1)


@torch.inference_mode()
def complete_penalised(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    repetition_penalty: float,
    max_new_tokens: int = 32,
) -> list[str]:
    """Greedy completions of one line by `generate`, with its repetition penalty (Keskar et al.
    2019, arXiv:1909.05858), which counts the tokens of the prompt as well; 1 is no penalty."""
    inputs = tokenizer(
        list(prompts), return_tensors="pt", padding=True, padding_side="left",
        return_token_type_ids=False,
    ).to(model.device)  # fmt: skip
    written = model.generate(
        **inputs, do_sample=False, max_new_tokens=max_new_tokens,
        repetition_penalty=repetition_penalty, pad_token_id=tokenizer.eos_token_id,
    )[:, inputs["input_ids"].shape[1] :]  # fmt: skip
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    return [text.split("\n")[0] for text in texts]


def entropy(probabilities: Tensor) -> float:
    """Shannon entropy of a distribution, shape (vocab,), in nats."""
    return float(torch.special.entr(probabilities.double()).sum())


def effective_vocabulary(probabilities: Tensor) -> float:
    """How many equally likely tokens would be as hard to guess: exp(entropy), in tokens."""
    return float(torch.tensor(entropy(probabilities)).exp())


@dataclass(frozen=True)
class NextToken:
    """A token as text, and its probability."""

    text: str
    probability: float


def likeliest(
    probabilities: Tensor, tokenizer: PreTrainedTokenizerBase, count: int = 8
) -> list[NextToken]:
    """The `count` likeliest tokens, best first."""
    best = probabilities.topk(count)
    return [
        NextToken(str(tokenizer.decode([int(i)])), float(p))
        for p, i in zip(best.values, best.indices, strict=True)
    ]


def share_right(grid: Grid, is_right: Callable[[int, str], bool]) -> Curve:
    """For each temperature the share of completions that `is_right(prompt index, text)`, with a
    bootstrap over the prompts."""
    return {
        temperature: mean(
            "right", [fmean(is_right(i, text) for text in texts) for i, texts in enumerate(rows)]
        )
        for temperature, rows in grid.items()
    }


def share_solved(grid: Grid, is_right: Callable[[int, str], bool], attempts: int) -> Curve:
    """pass@k at each temperature: the chance that one of `attempts` samples is right, estimated
    without bias from all the samples (Chen et al. 2021, arXiv:2107.03374, equation 1).

    Greedy decoding, with one sample, gives the same answer at every attempt.
    """
    found = {}
    for temperature, rows in grid.items():
        solved = []
        for i, texts in enumerate(rows):
            wrong = sum(not is_right(i, text) for text in texts)
            solved.append(1 - _all_wrong(len(texts), wrong, min(attempts, len(texts))))
        found[temperature] = mean(f"solved in {attempts}", solved)
    return found


def _all_wrong(n: int, wrong: int, attempts: int) -> float:
    """Chance that `attempts` of `n` samples, drawn without putting back, are all wrong."""
    chance = 1.0
    for i in range(attempts):
        chance *= max(0, wrong - i) / (n - i)
    return chance


def share_distinct(grid: Grid, batch: int = 50) -> Curve:
    """For each temperature, how many different texts there are in a batch, as a share of the batch.

    The mean of disjoint batches, with Student's 95 % interval: a bootstrap would draw texts twice
    and count fewer different ones. Raises ValueError where the texts make no batch.
    """
    found = {}
    for temperature, rows in grid.items():
        texts = [text for row in rows for text in row]
        if not 0 < batch <= len(texts):
            raise ValueError(
                f"{len(texts)} texts at temperature {temperature:g} make no batch of {batch}; give "
                f"a batch from 1 to {len(texts)}, or draw more samples"
            )
        batches = [texts[i : i + batch] for i in range(0, len(texts) - batch + 1, batch)]
        found[temperature] = mean_of_few("different", [len(set(b)) / batch for b in batches])
    return found
