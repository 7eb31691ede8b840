"""The mixture of experts beside its dense twins: trained alike over several seeds, and compared.

One twin has as many parameters as the mixture uses for a token, the other as many as it has at all.
For a seed, all of them meet the same batches in the same order. A mixture without the balance loss
shows what that loss is for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from transformers import MixtralConfig, PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, bootstrap, known, mean_of_few
from labkit.models import routing
from labkit.models.domains import domain_losses, texts_by_domain
from labkit.models.scoring.rows import Row, at_most
from labkit.models.training import architectures
from labkit.models.training.pretraining import pretrain
from labkit.models.training.recipes import Recipe, find_recipe
from labkit.models.training.run import Run

SEEDS = (0, 1, 2)
MOE, ACTIVE, TOTAL = COMPARED = ("moe", "moe_twin_active", "moe_twin_total")
UNBALANCED = "moe_unbalanced"
FAMILY = (*COMPARED, UNBALANCED)
Runs = dict[str, list[Run]]


def train_family(
    runs: Path = Path("runs"),
    device: str | None = None,
    recipes: dict[str, Recipe] | None = None,
    seeds: Iterable[int] = SEEDS,
) -> Runs:
    """All models of the comparison, each in `runs/NAME/seed-N`; what is done already is kept."""
    found: Runs = {}
    for seed in seeds:
        for name in COMPARED if seed else FAMILY:
            recipe = replace((recipes or {}).get(name) or find_recipe(name), seed=seed)
            run = pretrain(recipe, folder_of_seed(runs, name, seed), device)
            run.model.eval()
            found.setdefault(name, []).append(run)
    return found


def folder_of_seed(runs: Path, name: str, seed: int) -> Path:
    return runs / name / f"seed-{seed}"


def active_parameters(model: PreTrainedModel) -> int:
    """Parameters that take part in the prediction of one token."""
    config = model.config
    whole = sum(p.numel() for p in model.parameters())
    if not isinstance(config, MixtralConfig):
        return whole
    in_experts = sum(p.numel() for name, p in model.named_parameters() if ".experts." in name)
    idle = 1 - config.num_experts_per_tok / config.num_local_experts
    return whole - round(in_experts * idle)


def comparison(family: Runs, rows: int = 32) -> tuple[list[Row], dict[str, Any]]:
    """The rows of the card, and everything measured behind them."""
    recipe, tokenizer = family[MOE][0].recipe, family[MOE][0].tokenizer
    texts = texts_by_domain(recipe, tokenizer, rows)
    losses = {
        name: [domain_losses(run.model, texts) for run in seeds] for name, seeds in family.items()
    }
    tables = {name: routing.counts(family[name][0].model, texts) for name in (MOE, UNBALANCED)}
    untrained = routing.counts(_untrained(recipe, tokenizer), texts)
    found = [_loss_row(losses), _domain_row(tables[MOE], untrained), _collapse_row(tables)]
    rows_of_measure = [replace(row, measure=MOE) for row in found]
    behind = {
        "parameters": {
            n: sum(p.numel() for p in r[0].model.parameters()) for n, r in family.items()
        },
        "active_parameters": {n: active_parameters(r[0].model) for n, r in family.items()},
        "training_seconds": {n: [round(r.seconds) for r in rs] for n, rs in family.items()},
        "held_out_tokens": {kind: int((items.weights > 0).sum()) for kind, items in texts.items()},
        "held_out_losses": losses,
        "expert_shares": {n: _shares_by_layer(table) for n, table in tables.items()},
        "experts_by_domain": _by_domain(tables[MOE], list(texts)),
    }
    return rows_of_measure, behind


def _untrained(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    torch.manual_seed(recipe.seed)
    return architectures.build(recipe, tokenizer).eval()


def _loss_row(losses: dict[str, list[dict[str, float]]]) -> Row:
    """Held-out loss, averaged over domains: the mixture less its twins, seed by seed."""
    mean = {name: [fmean(kinds.values()) for kinds in seeds] for name, seeds in losses.items()}

    def less(other: str) -> list[float]:
        return [a - b for a, b in zip(mean[MOE], mean[other], strict=True)]

    return at_most(
        0.0,
        mean_of_few(
            "loss of the mixture less that of the twin with equal active parameters",
            less(ACTIVE),
            "nats",
        ),
        mean_of_few("less that of the twin with equal total parameters", less(TOTAL), "nats"),
        *(mean_of_few(f"loss of {name}", mean[name], "nats") for name in COMPARED),
    )


def _domain_row(table: Tensor, untrained: Tensor) -> Row:
    """What the choice of an expert tells about the domain, in the layer where it tells most."""
    layer = max(range(len(table)), key=lambda i: routing.mutual_information(table[i].sum(0)))
    measured = _information(
        f"bits that an expert of layer {layer} tells of the domain", table[layer]
    )
    layers = [routing.mutual_information(one.sum(0)) for one in untrained]
    return Row(
        measured,
        "more than untrained",
        measured.low > max(layers),
        (
            _information("before training, same layer", untrained[layer]),
            known("before training, the best layer", max(layers), "bits"),
            known("domains shuffled", _shuffled_information(table[layer]), "bits"),
            known("most that is possible", math.log2(min(table.shape[2:])), "bits"),
        ),
    )


def _information(name: str, table: Tensor) -> Estimate:
    """Mutual information with an interval over rows of text; counts (rows, domains, experts)."""
    return bootstrap(name, list(table), lambda rows: routing.mutual_information(_sum(rows)), "bits")


def _sum(tables: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(tables)).sum(0)


def _shuffled_information(table: Tensor) -> float:
    """The same when the texts' domains are dealt out anew: what chance alone gives."""
    texts = table.flatten(0, 1)
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0))
    return routing.mutual_information(texts[order].view(table.shape).sum(0))


def _collapse_row(tables: dict[str, Tensor]) -> Row:
    """How many experts are in use, with the balance loss and without it."""
    even, alone = (tables[name] for name in (MOE, UNBALANCED))

    def in_use(rows: Sequence[Tensor]) -> float:
        return fmean(routing.experts_in_use(layer) for layer in _sum(rows))

    def figure(name: str, table: Tensor) -> Estimate:
        return bootstrap(name, list(table.transpose(0, 1)), in_use, "experts")

    with_loss = figure("experts in use, balance loss on", even)
    without = figure("experts in use, balance loss off", alone)
    return Row(
        with_loss,
        "more than without",
        with_loss.low > without.high,
        (without, known("experts there are", float(even.shape[-1]), "experts")),
    )


def _shares_by_layer(table: Tensor) -> list[list[float]]:
    return [[round(float(x), 4) for x in routing.shares(layer)] for layer in table]


def _by_domain(table: Tensor, kinds: list[str]) -> list[dict[str, list[float]]]:
    """For each layer: each domain's shares of the experts."""
    return [
        {
            kind: [round(float(x), 4) for x in routing.shares(layer[:, place])]
            for place, kind in enumerate(kinds)
        }
        for layer in table
    ]
