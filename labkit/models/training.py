"""Training of the models that start from another one: experts, judge, vision.

They borrow a tokenizer (the judge also its weights) instead of training one, and each brings the
loss of a step; runs, steps, checkpoints and resuming are `pretraining`'s.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from labkit.models import judging, vision
from labkit.models.batches import batch
from labkit.models.checkpoints import resumed
from labkit.models.pretraining import (
    WORLD,
    LossOf,
    Run,
    advance,
    fresh_model,
    language_loss,
    optimizers_of,
    weighted_loss,
)
from labkit.models.recipes import Recipe
from labkit.models.zoo import default_device, folder_of


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
    model = fresh_model(recipe, tokenizer, device)
    return Run(recipe, folder, model, reader, optimizers_of(model, recipe))


def borrowed_tokenizer(recipe: Recipe) -> PreTrainedTokenizerBase:
    """The tokenizer of the bundled model (or folder) that the recipe starts from."""
    return AutoTokenizer.from_pretrained(folder_of(recipe.starts_from or "base"))


def mixture_loss(run: Run) -> Tensor:
    """The language loss, and what a router owes for uneven loads (arXiv:2101.03961), layer by
    layer; padding loads nobody."""
    items = batch(run.recipe, WORLD, run.tokenizer, run.step).to(run.device)
    config, inner = run.model.config, run.model.model
    output = inner(
        items.input_ids,
        attention_mask=items.attention_mask,
        output_router_logits=True,
        use_cache=False,
    )
    loss = weighted_loss(run.model.lm_head(output.last_hidden_state), items)
    real = (items.document > 0).float()
    experts, chosen = config.num_local_experts, config.num_experts_per_tok
    balance = [
        load_balancing_loss_func((logits,), experts, chosen, real)
        for logits in output.router_logits
    ]
    return loss + config.router_aux_loss_coef * torch.stack(balance).mean()


def picture_loss(run: Run) -> Tensor:
    """The loss of the answers about the pictures of the run's step, and of the patches' names."""
    items = vision.picture_batch(run.recipe, run.tokenizer, run.step)
    return vision.picture_loss(run.model, items.to(run.device))


def reward_loss(run: Run) -> Tensor:
    """The loss of the preferences on the sheets of the run's step."""
    sheets = judging.sheets_of_step(run.recipe, WORLD, run.step)
    return judging.preference_loss(judging.sheet_margins(run.model, run.tokenizer, sheets))


LOSSES: dict[str, LossOf] = {
    "llama": language_loss,
    "mixtral": mixture_loss,
    "llava": picture_loss,
    "reward": reward_loss,
}
