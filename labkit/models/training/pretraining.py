"""Pre-training of the bundled models, on CPU or GPU, in one process, resumable at any moment.

`pretrain(find_recipe("base"), Path("runs/base"))` leaves a finished model in that folder;
`checkpoints.py` keeps what a stopped run needs to go on.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from tqdm.auto import tqdm  # type: ignore[import-untyped]
from transformers import (
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from labkit.models import vision
from labkit.models.training import architectures
from labkit.models.training.batches import texts_for_tokenizer
from labkit.models.training.checkpoints import resumed, save_checkpoint
from labkit.models.training.losses import LOSSES, WORLD, LossOf
from labkit.models.training.mimetic import mimetic_
from labkit.models.training.muon import Muon
from labkit.models.training.recipes import Recipe
from labkit.models.training.run import Run
from labkit.models.training.tokenizer import train_tokenizer
from labkit.models.zoo import default_device, folder_of

CHECKPOINT_EVERY = 200
MATRIX_RATE = 3.0  # Muon's learning rate, as a multiple of AdamW's


def pretrain(recipe: Recipe, folder: Path, device: str | None = None) -> Run:
    """Trains a recipe's model in a folder, or goes on where an earlier call was stopped."""
    return advance(resumed(start(recipe, folder, device or default_device())))


def start(recipe: Recipe, folder: Path, device: str) -> Run:
    """A run at step 0: the tokenizer (or, for pictures, the processor) trained or borrowed, the
    weights drawn from the recipe's seed."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_of(recipe, folder / "tokenizer")
    reader = reader_of(recipe, tokenizer)
    model = fresh_model(recipe, tokenizer, device)
    return Run(recipe, folder, model, reader, optimizers_of(model, recipe))


def fresh_model(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, device: str) -> PreTrainedModel:
    """The model of a recipe before its first step, drawn from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    model = architectures.build(recipe, tokenizer)
    if recipe.mimetic:
        mimetic_(model)
    return model.to(torch.device(device))


def tokenizer_of(recipe: Recipe, folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of the bundled model (or folder) that the recipe starts from, or else its own:
    trained at the first call and kept in a folder beside the checkpoints."""
    if recipe.starts_from:
        return AutoTokenizer.from_pretrained(folder_of(recipe.starts_from))
    if not (folder / "tokenizer.json").exists():
        texts = texts_for_tokenizer(recipe, WORLD)
        train_tokenizer(texts, recipe.vocab_size).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def reader_of(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer, or a processor around it, which gives it the tokens for pictures."""
    if recipe.architecture != "llava":
        return tokenizer
    return vision.make_processor(tokenizer, recipe.shape["vision"]["patch_size"])


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


def advance(run: Run) -> Run:
    """Trains to the end of the recipe from wherever the run is; checkpoints on the way."""
    recipe, loss_of = run.recipe, LOSSES[run.recipe.architecture]
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
