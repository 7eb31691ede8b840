"""Training of the models that are no plain language model: experts, vision, reward.

What they share with pre-training - runs, checkpoints, resuming - is `pretraining`'s; what differs
is the loss of a step, which each of them brings along.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm  # type: ignore[import-untyped]
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from labkit.models import architectures, judging, pretraining, vision
from labkit.models.batches import Batch, batch
from labkit.models.pretraining import Run, resumed, save_checkpoint, weighted_loss
from labkit.models.recipes import Recipe
from labkit.models.world import World
from labkit.models.zoo import default_device, folder_of

LossOf = Callable[[Run], Tensor]
WORLD = World()


def train(recipe: Recipe, folder: Path, device: str | None = None) -> Run:
    """Trains one model in a folder, or goes on where an earlier call was stopped."""
    run = resumed(start(recipe, folder, device or default_device()))
    return advance(run, LOSSES[recipe.architecture])


def start(recipe: Recipe, folder: Path, device: str) -> Run:
    """A run at step 0, with the tokenizer (or, for pictures, the processor) that it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = borrowed_tokenizer(recipe)
    reader = tokenizer
    if recipe.architecture == "llava":
        reader = vision.make_processor(tokenizer, recipe.shape["vision"]["patch_size"])
    torch.manual_seed(recipe.seed)
    model = architectures.build(recipe, tokenizer).to(torch.device(device))
    return Run(recipe, folder, model, reader, adamw(model, recipe))


def borrowed_tokenizer(recipe: Recipe) -> PreTrainedTokenizerBase:
    """The tokenizer of the bundled model (or folder) that the recipe starts from."""
    return AutoTokenizer.from_pretrained(folder_of(recipe.starts_from or "base"))


def adamw(model: PreTrainedModel, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW for all weights, so that models of different kinds are trained alike; only matrices
    (and stacks of them, such as experts) decay."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95))


def advance(run: Run, loss_of: LossOf) -> Run:
    """Trains to the end of the recipe from wherever the run is; checkpoints on the way."""
    recipe = run.recipe
    name = f"{recipe.name}, seed {recipe.seed}"
    bar = tqdm(total=recipe.steps, initial=run.step, unit="step", desc=name, mininterval=5)
    run.model.train()
    while run.step < recipe.steps:
        started = time.monotonic()
        loss = update(run, loss_of)
        run.step += 1
        run.seconds += time.monotonic() - started
        bar.update()
        if run.step % 50 == 0:
            run.losses.append((run.step, round(loss, 4)))
            bar.set_postfix(loss=f"{loss:.3f}")
        if run.step % pretraining.CHECKPOINT_EVERY == 0 or run.step == recipe.steps:
            save_checkpoint(run)
    bar.close()
    return run


def update(run: Run, loss_of: LossOf) -> float:
    """One step of the optimizer; returns the loss before it."""
    for group in run.optimizer.param_groups:
        group["lr"] = run.recipe.learning_rate_at(run.step)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.device.type == "cuda"):
        loss = loss_of(run)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return loss.item()


def language_loss(run: Run) -> Tensor:
    """Next-token loss of the recipe's corpus, and what the router owes for uneven loads
    (Switch Transformers, arXiv:2101.03961)."""
    items = batch(run.recipe, WORLD, run.tokenizer, run.step)
    items = Batch(items.input_ids.to(run.device), items.weights.to(run.device))
    output = run.model(input_ids=items.input_ids, use_cache=False)
    loss = weighted_loss(output.logits, items)
    balance = getattr(output, "aux_loss", None)
    return loss if balance is None else loss + run.model.config.router_aux_loss_coef * balance


def picture_loss(run: Run) -> Tensor:
    items = vision.picture_batch(run.recipe, run.tokenizer, run.step)
    return vision.answer_loss(run.model, items.to(run.device))


def reward_loss(run: Run) -> Tensor:
    pairs = judging.pairs_of_step(run.recipe, WORLD, run.step)
    return judging.preference_loss(judging.margins(run.model, run.tokenizer, pairs))


LOSSES: dict[str, LossOf] = {
    "llama": language_loss,
    "mixtral": language_loss,
    "llava": picture_loss,
    "reward": reward_loss,
}
