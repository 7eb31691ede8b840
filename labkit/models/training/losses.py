"""The loss of a training step, by architecture: text, experts, pictures, preferences."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from labkit.models import judging, vision
from labkit.models.training.batches import Batch, batch
from labkit.models.training.run import Run
from labkit.models.world import World

WORLD = World()
LossOf = Callable[[Run], Tensor]


def language_loss(run: Run) -> Tensor:
    """Next-token loss of the recipe's corpus at the run's step."""
    items = batch(run.recipe, WORLD, run.tokenizer, run.step).to(run.device)
    output = run.model(items.input_ids, attention_mask=items.attention_mask, use_cache=False)
    return weighted_loss(output.logits, items)


def weighted_loss(logits: Tensor, items: Batch) -> Tensor:
    """Mean next-token loss in nats, weighted by token; logits (rows, context, vocab)."""
    losses = F.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), items.input_ids[:, 1:].flatten(), reduction="none"
    )
    weights = items.weights[:, 1:].flatten()
    return (losses * weights).sum() / weights.sum()


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
