"""Pre-training of the bundled models, on CPU or GPU, in one process, resumable at any moment.

`pretrain(find_recipe("base"))` leaves a finished model in `runs/base/`. Checkpoints are safetensors
and JSON; each is written beside its place and moved there, so a half-written one is never loaded.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm  # type: ignore[import-untyped]
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from labkit.models.batches import Batch, batch, texts_for_tokenizer
from labkit.models.recipes import Recipe
from labkit.models.tokenizer import train_tokenizer
from labkit.models.world import World
from labkit.models.zoo import default_device

CHECKPOINT_EVERY = 200


@dataclass
class Run:
    """A training run: the model, its optimizer, and how far it has come."""

    recipe: Recipe
    folder: Path
    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    optimizer: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        return self.model.device


def pretrain(recipe: Recipe, runs: Path = Path("runs"), device: str | None = None) -> Run:
    """Trains a model from scratch, or goes on where an earlier call was stopped."""
    run = resumed(begin(recipe, runs / recipe.name, device or default_device()))
    world = World()
    bar = tqdm(total=recipe.steps, initial=run.step, unit="step", desc=recipe.name, mininterval=5)
    while run.step < recipe.steps:
        started = time.monotonic()
        loss = train_step(run, batch(recipe, world, run.tokenizer, run.step))
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


def begin(recipe: Recipe, folder: Path, device: str) -> Run:
    """A run at step 0: the tokenizer trained, the weights drawn from the recipe's seed."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_of(recipe, folder / "tokenizer")
    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(model_config(recipe, tokenizer))
    model.to(torch.device(device))
    return Run(recipe, folder, model, tokenizer, optimizer_of(model, recipe))


def tokenizer_of(recipe: Recipe, folder: Path) -> PreTrainedTokenizerFast:
    """The recipe's tokenizer, trained at the first call and kept beside the checkpoints."""
    if not (folder / "tokenizer.json").exists():
        train_tokenizer(texts_for_tokenizer(recipe, World()), recipe.vocab_size).save_pretrained(
            folder
        )
    return PreTrainedTokenizerFast.from_pretrained(folder)


def model_config(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        **recipe.shape,
        vocab_size=recipe.vocab_size,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def optimizer_of(model: LlamaForCausalLM, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; only matrices decay."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.95),
    )


def weighted_loss(logits: torch.Tensor, items: Batch) -> torch.Tensor:
    """Mean next-token loss in nats, weighted by token; logits (rows, context, vocab)."""
    losses = F.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), items.input_ids[:, 1:].flatten(), reduction="none"
    )
    weights = items.weights[:, 1:].flatten()
    return (losses * weights).sum() / weights.sum()


def train_step(run: Run, items: Batch) -> float:
    """One update; returns the loss before it, in nats per token."""
    items = Batch(items.input_ids.to(run.device), items.weights.to(run.device))
    for group in run.optimizer.param_groups:
        group["lr"] = run.recipe.learning_rate_at(run.step)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.device.type == "cuda"):
        logits = run.model(input_ids=items.input_ids, use_cache=False).logits
    loss = weighted_loss(logits, items)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return loss.item()


def _state_tensors(run: Run) -> dict[str, torch.Tensor]:
    """Everything a run has to remember, as named tensors."""
    tensors = {f"model.{name}": p.detach() for name, p in run.model.named_parameters()}
    for name, p in run.model.named_parameters():
        for key, value in run.optimizer.state.get(p, {}).items():
            tensors[f"optimizer.{name}.{key}"] = value.detach()
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def save_checkpoint(run: Run) -> None:
    """Writes `checkpoint/` whole, or leaves the one before it."""
    fresh, place = run.folder / "checkpoint.part", run.folder / "checkpoint"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file(_state_tensors(run), fresh / "state.safetensors")
    progress = {
        "step": run.step,
        "seconds": run.seconds,
        "losses": run.losses,
        "machine": machine(),
    }
    (fresh / "progress.json").write_text(json.dumps(progress))
    old = run.folder / "checkpoint.old"
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def resumed(run: Run) -> Run:
    """The run at its last whole checkpoint, if it has one."""
    place = next(
        (p for p in (run.folder / "checkpoint", run.folder / "checkpoint.old") if p.exists()), None
    )
    if place is None:
        return run
    tensors = load_file(place / "state.safetensors", device=str(run.device))
    progress = json.loads((place / "progress.json").read_text())
    with torch.no_grad():
        for name, p in run.model.named_parameters():
            p.copy_(tensors[f"model.{name}"])
            prefix = f"optimizer.{name}."
            state = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
            run.optimizer.state[p] = {k: v.cpu() if k == "step" else v for k, v in state.items()}
    run.step, run.seconds = progress["step"], progress["seconds"]
    run.losses = [(step, loss) for step, loss in progress["losses"]]
    return run


def machine() -> str:
    """The machine in words, for the model card."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} of {os.cpu_count()} CPU cores ({platform.machine()})"
