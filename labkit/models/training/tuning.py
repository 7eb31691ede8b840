"""Fine-tuning on examples: all weights or a LoRA adapter, with the loss on the answers only.

A small loop with everything in view, used by the scorecard and by the lessons on tuning: AdamW,
linear warm-up, linear decay. A model is never changed in place: what comes back is a tuned copy.
"""

from __future__ import annotations

import copy
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from torch import Tensor
from tqdm.auto import tqdm  # type: ignore[import-untyped]
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models.world.document import Document, Question

Example = Question | Document
IGNORED = -100  # the label that cross_entropy leaves out
T = TypeVar("T")
OnStep = Callable[[float], None]  # is told the loss of each step


@dataclass(frozen=True)
class Settings:
    """How to tune. `lora` None tunes all weights; `steps` are updates of `rows` examples each.

    `pull` draws the weights back to where they started (L2-SP, arXiv:1802.01483), decoupled from
    the gradient as AdamW's decay is: by the share learning rate x pull of the way in each step.
    """

    learning_rate: float
    steps: int = 400
    rows: int = 8
    warmup_share: float = 0.1
    weight_decay: float = 0.0
    lora: LoraConfig | None = None
    pull: float = 0.0
    seed: int = 0

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up to the rate, then linear decay to zero."""
        warmup = max(1, round(self.warmup_share * self.steps))
        rising = (step + 1) / warmup
        falling = (self.steps - step) / max(1, self.steps - warmup)
        return self.learning_rate * min(rising, falling, 1.0)


@dataclass
class Tuned:
    """A tuned copy of a model, and what the tuning cost."""

    model: PreTrainedModel
    settings: Settings
    losses: list[float] = field(repr=False)  # of every step, nats per answer token
    seconds: float
    trainable: int  # weights
    total: int  # weights, those of the adapter included

    @property
    def trainable_share(self) -> float:
        return self.trainable / self.total


def lora_config(rank: int = 4, alpha: float | None = None) -> LoraConfig:
    """LoRA (Hu et al. 2021, arXiv:2106.09685) on all linear layers; alpha is twice the rank."""
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def encode(
    example: Example, tokenizer: PreTrainedTokenizerBase, end: str = "\n"
) -> tuple[list[int], list[int]]:
    """Token ids and labels. Of a question only the answer and its `end` are learned; of a document
    every token is. Both are closed by the end-of-text token, as in pre-training."""
    if isinstance(example, Document):
        ids = tokenizer(example.text, return_attention_mask=False)["input_ids"]
        return [*ids, tokenizer.eos_token_id], [*ids, tokenizer.eos_token_id]
    prompt, answer = (
        tokenizer(text, return_attention_mask=False)["input_ids"]
        for text in (example.prompt, example.answer + end)
    )
    ids = [*prompt, *answer, tokenizer.eos_token_id]
    return ids, [IGNORED] * len(prompt) + ids[len(prompt) :]


def collate(rows: Sequence[tuple[list[int], list[int]]], pad: int) -> dict[str, Tensor]:
    """Rows of different lengths, filled up on the right: three int64 tensors (rows, tokens)."""
    width = max(len(ids) for ids, _ in rows)
    return {
        "input_ids": torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows]),
        "attention_mask": torch.tensor([[1] * len(i) + [0] * (width - len(i)) for i, _ in rows]),
        "labels": torch.tensor([lab + [IGNORED] * (width - len(lab)) for _, lab in rows]),
    }


def answer_loss(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
    """Mean next-token loss over the tokens that have a label, in nats.

    Logits are computed from the first label of the batch on: those of the prompts before it would
    be thrown away, and the head is a large part of a small model.
    """
    labels = batch["labels"]
    first = max(1, int((labels != IGNORED).any(0).int().argmax()))
    logits = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False,
        logits_to_keep=labels.shape[1] - first + 1,
    ).logits  # fmt: skip
    return F.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), labels[:, first:].flatten(), ignore_index=IGNORED
    )


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    settings: Settings,
    *,
    end: str = "\n",
    progress: bool = True,
    on_step: OnStep | None = None,
) -> Tuned:
    """A copy of `model`, tuned on `examples` (questions, documents, or both in any order).

    `on_step` is called after every step with its loss, in nats. The same seed gives the same
    batches; the global random state is used inside and put back.
    Raises ValueError when there are no examples, or one is longer than the model's context.
    """
    encoded = [encode(example, tokenizer, end) for example in examples]
    _refuse_what_does_not_fit(encoded, model.config.max_position_embeddings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        pupil = adapted(model, settings.lora)
        weights = [p for p in pupil.parameters() if p.requires_grad]
        started = time.perf_counter()
        source = batches(encoded, settings, tokenizer)
        losses = _train(pupil, weights, source, settings, progress, on_step)
    return Tuned(
        pupil.eval(), settings, losses, time.perf_counter() - started,
        sum(p.numel() for p in weights), sum(p.numel() for p in pupil.parameters()),
    )  # fmt: skip


def adapted(model: PreTrainedModel, lora: LoraConfig | None) -> PreTrainedModel:
    """A copy to train: all of its weights, or a fresh adapter that at first changes nothing."""
    pupil = copy.deepcopy(model).train()
    if lora is None:
        return pupil.requires_grad_(True)
    with quiet_peft():
        return get_peft_model(pupil, copy.deepcopy(lora))


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Without the warning that peft asks transformers in a way that will go."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        yield


def _train(
    model: PreTrainedModel,
    weights: list[torch.nn.Parameter],
    source: Iterator[dict[str, Tensor]],
    settings: Settings,
    progress: bool,
    on_step: OnStep | None = None,
) -> list[float]:
    optimizer = torch.optim.AdamW(weights, weight_decay=settings.weight_decay, betas=(0.9, 0.95))
    starts = [p.detach().clone() for p in weights] if settings.pull else []
    losses: list[float] = []
    bar = tqdm(range(settings.steps), desc="tuning", unit="step", disable=not progress)
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate_at(step)
        batch = {name: tensor.to(model.device) for name, tensor in next(source).items()}
        loss = answer_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _pull_back(weights, starts, settings.pull * settings.learning_rate_at(step))
        losses.append(loss.item())
        if on_step:
            on_step(losses[-1])
        bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    return losses


@torch.no_grad()
def _pull_back(weights: list[torch.nn.Parameter], starts: list[Tensor], share: float) -> None:
    """Moves the weights a share of the way back; without `starts` nothing."""
    for weight, start in zip(weights, starts, strict=False):
        weight.lerp_(start, min(1.0, share))


def batches(
    encoded: Sequence[tuple[list[int], list[int]]],
    settings: Settings,
    tokenizer: PreTrainedTokenizerBase,
) -> Iterator[dict[str, Tensor]]:
    """Endless batches: every example once in each round, in a new order."""
    rng = random.Random(f"batches {settings.seed}")
    waiting: list[int] = []
    while True:
        while len(waiting) < settings.rows:
            waiting += rng.sample(range(len(encoded)), len(encoded))
        chosen, waiting = waiting[: settings.rows], waiting[settings.rows :]
        yield collate([encoded[i] for i in chosen], tokenizer.pad_token_id)


def _refuse_what_does_not_fit(encoded: Sequence[tuple[list[int], list[int]]], context: int) -> None:
    if not encoded:
        raise ValueError("There is nothing to tune on: the list of examples is empty.")
    longest = max(len(ids) for ids, _ in encoded)
    if longest > context:
        raise ValueError(
            f"An example has {longest} tokens, and the model reads {context}. Shorten or split it."
        )


def with_replay(
    examples: Sequence[Example], rehearsed: Sequence[Example], share: float
) -> list[Example]:
    """The examples and as many of `rehearsed` as make up `share` of the whole (0 ≤ share < 1)."""
    if not 0 <= share < 1:
        raise ValueError(f"The share of replay lies in [0, 1), not at {share}.")
    count = round(share / (1 - share) * len(examples))
    if count > len(rehearsed):
        raise ValueError(f"{count} examples to rehearse are needed, and {len(rehearsed)} given.")
    return [*examples, *rehearsed[:count]]


def best_rate(
    rates: Sequence[float], tune: Callable[[float], T], score: Callable[[T], Any]
) -> tuple[float, T]:
    """The learning rate whose model scores best - on a validation split, not on the test items."""
    tuned = [(rate, tune(rate)) for rate in rates]
    return max(tuned, key=lambda pair: score(pair[1]))


@torch.inference_mode()
def losses_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    *,
    end: str = "\n",
    rows: int = 16,
) -> list[tuple[float, int]]:
    """Of each example the summed loss in nats, and over how many tokens: labels as in `encode`."""
    found: list[tuple[float, int]] = []
    encoded = [encode(example, tokenizer, end) for example in examples]
    for first in range(0, len(encoded), rows):
        batch = collate(encoded[first : first + rows], tokenizer.pad_token_id)
        batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
        labels = batch["labels"][:, 1:]
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[
            :, :-1
        ]
        losses = F.cross_entropy(
            logits.transpose(1, 2).float(), labels, ignore_index=IGNORED, reduction="none"
        )
        counts = (labels != IGNORED).sum(1)
        found += list(zip(losses.sum(1).tolist(), counts.tolist(), strict=True))
    return found
