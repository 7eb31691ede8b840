"""Distillation (Hinton et al. 2015, arXiv:1503.02531): a student learns from a teacher's logits.

The text says which token came; the teacher says for every place how likely each token was. Both
ways read the same texts in the same batches: only the target of the loss is another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models.training import architectures
from labkit.models.training.recipes import Recipe, llama_shape
from labkit.models.training.tuning import (
    IGNORED,
    Example,
    Settings,
    answer_loss,
    collate,
    encode,
    losses_of,
)
from labkit.models.world import Document, World
from labkit.models.world.corpus import MAKERS

LossOf = Callable[[PreTrainedModel, dict[str, Tensor]], Tensor]  # of a batch as `collate` gives it
Distance = Callable[[Tensor, Tensor, float], Tensor]  # student, teacher, temperature → a loss
KINDS = ("idea", "story")  # many tokens are possible at most places: a teacher has much to tell
SHAPE = llama_shape(64, 128, layers=2, heads=2)
STEPS, RATE = 120, 3e-3
MOST_KEPT = 400  # texts whose logits a teacher keeps: 0.8 MB each


def texts(n: int, split: str) -> list[Document]:
    """`n` shop ideas and stories in turn; another `split` draws others."""
    if n < 1:
        raise ValueError(f"{n} texts were asked for; at least 1 is needed")
    rng, world = random.Random(f"texts to distil on, {split}"), World()
    return [MAKERS[KINDS[i % len(KINDS)]](world, rng) for i in range(n)]


def fresh_student(tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """An untrained Llama of 0.26 M parameters, most of them in its table of tokens; the global
    random state is put back."""
    recipe = Recipe("student", "", SHAPE, steps=STEPS, starts_from="base")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return architectures.build(recipe, tokenizer)


class Teacher:
    """A model that gives its logits wherever a batch has a label; it reads each text once."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self._kept: dict[tuple[int, ...], Tensor] = {}

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """(labels, vocabulary), row after row: those that foretell a token that has a label."""
        learned = batch["labels"][:, 1:] != IGNORED
        lengths = batch["attention_mask"].sum(1).tolist()
        rows = [
            self._of(tuple(ids[:length].tolist()))[mask[: length - 1]]
            for ids, mask, length in zip(batch["input_ids"], learned, lengths, strict=True)
        ]
        return torch.cat(rows)

    @torch.no_grad()
    def _of(self, ids: tuple[int, ...]) -> Tensor:
        """(tokens - 1, vocabulary) for one text."""
        if (found := self._kept.get(ids)) is not None:
            return found
        read = torch.tensor([ids], device=self.model.device)
        found = self.model(input_ids=read, use_cache=False).logits[0, :-1]
        if len(self._kept) < MOST_KEPT:
            self._kept[ids] = found
        return found


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """temperature² · KL(teacher || student) of both softened, (tokens, vocabulary) each; the mean
    over tokens, in nats."""
    soft = (student.float() / temperature).log_softmax(-1)
    aim = (teacher.float() / temperature).softmax(-1)
    return temperature**2 * F.kl_div(soft, aim, reduction="batchmean")


def taught_by(teacher: Teacher, temperature: float = 1.0, distance: Distance = soft_loss) -> LossOf:
    """A loss for `train`: how far the student is from its teacher at all places with a label;
    the labels themselves don't count."""

    def loss(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
        logits = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
        ).logits[:, :-1]
        learned = batch["labels"][:, 1:] != IGNORED
        return distance(logits[learned], teacher.logits(batch), temperature)

    return loss


def train_student(
    tokenizer: PreTrainedTokenizerBase,
    read: Sequence[Example],
    seed: int,
    loss_of: LossOf = answer_loss,
    steps: int = STEPS,
) -> PreTrainedModel:
    """A fresh student after `steps` steps of 8 texts each."""
    settings = Settings(RATE, steps=steps, seed=seed)
    return train(fresh_student(tokenizer, seed), tokenizer, read, settings, loss_of)


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    read: Sequence[Example],
    settings: Settings,
    loss_of: LossOf = answer_loss,
) -> PreTrainedModel:
    """The model itself, trained as by `tuning.fine_tune` with another loss.

    Raises ValueError where there is nothing to read.
    """
    if not read:
        raise ValueError("There is nothing to learn from: the list of texts is empty.")
    encoded = [encode(example, tokenizer) for example in read]
    rows = _rows(len(encoded), settings)
    weights = list(model.train().requires_grad_(True).parameters())
    optimizer = torch.optim.AdamW(weights, weight_decay=0.0, betas=(0.9, 0.95))
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = settings.learning_rate_at(step)
        batch = collate([encoded[i] for i in next(rows)], tokenizer.pad_token_id)
        loss_of(model, {k: v.to(model.device) for k, v in batch.items()}).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return model.eval()


def batch_of(read: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> dict[str, Tensor]:
    """All of them in one batch, as `train` makes it."""
    return collate([encode(example, tokenizer) for example in read], tokenizer.pad_token_id)


def _rows(count: int, settings: Settings) -> Iterator[list[int]]:
    """Which texts a batch has: each once in a round, in a new order; the same for the same seed."""
    rng, waiting = random.Random(f"rows {settings.seed}"), list[int]()
    while True:
        while len(waiting) < settings.rows:
            waiting += rng.sample(range(count), count)
        chosen, waiting = waiting[: settings.rows], waiting[settings.rows :]
        yield chosen


def held_out_losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, unseen: Sequence[Document]
) -> list[float]:
    """The mean loss of each text, in nats a token: how well the model foretells what people
    wrote, not what a teacher says."""
    return [nats / tokens for nats, tokens in losses_of(model, tokenizer, unseen)]
