"""Pre-training of the bundled models, on CPU or GPU, in one process, resumable at any moment.

`pretrain(find_recipe("base"))` leaves a finished model in `runs/base/`; `checkpoints.py` keeps what
a stopped run needs to go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm.auto import tqdm  # type: ignore[import-untyped]
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from labkit.models import architectures
from labkit.models.batches import Batch, batch, texts_for_tokenizer
from labkit.models.checkpoints import resumed, save_checkpoint
from labkit.models.mimetic import mimetic_
from labkit.models.muon import Muon
from labkit.models.recipes import Recipe
from labkit.models.tokenizer import train_tokenizer
from labkit.models.world import World
from labkit.models.zoo import default_device

CHECKPOINT_EVERY = 200
MATRIX_RATE = 3.0  # Muon's learning rate, as a multiple of AdamW's
WORLD = World()


LossOf = Callable[["Run"], torch.Tensor]


@dataclass
class Run:
    """A training run: the model, its optimizers, and how far it has come.

    `tokenizer` is a processor where the model also reads pictures.
    """

    recipe: Recipe
    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    optimizers: tuple[torch.optim.Optimizer, ...]
    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        return self.model.device


def pretrain(recipe: Recipe, runs: Path = Path("runs"), device: str | None = None) -> Run:
    """Trains a model from scratch, or goes on where an earlier call was stopped."""
    return advance(resumed(begin(recipe, runs / recipe.name, device or default_device())))


def begin(recipe: Recipe, folder: Path, device: str) -> Run:
    """A run at step 0: the tokenizer trained, the weights drawn from the recipe's seed."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_of(recipe, folder / "tokenizer")
    model = fresh_model(recipe, tokenizer, device)
    return Run(recipe, folder, model, tokenizer, optimizers_of(model, recipe))


def fresh_model(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, device: str) -> PreTrainedModel:
    """The model of a recipe before its first step, drawn from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    model = architectures.build(recipe, tokenizer)
    if recipe.mimetic:
        mimetic_(model)
    return model.to(torch.device(device))


def tokenizer_of(recipe: Recipe, folder: Path) -> PreTrainedTokenizerFast:
    """The recipe's tokenizer, trained at the first call and kept beside the checkpoints."""
    if not (folder / "tokenizer.json").exists():
        train_tokenizer(texts_for_tokenizer(recipe, World()), recipe.vocab_size).save_pretrained(
            folder
        )
    return PreTrainedTokenizerFast.from_pretrained(folder)


def optimizers_of(model: PreTrainedModel, recipe: Recipe) -> tuple[torch.optim.Optimizer, ...]:
    """AdamW for all weights, or (after a mimetic start, or where the recipe wants it) Muon for the
    matrices of the layers, which embeddings are not. Only matrices (and stacks of them, such as
    experts) decay."""
    muon = recipe.mimetic or recipe.muon
    tables = [m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    by_muon = [
        p
        for p in model.parameters()
        if muon and p.ndim == 2 and all(p is not table for table in tables)
    ]
    others = [p for p in model.parameters() if all(p is not other for other in by_muon)]
    decay = 0.0 if muon else recipe.weight_decay
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.95))
    return (adamw, Muon(by_muon, 1.0, recipe.weight_decay)) if by_muon else (adamw,)


def advance(run: Run, loss_of: LossOf | None = None) -> Run:
    """Trains to the end of the recipe from wherever the run is; checkpoints on the way."""
    recipe, loss_of = run.recipe, loss_of or language_loss
    name = f"{recipe.name}, seed {recipe.seed}"
    bar = tqdm(total=recipe.steps, initial=run.step, unit="step", desc=name, mininterval=5)
    run.model.train()
    while run.step < recipe.steps:
        started = time.monotonic()
        loss = train_step(run, loss_of)
        run.step += 1
        run.seconds += time.monotonic() - started
        bar.update()
        if run.step % 50 == 0:
            run.losses.append((run.step, round(loss, 4)))
            bar.set_postfix(loss=f"{loss:.3f}")
        if run.step % CHECKPOINT_EVERY == 0 or run.step == recipe.steps:
            save_checkpoint(run)
    bar.close()
    return run


def train_step(run: Run, loss_of: LossOf) -> float:
    """One update; returns the loss before it, in nats per token."""
    rate = run.recipe.learning_rate_at(run.step)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * (MATRIX_RATE if isinstance(optimizer, Muon) else 1.0)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.device.type == "cuda"):
        loss = loss_of(run)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.item()


def language_loss(run: Run) -> torch.Tensor:
    """Next-token loss of the recipe's corpus at the run's step, and what a router owes for uneven
    loads (Switch Transformers, arXiv:2101.03961)."""
    items = batch(run.recipe, WORLD, run.tokenizer, run.step).to(run.device)
    output = run.model(items.input_ids, attention_mask=items.attention_mask, use_cache=False)
    loss = weighted_loss(output.logits, items)
    balance = getattr(output, "aux_loss", None)
    return loss if balance is None else loss + run.model.config.router_aux_loss_coef * balance


def weighted_loss(logits: torch.Tensor, items: Batch) -> torch.Tensor:
    """Mean next-token loss in nats, weighted by token; logits (rows, context, vocab)."""
    losses = F.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), items.input_ids[:, 1:].flatten(), reduction="none"
    )
    weights = items.weights[:, 1:].flatten()
    return (losses * weights).sum() / weights.sum()
