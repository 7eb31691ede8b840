"""Two trainings of seconds: what a router does without the balance loss, and what experts are good
for - remembering more at the same work for each token.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, MixtralConfig
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

from labkit.models import routing
from labkit.models.training import pretraining
from labkit.models.training.batches import Batch, batch
from labkit.models.training.losses import WORLD, weighted_loss
from labkit.models.training.recipes import find_recipe
from labkit.models.training.run import Run

BalanceLoss = Callable[..., Tensor]
LOOK_EVERY = 10

# One layer as wide as those of the bundled mixture: it trains in seconds.
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}


@dataclass(frozen=True)
class Watched:
    """Steps at which it was looked, how many experts were in use then (8 when even, 1 when one has
    all), and the shares of the choices that each expert had at the end."""

    steps: list[int]
    in_use: list[float]
    shares: list[float]

    @property
    def at_the_end(self) -> float:
        """The mean of the last four looks: a single one is noisy."""
        return fmean(self.in_use[-4:])

    def idle(self, below: float = 0.02) -> int:
        """How many experts have hardly a token."""
        return sum(share < below for share in self.shares)


def watch_router(
    balance: BalanceLoss | None, weight: float = 0.1, steps: int = 120, seed: int = 0
) -> Watched:
    """Trains a small mixture on the course's texts and looks at its router every ten steps.

    `balance` is a load-balancing loss as in lesson 15; None leaves it out. The same seed gives the
    same start and the same texts, with and without.
    """
    recipe = replace(
        find_recipe("moe"), shape=SMALL, steps=steps, rows=4, context=128, learning_rate=5e-3,
        warmup_steps=10, seed=seed,
    )  # fmt: skip
    with _draws_kept(), tempfile.TemporaryDirectory() as folder:
        run = pretraining.start(recipe, Path(folder), "cpu")
        unseen = batch(recipe, WORLD, run.tokenizer, 10**6)
        watched = Watched([0], [_in_use(run, unseen)], [])
        run.model.train()
        for run.step in range(steps):
            pretraining.train_step(run, lambda run: _loss(run, balance, weight))
            if (run.step + 1) % LOOK_EVERY == 0:
                watched.steps.append(run.step + 1)
                watched.in_use.append(_in_use(run, unseen))
        return replace(watched, shares=routing.shares(_counts(run, unseen)).tolist())


def _loss(run: Run, balance: BalanceLoss | None, weight: float) -> Tensor:
    items = batch(run.recipe, WORLD, run.tokenizer, run.step)
    output = run.model.model(
        items.input_ids,
        attention_mask=items.attention_mask,
        output_router_logits=True,
        use_cache=False,
    )
    loss = weighted_loss(run.model.lm_head(output.last_hidden_state), items)
    if balance is None:
        return loss
    real = (items.document > 0).long().flatten()
    owed = balance(list(output.router_logits), run.model.config.num_experts_per_tok, real)
    return loss + weight * owed


def _counts(run: Run, items: Batch) -> Tensor:
    chosen = routing.choices(run.model, items.input_ids, items.attention_mask)
    hot = F.one_hot(chosen, run.model.config.num_local_experts)
    return hot[:, items.document > 0].sum((1, 2)).double()


def _in_use(run: Run, items: Batch) -> float:
    return routing.experts_in_use(_counts(run, items))


@contextmanager
def _draws_kept() -> Iterator[None]:
    """torch's global generator as it was before."""
    with torch.random.fork_rng(devices=[]):
        yield


# ------------------------------------------------------------------------------------------------
# Remembering

NAMES, WIDTH, EXPERTS, CHOSEN, INNER = 64, 32, 8, 2, 8
KINDS = ("mixture", "twin, equal active", "twin, equal total")


class Memory(nn.Module):
    """What belongs to a pair of names? One block between two embeddings and a head; no attention.

    The answers are drawn at random, so there is no rule to find: what is right is remembered.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.first, self.second = nn.Embedding(NAMES, WIDTH), nn.Embedding(NAMES, WIDTH)
        self.norm = nn.RMSNorm(WIDTH)
        self.block = block
        self.head = nn.Linear(WIDTH, NAMES, bias=False)

    def forward(self, pairs: Tensor) -> Tensor:
        """Pairs (facts, 2) int64 → logits (facts, names)."""
        x = self.norm(self.first(pairs[:, 0]) + self.second(pairs[:, 1]))
        return self.head(x + self.block(x[None])[0])


def block_of(kind: str) -> nn.Module:
    """A mixture of 8 small experts, 2 for a token, or one of its dense twins: transformers' own."""
    if kind not in KINDS:
        raise LookupError(f"there is no {kind!r}: {', '.join(KINDS)} are there")
    if kind == KINDS[0]:
        config = MixtralConfig(
            hidden_size=WIDTH, intermediate_size=INNER, num_local_experts=EXPERTS,
            num_experts_per_tok=CHOSEN, experts_implementation="grouped_mm",
        )  # fmt: skip
        block: nn.Module = MixtralSparseMoeBlock(config)
    else:
        inner = INNER * (CHOSEN if kind == KINDS[1] else EXPERTS)
        block = LlamaMLP(LlamaConfig(hidden_size=WIDTH, intermediate_size=inner))
    for weight in block.parameters():
        nn.init.normal_(weight, std=1 / math.sqrt(WIDTH))
    return block


def random_facts(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Pairs of names, all different, and what belongs to each: (count, 2) and (count,) int64.

    Raises ValueError for more facts than there are pairs.
    """
    if not 1 <= count <= NAMES**2:
        raise ValueError(f"{count} facts: there are {NAMES**2} pairs, give 1 to {NAMES**2}")
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randperm(NAMES**2, generator=generator)[:count]
    answers = torch.randint(NAMES, (count,), generator=generator)
    return torch.stack([keys // NAMES, keys % NAMES], dim=1), answers


def remembered(
    kind: str, count: int, balance: BalanceLoss | None = None, steps: int = 300, seed: int = 0
) -> list[bool]:
    """Which of `count` random facts a block has right after so many steps over all of them."""
    pairs, answers = random_facts(count, seed)
    with _draws_kept():
        torch.manual_seed(seed)
        model = Memory(block_of(kind))
    routed: list[Tensor] = []
    if isinstance(model.block, MixtralSparseMoeBlock):
        model.block.gate.register_forward_hook(lambda _m, _i, said: routed.append(said[0]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(steps):
        loss = F.cross_entropy(model(pairs), answers)
        if routed and balance is not None:
            loss = loss + 0.01 * balance(routed[-1:], CHOSEN)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        routed.clear()
    with torch.inference_mode():
        return (model(pairs).argmax(-1) == answers).tolist()


def weights_of(kinds: Sequence[str] = KINDS) -> dict[str, tuple[int, int]]:
    """For each kind of block: (weights in all, weights that a fact goes through)."""
    found = {}
    for kind in kinds:
        with _draws_kept():
            sizes = {name: p.numel() for name, p in block_of(kind).named_parameters()}
        idle = sum(n for name, n in sizes.items() if "experts." in name)
        idle = idle * (EXPERTS - CHOSEN) // EXPERTS
        found[kind] = (sum(sizes.values()), sum(sizes.values()) - idle)
    return found
