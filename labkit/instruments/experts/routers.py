"""What a mixture's experts do with a text: who takes which token, how many are busy at once, what
falls off where an expert is full, and what all of it costs in bytes and milliseconds.

Routers are those of transformers' Mixtral: `layer.mlp.gate` chooses, `layer.mlp.experts` work.
"""

from __future__ import annotations

import html
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import MixtralForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments.tokens import TINTS, Token, reader_of, spaces_shown
from labkit.models import domains, routing
from labkit.models.moe_family import active_parameters
from labkit.models.training.batches import Batch
from labkit.models.training.pretraining import fresh_model
from labkit.models.training.recipes import find_recipe

LONGEST = 400  # characters of a text: it is read once for every k


@dataclass(frozen=True)
class Way:
    """A text read with `k` experts per token: its loss in nats per token, and for each layer the
    router's probabilities, (tokens, experts), which sum to 1 over the experts."""

    k: int
    loss: float
    layers: tuple[Tensor, ...]

    def chosen(self, layer: int) -> Tensor:
        """The experts that each token goes to, (tokens, k), most probable first."""
        return self.layers[layer].topk(self.k, dim=-1).indices


@dataclass(frozen=True)
class Routes:
    """The tokens of a text, and how they are routed with 1, 2, … experts per token."""

    tokens: tuple[Token, ...]
    ways: tuple[Way, ...]

    @property
    def texts(self) -> list[str]:
        return [token.text for token in self.tokens]


class Router:
    """Reads texts with a mixture: `router(text)` gives the `Routes` for every k that there is.

    Raises TypeError for a model that is no Mixtral.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model = checked_mixture(model)
        self.reader = reader_of(tokenizer)
        self.experts = int(model.config.num_local_experts)
        self.trained_with = int(model.config.num_experts_per_tok)

    def __call__(self, text: Any) -> Routes:
        """Raises ValueError for what is no text, is empty, or is longer than `LONGEST`."""
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
            raise ValueError(f"give a text of 1 to {LONGEST} characters")
        tokens = tuple(self.reader.tokens(text))
        ids = torch.tensor([[token.id for token in tokens]], device=self.model.device)
        return Routes(tokens, tuple(self._way(ids, k) for k in range(1, self.experts + 1)))

    @torch.inference_mode()
    def _way(self, ids: Tensor, k: int) -> Way:
        with experts_per_token(self.model, k):
            output = self.model.model(ids, output_router_logits=True, use_cache=False)
        logits = self.model.lm_head(output.last_hidden_state)[0, :-1].float()
        loss = float(F.cross_entropy(logits, ids[0, 1:])) if len(logits) else 0.0
        layers = tuple(one.float().softmax(-1).cpu() for one in output.router_logits)
        return Way(k, loss, layers)

    def chips(self, text: str, layer: int) -> RoutedChips:
        """The tokens of a text, coloured by the expert that counts most for them in a layer."""
        routes = self(text)
        chosen = routes.ways[self.trained_with - 1].chosen(layer)
        return RoutedChips(layer, routes.tokens, tuple(map(tuple, chosen.tolist())))


@dataclass(frozen=True)
class RoutedChips:
    """Tokens as coloured chips, each with the number and tint of its first expert in a layer."""

    layer: int
    tokens: Sequence[Token]
    chosen: Sequence[tuple[int, ...]]

    def __repr__(self) -> str:
        pairs = zip(self.tokens, self.chosen, strict=True)
        shown = " ".join(f"{spaces_shown(token.text)}→{some[0]}" for token, some in pairs)
        return f"layer {self.layer}: {shown}"

    def _repr_html_(self) -> str:
        chips = "".join(
            f'<span title="experts {", ".join(map(str, some))}" '
            f'style="background:{TINTS[some[0] % len(TINTS)]};color:#1f2328;border-radius:3px;'
            f'padding:0 2px;margin:1px;display:inline-block;white-space:pre">'
            f"{html.escape(spaces_shown(token.text))}<sub>{some[0]}</sub></span>"
            for token, some in zip(self.tokens, self.chosen, strict=True)
        )
        return (
            f"<div><strong>layer {self.layer}, with the number of the expert that counts most"
            f'</strong><br><code style="background:none;line-height:1.9">{chips}</code></div>'
        )


def checked_mixture(model: PreTrainedModel) -> MixtralForCausalLM:
    if not isinstance(model, MixtralForCausalLM):
        raise TypeError(
            f"{type(model).__name__} was given, which has no experts: load a mixture, as in "
            f"load_model('moe')"
        )
    return model


@contextmanager
def experts_per_token(model: MixtralForCausalLM, k: int) -> Iterator[None]:
    """The model sends each token to k experts, whatever it was trained with; then as before.

    Raises ValueError for k below 1 or above the number of experts.
    """
    experts = model.config.num_local_experts
    if not 1 <= k <= experts:
        raise ValueError(f"k is {k}: give 1 to {experts}, the number of experts")
    gates = [layer.mlp.gate for layer in model.model.layers]
    before = [gate.top_k for gate in gates]
    try:
        for gate in gates:
            gate.top_k = k
        yield
    finally:
        for gate, top_k in zip(gates, before, strict=True):
            gate.top_k = top_k


@torch.no_grad()
def inside(model: MixtralForCausalLM, ids: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """What goes into a layer's mixture for ids (rows, tokens), and what comes out of it: twice
    (rows · tokens, hidden)."""
    seen: list[Tensor] = []

    def keep(_module: Any, given: tuple[Tensor], said: Tensor) -> None:
        seen.extend(one.flatten(0, -2) for one in (given[0], said))

    hook = model.model.layers[layer].mlp.register_forward_hook(keep)
    try:
        model.model(ids, use_cache=False)
    finally:
        hook.remove()
    return seen[0], seen[1]


def held_out(tokenizer: PreTrainedTokenizerBase, rows: int = 4) -> dict[str, Batch]:
    """Texts that no training batch of the bundled mixture holds: so many rows of each domain."""
    return domains.texts_by_domain(find_recipe("moe"), tokenizer, rows)


def untrained(tokenizer: PreTrainedTokenizerBase) -> MixtralForCausalLM:
    """The bundled mixture before its first step."""
    with torch.random.fork_rng(devices=[]):
        return checked_mixture(fresh_model(find_recipe("moe"), tokenizer, "cpu").eval())


def choices(model: MixtralForCausalLM, texts: Mapping[str, Batch]) -> tuple[Tensor, Tensor]:
    """The experts of all tokens but padding, (layers, tokens, k), and the tokens' ids, (tokens,);
    shuffled, so that neighbours come from different texts."""
    chosen, ids = [], []
    for items in texts.values():
        real = items.document > 0
        found = routing.choices(model, items.input_ids, items.attention_mask)
        chosen.append(found[:, real])
        ids.append(items.input_ids[real])
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(sum(map(len, ids)), generator=generator)
    return torch.cat(chosen, dim=1)[:, order], torch.cat(ids)[order]


def mean_loss(model: PreTrainedModel, texts: Mapping[str, Batch]) -> float:
    """Held-out loss in nats per token, each domain counting the same."""
    return fmean(domains.domain_losses(model, dict(texts)).values())


def loss_by_k(model: MixtralForCausalLM, texts: Mapping[str, Batch]) -> dict[int, float]:
    """Held-out loss, in nats per token, with 1 expert for each token to all of them."""
    found = {}
    for k in range(1, model.config.num_local_experts + 1):
        with experts_per_token(model, k):
            found[k] = mean_loss(model, texts)
    return found


# ------------------------------------------------------------------------------------------------
# How many are busy, and who is full


def busy(chosen: Tensor, tokens: int, draws: int = 400, seed: int = 0) -> float:
    """How many different experts a batch of so many tokens needs, on average over batches drawn
    from `chosen` (all tokens, k).

    Raises ValueError where more tokens are asked for than there are.
    """
    if not 1 <= tokens <= len(chosen):
        raise ValueError(f"a batch of {tokens} tokens: there are {len(chosen)} to draw from")
    generator = torch.Generator().manual_seed(seed)
    batches = (torch.randperm(len(chosen), generator=generator)[:tokens] for _ in range(draws))
    return sum(len(chosen[batch].unique()) for batch in batches) / draws


def capacity_of(tokens: int, experts: int, k: int, factor: float) -> int:
    """How many choices an expert takes from a batch: `factor` times its even share, rounded up
    (Switch Transformers, arXiv:2101.03961).

    Raises ValueError for a factor that is not above 0.
    """
    if not factor > 0:
        raise ValueError(f"the capacity factor is {factor}: give a number above 0")
    return math.ceil(factor * tokens * k / experts)


def dropped(chosen: Tensor, experts: int, factor: float) -> Tensor:
    """Which choices find their expert full: bool, as `chosen` (tokens, k).

    All first choices come before all second ones, and within them a token before those after it
    (GShard, arXiv:2006.16668).
    """
    tokens, k = chosen.shape
    hot = F.one_hot(chosen.T.flatten(), experts)  # first choices, then second ones
    place = (hot.cumsum(0) * hot).sum(-1)  # the how manieth of its expert, from 1
    return (place > capacity_of(tokens, experts, k, factor)).view(k, tokens).T


@contextmanager
def with_capacity(model: MixtralForCausalLM, factor: float, real: Tensor) -> Iterator[list[float]]:
    """The model's experts take no more than their capacity from a batch; a choice that is dropped
    adds nothing, and the token goes on with what it was. Gives a list that fills with the shares
    of choices dropped, layer by layer. `real` (rows, tokens) says what is no padding.
    """
    shares: list[float] = []
    kept, experts = real.flatten().bool(), model.config.num_local_experts

    def drop(_module: Any, given: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        states, index, weights = given
        gone = torch.ones_like(index, dtype=torch.bool)
        gone[kept] = dropped(index[kept], experts, factor)
        shares.append(float(gone[kept].float().mean()))
        return states, index, weights.masked_fill(gone, 0.0)

    with ExitStack() as stack:
        for layer in model.model.layers:
            stack.callback(layer.mlp.experts.register_forward_pre_hook(drop).remove)
        yield shares


def with_full_experts(
    model: MixtralForCausalLM, texts: Mapping[str, Batch], factor: float
) -> tuple[float, float]:
    """(share of choices dropped, loss in nats per token) where a batch is one domain's texts, in
    the mean over domains."""
    gone, losses = [], []
    for items in texts.values():
        with with_capacity(model, factor, items.document > 0) as shares:
            losses.append(domains.loss_of_texts(model, items))
        gone.append(fmean(shares))
    return fmean(gone), fmean(losses)


def mixed(texts: Mapping[str, Batch]) -> dict[str, Batch]:
    """The same texts in other batches: each has one row of every domain."""
    whole = [
        torch.stack([getattr(items, name) for items in texts.values()], dim=1)
        for name in ("input_ids", "weights", "document")
    ]
    return {f"batch {i}": Batch(*one) for i, one in enumerate(zip(*whole, strict=True))}


# ------------------------------------------------------------------------------------------------
# Words or topics


def share_predicted(chosen: Tensor, ids: Tensor) -> float:
    """How often a token's first expert is the one that the same token mostly had elsewhere.

    chosen (tokens,) and ids (tokens,) int64; the first half is learned from, the second asked.
    Tokens that the first half lacks are not asked.
    """
    half = len(ids) // 2
    size = int(ids.max()) + 1
    table = torch.zeros(size, int(chosen.max()) + 1)
    table.index_put_((ids[:half], chosen[:half]), torch.ones(half), accumulate=True)
    known = table.sum(-1)[ids[half:]] > 0
    guess = table.argmax(-1)[ids[half:]]
    return float((guess == chosen[half:])[known].float().mean())


# ------------------------------------------------------------------------------------------------
# What it costs


@dataclass(frozen=True)
class Cost:
    """Bytes that lie in memory, bytes of weights that one token uses, and milliseconds a token."""

    resident: int
    used: int
    reading: float  # a long text at once
    writing: float  # one token after the other


def cost(model: PreTrainedModel, tokens: int = 256) -> Cost:
    """Bytes counted and milliseconds measured (of one thread; a matter of the machine)."""
    size = next(model.parameters()).element_size()
    resident = sum(p.numel() for p in model.parameters()) * size
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        speeds = [milliseconds(model, rows) for rows in ((1, tokens), (1, 1))]
    finally:
        torch.set_num_threads(before)
    return Cost(resident, active_parameters(model) * size, speeds[0], speeds[1])


@torch.inference_mode()
def milliseconds(model: PreTrainedModel, shape: Sequence[int], repeats: int = 15) -> float:
    """The processor's time per token for ids of this shape: median of some passes, after one to
    warm up."""
    ids = torch.arange(math.prod(shape)).view(*shape) % 1000 + 5
    taken = []
    for _ in range(repeats + 1):
        started = time.process_time()
        model(ids, use_cache=False)
        taken.append(time.process_time() - started)
    return 1e3 * sorted(taken[1:])[repeats // 2] / ids.numel()
