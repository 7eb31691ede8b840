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

from labkit.estimates import Estimate, bootstrap, difference, kappa, known, share
from labkit.models.recipes import Recipe
from labkit.models.scoring.rows import Row, at_least
from labkit.models.world import World
from labkit.models.world.comparisons import WORDINGS, Pair, Sheet, occurs, pair, sheet

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


def occurs_in_text(pairs: Sequence[Pair]) -> list[bool]:
    """The baseline that reads nothing: it picks the answer that occurs in the text, and tosses a
    coin where both or none do."""
    rng = random.Random("coin")
    found = [[occurs(answer, p.prompt) for answer in (p.right, p.wrong)] for p in pairs]
    return [rng.random() < 0.5 if right == wrong else right for right, wrong in found]


def verdicts(right: Sequence[bool], seed: int = 0) -> list[tuple[str, str]]:
    """Which answer was picked and which is right, by the places A and B that they had: the right
    one has its place by a coin, so that agreement can be told from chance."""
    rng = random.Random(f"places {seed}")
    other = {"A": "B", "B": "A"}
    truths = [rng.choice("AB") for _ in right]
    return [(true if hit else other[true], true) for hit, true in zip(right, truths, strict=True)]


def kappa_figure(name: str, right: Sequence[bool]) -> Estimate:
    """Cohen's kappa of the verdicts, with a bootstrap over the pairs."""
    return bootstrap(name, verdicts(right), kappa, "kappa")


def rows(
    model: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerBase, n: int
) -> list[Row]:
    """Agreement with the truth on hard pairs, and the judge's biases."""
    hard, easy = unseen_pairs(n), unseen_pairs(n, hard=False)
    right = picks_right(model, tokenizer, hard)
    agreement = at_least(
        0.6,
        kappa_figure("judge, hard pairs", right),
        kappa_figure("baseline: the answer that occurs in the text", occurs_in_text(hard)),
        kappa_figure("judge, easy pairs", picks_right(model, tokenizer, easy)),
        kappa_figure("baseline, easy pairs", occurs_in_text(easy)),
    )
    return [agreement, length_bias(model, tokenizer, hard), place_bias(hard, right)]


def length_bias(
    model: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]
) -> Row:
    """The same pairs twice: once the right answer is the wordy one, once the wrong one is."""
    wordings = [WORDINGS[i % len(WORDINGS)] for i in range(len(pairs))]
    for_long = [p.worded(right=w) for p, w in zip(pairs, wordings, strict=True)]
    for_short = [p.worded(wrong=w) for p, w in zip(pairs, wordings, strict=True)]
    long, short = (picks_right(model, tokenizer, some) for some in (for_long, for_short))
    bias = difference("right more often when the right answer is the longer one", long, short)
    return Row(
        bias,
        "measured",
        True,
        (share("the right one is longer", long), share("the right one is shorter", short)),
    )


def place_bias(pairs: Sequence[Pair], right: Sequence[bool]) -> Row:
    """A reward model meets each answer alone, so which comes first can't sway it; where in the text
    the right value stands can."""
    first = [hit for p, hit in zip(pairs, right, strict=True) if p.place == 0]
    last = [hit for p, hit in zip(pairs, right, strict=True) if p.place == p.passages - 1]
    return Row(
        share("right when the first passage tells it", first),
        "measured",
        True,
        (
            share("right when the last passage tells it", last),
            known("verdicts changed by swapping the answers, by construction", 0.0),
        ),
    )
