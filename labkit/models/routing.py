"""What a mixture of experts does with its tokens: how evenly it spreads them over its experts, and
how much the choice of an expert tells about the domain of a text.

A router that sees tokens tells domains apart a little even before training, since domains differ in
their words; so the figure of a trained router is read against an untrained one of the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import MixtralForCausalLM

from labkit.models.training.batches import Batch


@torch.inference_mode()
def choices(
    model: MixtralForCausalLM, input_ids: Tensor, attention_mask: Tensor | None = None
) -> Tensor:
    """The experts that each token goes to, int64 (layers, rows, tokens, experts per token)."""
    output = model.model(
        input_ids, attention_mask=attention_mask, output_router_logits=True, use_cache=False
    )
    shape = (len(output.router_logits), *input_ids.shape, model.config.num_experts_per_tok)
    chosen = [logits.topk(shape[-1], dim=-1).indices for logits in output.router_logits]
    return torch.stack(chosen).view(shape)


def counts(model: MixtralForCausalLM, texts: Mapping[str, Batch]) -> Tensor:
    """How often each expert was chosen, float64 (layers, rows, domains, experts).

    `texts` has as many rows for every domain; padding is not counted.
    """
    experts = model.config.num_local_experts
    by_domain = []
    for domain in texts.values():
        items = domain.to(model.device)
        chosen = choices(model, items.input_ids, items.attention_mask)
        hot = torch.nn.functional.one_hot(chosen, experts) * (items.document > 0)[..., None, None]
        by_domain.append(hot.sum(dim=(2, 3)).double().cpu())
    return torch.stack(by_domain, dim=2)


def mutual_information(table: Tensor) -> float:
    """Bits that the column tells about the row of a table of counts (domains, experts)."""
    joint = table.double() / table.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    seen = joint > 0
    return float((joint[seen] * (joint[seen] / independent[seen]).log2()).sum())


def shares(table: Tensor) -> Tensor:
    """The share of the choices that each expert gets, (experts,), from counts (…, experts)."""
    total = table.reshape(-1, table.shape[-1]).sum(0)
    return total / total.sum()


def experts_in_use(table: Tensor) -> float:
    """The exponential of the entropy of the shares: 8 of 8 when even, 1 when one gets all."""
    p = shares(table)
    return float(torch.special.entr(p).sum().exp())
