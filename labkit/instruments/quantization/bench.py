"""What lesson 12 measures with: one held-out text and one set of questions for every way to round.

The rounding itself is in labkit/models/quantization: simulated.py (what comes back is float, so it
saves no time) and stored.py (bitsandbytes, with real codes in memory).
"""

from __future__ import annotations

import copy
import random
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, difference, share_of
from labkit.instruments.judged import Items
from labkit.models import complete
from labkit.models.quantization.simulated import (
    Group,
    Scheme,
    grouped,
    integers,
    linear_layers,
    quantized,
    round_trip,
)
from labkit.models.training.tuning import losses_of
from labkit.models.world import Document, World, documents

UNSEEN = -77  # a corpus that no training run has read
NATS = "nats per token"


@dataclass(frozen=True)
class Bench:
    """What every way to store the model is judged by, and the losses of the model as it is."""

    tokenizer: PreTrainedTokenizerBase
    texts: Sequence[Document]
    facts: Items
    whole: Sequence[tuple[float, int]]

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        facts: Items,
        n: int = 40,
        seed: int = UNSEEN,
    ) -> Bench:
        """`n` held-out texts of a corpus, 1 or more, and the facts. The texts are sorted by length:
        in a batch of equals little is padding."""
        if n < 1:
            raise ValueError(f"{n} texts were asked for; at least 1 is needed")
        texts = sorted(islice(documents(World(), seed), n), key=lambda text: len(text.text))
        return cls(tokenizer, texts, facts, losses_of(model, tokenizer, texts))

    def loss(self, model: PreTrainedModel) -> float:
        """Held-out loss in nats per token."""
        return per_token(losses_of(model, self.tokenizer, self.texts))

    @property
    def whole_loss(self) -> float:
        """That of the model as it is."""
        return per_token(self.whole)

    def rise(self, model: PreTrainedModel) -> Estimate:
        """How much the mean loss of a text rises against the model as it is, with its 95 %
        interval: paired, since every text is read by both."""
        found = losses_of(model, self.tokenizer, self.texts)
        ours, before = ([loss / n for loss, n in losses] for losses in (found, self.whole))
        return difference("rise of the loss", ours, before, NATS)

    def right(self, model: PreTrainedModel, facts: Items | None = None) -> Estimate:
        """How many of the facts it still answers; or of other ones."""
        facts = facts or self.facts
        texts = complete(model, self.tokenizer, facts.prompts, max_new_tokens=12)
        hits = sum(facts.is_right(i, text) for i, (text,) in enumerate(texts))
        return share_of("facts", hits, len(texts))


def per_token(losses: Sequence[tuple[float, int]]) -> float:
    """Of summed losses and their tokens the mean loss of a token."""
    return sum(loss for loss, _ in losses) / sum(tokens for _, tokens in losses)


# ------------------------------------------------------------------------------------------------
# Bytes


def pack_codes(codes: Tensor, bits: int) -> Tensor:
    """Codes of 1 to 8 bits one after the other without gaps, first bit first: (bytes,) uint8."""
    if not 1 <= bits <= 8:
        raise ValueError(f"bits must be 1 to 8, got {bits}")
    flat = codes.flatten().to(torch.uint8).numpy()
    return torch.from_numpy(np.packbits(np.unpackbits(flat[:, None], axis=1)[:, 8 - bits :]))


def unpack_codes(packed: Tensor, bits: int, count: int) -> Tensor:
    """The `count` codes that `pack_codes` has packed: (count,) int64."""
    rows = np.unpackbits(packed.numpy(), count=count * bits).reshape(count, bits)
    return torch.from_numpy(np.packbits(np.pad(rows, ((0, 0), (8 - bits, 0))), axis=1)[:, 0]).long()


@torch.no_grad()
def bytes_on_disk(model: PreTrainedModel, scheme: Scheme | None) -> int:
    """The size of a real file with the model: the linear layers by the scheme, packed, with scales
    of 16 bits, and all other weights as float16; no scheme is float16 throughout."""
    layers = linear_layers(model) if scheme is not None else {}
    stored = {
        name: weight.half().contiguous()
        for name, weight in model.named_parameters()
        if name.removesuffix(".weight") not in layers
    }
    for name, layer in layers.items():
        assert scheme is not None
        codes, scales = quantized(layer.weight, scheme)
        stored[f"{name}.codes"] = pack_codes(codes, scheme.bits)
        stored[f"{name}.scales"] = scales.half()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file(stored, path)
        return path.stat().st_size


def bits_with_scales(block: int, scale_bits: float = 32, second_block: int = 0) -> float:
    """Bits a parameter takes: 4 for its code and a share of its block's scale. With a
    `second_block` the scales are quantized in turn: 8 bits each, and a 32-bit scale for so many of
    them (QLoRA, section 3: 4.5 → 4.127)."""
    if block < 1 or second_block < 0:
        raise ValueError(f"blocks of {block} and {second_block} were given: give 1 or more")
    if not second_block:
        return 4 + scale_bits / block
    return 4 + 8 / block + 32 / (block * second_block)


# ------------------------------------------------------------------------------------------------
# Levels and errors


def normal_levels(offset: float = 0.9677083) -> Tensor:
    """The 16 levels of NF4 from quantiles of a normal distribution, (16,) float64: 8 on the side
    above zero, 7 below, and zero itself, over the largest (Dettmers et al. 2023, appendix E)."""
    above, below = (torch.linspace(offset, 0.5, n, dtype=torch.float64)[:-1] for n in (9, 8))
    quantile = torch.special.ndtri
    levels = torch.cat([quantile(above), -quantile(below), torch.zeros(1).double()])
    return levels.sort().values / levels.max()


def relative_error(weight: Tensor, scheme: Scheme) -> float:
    """Root mean square of what rounding changes, over that of the weights."""
    return error_of(weight.detach(), round_trip(weight.detach(), scheme))


def error_of(numbers: Tensor, stored: Tensor) -> float:
    """Root mean square of the difference, over that of the numbers."""
    return float(((stored - numbers).square().mean() / numbers.square().mean()).sqrt())


def all_weights(model: PreTrainedModel) -> Tensor:
    """The weights of all linear layers one after the other, (1, weights)."""
    return torch.cat([layer.weight.detach().flatten() for layer in linear_layers(model).values()])[
        None
    ]


@torch.inference_mode()
def after_silu(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> Tensor:
    """What comes out of the activation function of every MLP while the text is read, (numbers,)."""
    found: list[Tensor] = []
    hooks = [
        block.mlp.act_fn.register_forward_hook(lambda _layer, _in, out: found.append(out.flatten()))
        for block in model.model.layers
    ]
    try:
        model(**tokenizer(text, return_tensors="pt"), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(found)


# ------------------------------------------------------------------------------------------------
# Outliers


@torch.no_grad()
def with_outlier_channel(
    model: PreTrainedModel, factor: float, channel: int = 7
) -> PreTrainedModel:
    """A copy that computes the same, with one output channel of each up projection `factor` times
    as large, and what reads it as much smaller."""
    _refuse_factor(factor)
    planted = copy.deepcopy(model)
    for block in planted.model.layers:
        block.mlp.up_proj.weight[channel] *= factor
        block.mlp.down_proj.weight[:, channel] /= factor
    return planted


@torch.no_grad()
def with_outlier_feature(
    model: PreTrainedModel, factor: float, feature: int = 7
) -> PreTrainedModel:
    """A copy that computes the same, with one feature of what goes into attention and MLP `factor`
    times as large, as large models grow them (Dettmers et al. 2022, section 4)."""
    _refuse_factor(factor)
    planted = copy.deepcopy(model)
    for block in planted.model.layers:
        block.input_layernorm.weight[feature] *= factor
        block.post_attention_layernorm.weight[feature] *= factor
        attention, mlp = block.self_attn, block.mlp
        readers = (attention.q_proj, attention.k_proj, attention.v_proj, mlp.gate_proj, mlp.up_proj)
        for layer in readers:
            layer.weight[:, feature] /= factor
    return planted


def _refuse_factor(factor: float) -> None:
    if not factor > 0:
        raise ValueError(f"an outlier is so many times as large, more than 0, not {factor}")


def with_int8_products(model: PreTrainedModel, threshold: float = 0.0) -> PreTrainedModel:
    """A copy whose linear layers round weights (by row) and activations (by token) to int8, as
    LLM.int8 does; features with an activation above `threshold` are multiplied in float. 0 rounds
    them all."""
    if threshold < 0:
        raise ValueError(f"the threshold is a magnitude, 0 or more, not {threshold}")
    rounded = copy.deepcopy(model)
    for name, layer in linear_layers(rounded).items():
        parent = rounded.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], Int8Product(layer, threshold))
    return rounded


class Int8Product(nn.Module):
    """A linear layer as LLM.int8 computes it, with the whole numbers kept in floats."""

    def __init__(self, layer: nn.Linear, threshold: float) -> None:
        super().__init__()
        self.layer, self.threshold = layer, threshold
        self.split_share = 0.0  # of the features, in the last pass

    def forward(self, x: Tensor) -> Tensor:
        rows, weight = x.flatten(0, -2), self.layer.weight
        large = (rows.abs() > self.threshold).any(0) & (self.threshold > 0)
        self.split_share = float(large.float().mean())
        product = _int8(rows[:, ~large]) @ _int8(weight[:, ~large]).T
        product = product + rows[:, large] @ weight[:, large].T
        if self.layer.bias is not None:
            product = product + self.layer.bias
        return product.view(*x.shape[:-1], -1)


def _int8(rows: Tensor) -> Tensor:
    """Each row rounded to 127 steps on either side of zero."""
    if not rows.shape[1]:
        return rows
    scales = rows.abs().amax(1, keepdim=True).clamp(min=torch.finfo().tiny) / 127
    return (rows / scales).round() * scales


# ------------------------------------------------------------------------------------------------
# Layers


def halves(model: PreTrainedModel) -> dict[str, list[str]]:
    """The linear layers in groups that share their bits: attention and MLP of each block."""
    groups: dict[str, list[str]] = {}
    for name in linear_layers(model):
        _, _, block, part, *_ = name.split(".")
        kind = "attention" if part == "self_attn" else "MLP"
        groups.setdefault(f"{kind} {block}", []).append(name)
    return groups


@torch.no_grad()
def with_bits(model: PreTrainedModel, bits: Mapping[str, int], block: int = 64) -> PreTrainedModel:
    """A copy whose named linear layers are rounded to so many bits each, in blocks; others are
    left as they are. LookupError for a name that is no linear layer."""
    rounded = copy.deepcopy(model)
    layers = linear_layers(rounded)
    for name, width in bits.items():
        if name not in layers:
            raise LookupError(
                f"{name!r} is no linear layer of the model; there is {next(iter(layers))!r}"
            )
        layers[name].weight.copy_(round_trip(layers[name].weight, integers(width, block)))
    return rounded


def sensitivity(
    model: PreTrainedModel, bench: Bench, widths: Sequence[int]
) -> dict[str, dict[int, float]]:
    """For each group of layers and each width: the rise of the loss if only it is rounded."""
    found: dict[str, dict[int, float]] = {}
    for group, names in halves(model).items():
        losses = {w: bench.loss(with_bits(model, dict.fromkeys(names, w))) for w in widths}
        found[group] = {width: loss - bench.whole_loss for width, loss in losses.items()}
    return found


def sizes_of(model: PreTrainedModel) -> dict[str, int]:
    """How many weights each group of layers has."""
    layers = linear_layers(model)
    return {g: sum(layers[n].weight.numel() for n in names) for g, names in halves(model).items()}


def per_layer(model: PreTrainedModel, groups: Sequence[int]) -> dict[str, int]:
    """Bits of each group of layers, in the order of `halves`, as bits of each layer."""
    named = zip(halves(model).values(), groups, strict=True)
    return {name: width for names, width in named for name in names}


def drawn_within(
    sizes: Sequence[int], widths: Sequence[int], budget: float, n: int, seed: int = 0
) -> list[list[int]]:
    """`n` different choices of bits for the groups, by chance, of those that use at least 98 % of
    the budget and no more than all of it. Raises ValueError if there are fewer."""
    fit = [
        list(choice)
        for choice in product(widths, repeat=len(sizes))
        if 0.98 * budget <= sum(a * b for a, b in zip(sizes, choice, strict=True)) <= budget
    ]
    return random.Random(seed).sample(fit, n)


@torch.no_grad()
def with_weights(
    model: PreTrainedModel, store: Callable[[Tensor], Tensor], names: Collection[str] | None = None
) -> PreTrainedModel:
    """A copy whose linear layers, or only those named, hold what `store` makes of each weight: a
    tensor (out, in) → what is read back, of the same shape."""
    stored = copy.deepcopy(model)
    for name, layer in linear_layers(stored).items():
        if names is None or name in names:
            layer.weight.copy_(store(layer.weight.detach()))
    return stored


def stored_in_groups(
    quantize: Callable[[Tensor, int], tuple[Tensor, Tensor]], bits: int, group: Group
) -> Callable[[Tensor], Tensor]:
    """What `quantize` - rows and bits → codes (rows, size) and scales (rows, 1) - makes of a weight
    whose groups are given to it as rows: a function for `with_weights`."""

    def store(weight: Tensor) -> Tensor:
        codes, scales = quantize(grouped(weight, group), bits)
        return (codes * scales).flatten()[: weight.numel()].view_as(weight)

    return store
