"""The judge: a reward model that starts from `base` and learns which of two answers is right.

It reads a text, a question and one answer, and gives one number. Training makes the number of the
right answer the larger one (Bradley and Terry 1952; as in InstructGPT, arXiv:2203.02155).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate, chain

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from labkit.models.training.recipes import Recipe
from labkit.models.world import World
from labkit.models.world.comparisons import Pair, Sheet, pair, sheet

WORDED, BARE_UNTIL = 0.5, 0.4  # share of answers in words; share of the steps without any


def sheets_of_step(recipe: Recipe, world: World, step: int) -> list[Sheet]:
    """The training sheets of one step, the same whenever they are asked for. Bare values come
    first: to compare two values is learned several times sooner than to find one in a sentence."""
    rng = random.Random(f"sheets {recipe.seed} {step}")
    worded = WORDED if step >= BARE_UNTIL * recipe.steps else 0.0
    return [sheet(world, rng, "train", worded) for _ in range(recipe.rows)]


def unseen_pairs(n: int, hard: bool = True) -> list[Pair]:
    """`n` pairs of bare answers about people whom no training text names."""
    rng = random.Random(f"test pairs {hard}")
    return [pair(World(), rng, "test", hard) for _ in range(n)]


def rewards(
    model: LlamaForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    answers: Sequence[str],
) -> Tensor:
    """One reward for each prompt with its answer, float32 (rows,); gradients flow."""
    texts = [prompt + answer + "\n" for prompt, answer in zip(prompts, answers, strict=True)]
    inputs = tokenizer(texts, return_tensors="pt", padding=True).to(model.device)
    logits = model(inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    return logits[:, 0].float()


def margins(
    model: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]
) -> Tensor:
    """By how much the right answer's reward is above the wrong one's, (pairs,)."""
    prompts = [p.prompt for p in pairs]
    answers = [p.right for p in pairs] + [p.wrong for p in pairs]
    right, wrong = rewards(model, tokenizer, prompts * 2, answers).chunk(2)
    return right - wrong


def sheet_margins(
    model: LlamaForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    sheets: Sequence[Sheet],
) -> Tensor:
    """As `margins`, of all questions of the sheets, (sheets, questions); gradients flow.

    A sheet is read twice, once with either answer to each question; the reward is taken at the end
    of every answer, from the hidden state that it would have if the text ended there.
    """
    filled = [sheet.filled_in(first) for first in (True, False) for sheet in sheets]
    ids, mask, ends = (t.to(model.device) for t in _read(tokenizer, filled))
    hidden = model.model(ids, attention_mask=mask, use_cache=False).last_hidden_state
    first, second = model.score(hidden)[..., 0].float().gather(1, ends).chunk(2)
    swapped = torch.tensor([sheet.swapped for sheet in sheets], device=model.device)
    return torch.where(swapped, second - first, first - second)


def _read(
    tokenizer: PreTrainedTokenizerBase, filled: Sequence[list[str]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids and mask (rows, tokens), and where the answers end (rows, questions)."""
    pieces = [tokenizer(row)["input_ids"] for row in filled]
    lengths = [[len(piece) for piece in row] for row in pieces]
    ends = [[total - 1 for total in accumulate(row)][2::2] for row in lengths]
    rows = [list(chain.from_iterable(row)) for row in pieces]
    width, pad = max(map(len, rows)), tokenizer.pad_token_id
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask, torch.tensor(ends)


def preference_loss(margin: Tensor) -> Tensor:
    """Bradley-Terry: minus the log-probability that the right answer wins, in nats."""
    return -F.logsigmoid(margin).mean()


@torch.inference_mode()
def picks_right(
    model: LlamaForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Pair],
    at_once: int = 32,
) -> list[bool]:
    """Whether the judge prefers the right answer, pair by pair."""
    found: list[bool] = []
    for first in range(0, len(pairs), at_once):
        found += (margins(model, tokenizer, pairs[first : first + at_once]) > 0).tolist()
    return found


@torch.inference_mode()
def likelihood_picks(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]
) -> list[bool]:
    """Whether a language model finds the right answer likelier: a judge without any training.

    It sums over an answer's tokens, so it favours short answers; give it bare values.
    """
    return [
        log_likelihood(model, tokenizer, p.prompt, p.right)
        > log_likelihood(model, tokenizer, p.prompt, p.wrong)
        for p in pairs
    ]


def log_likelihood(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str, answer: str
) -> float:
    """Log-probability in nats of an answer and the end of its line after a prompt."""
    given, said = tokenizer([prompt, answer + "\n"])["input_ids"]
    ids = torch.tensor([given + said], device=model.device)
    predicted = model(ids, use_cache=False).logits[0, len(given) - 1 : -1].float()
    wanted = torch.tensor(said, device=model.device)
    return -F.cross_entropy(predicted, wanted, reduction="sum").item()
