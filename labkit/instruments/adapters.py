"""What lesson 09 measures with: own adapters beside peft's, the spectrum of an update, files.

How a model is tuned, with or without LoRA, stands in labkit/models/training/tuning.py.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean, median

import torch
from peft import LoraConfig, PeftModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate
from labkit.instruments import plots
from labkit.instruments.finetuning import judge, judge_replies
from labkit.models.quantization.simulated import linear_layers
from labkit.models.training.tuning import Settings, adapted, batches, encode, lora_config
from labkit.models.world.document import Question
from labkit.models.world.tickets import Ticket

Start = Callable[[Tensor, int, Tensor], dict[str, Tensor]]
Forward = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]
Merge = Callable[[Tensor, Tensor, Tensor, float], Tensor]
Shapes = dict[str, list[int]]

GPT3 = {  # every matrix that an adapter may stand beside in a block's attention
    f"h.{block}.{name}.weight": [12_288, 12_288]
    for block in range(96)
    for name in ("q_proj", "k_proj", "v_proj", "o_proj")
}  # fmt: skip


# ------------------------------------------------------------------------------------------------
# Adapters of our own


class OwnLora(nn.Module):
    """A frozen linear layer and its adapter, put together by the functions that are built."""

    def __init__(self, frozen: nn.Linear, numbers: dict[str, Tensor], alpha: float, run: Forward):
        super().__init__()
        self.frozen, self.alpha, self.run = frozen, alpha, run
        self.lora_A = nn.Parameter(numbers["lora_A"])
        self.lora_B = nn.Parameter(numbers["lora_B"])

    def forward(self, x: Tensor) -> Tensor:
        weight = self.frozen.weight
        bias = self.frozen.bias if self.frozen.bias is not None else weight.new_zeros(len(weight))
        return self.run(x, weight, bias, self.lora_A, self.lora_B, self.alpha)


def with_own_adapters(
    model: PreTrainedModel,
    targets: Sequence[str],
    rank: int,
    alpha: float,
    start: Start,
    run: Forward,
    seed: int = 0,
) -> PreTrainedModel:
    """A frozen copy of the model in which the layers whose path ends in one of `targets` have an
    adapter. Raises LookupError where no layer is meant."""
    pupil = copy.deepcopy(model).requires_grad_(False)
    draws = torch.Generator().manual_seed(seed)
    meant = {n: m for n, m in linear_layers(pupil).items() if n.rpartition(".")[2] in targets}
    if not meant:
        raise LookupError(f"no linear layer is called {' or '.join(targets)}")
    for name, layer in meant.items():
        uniform = torch.rand(rank, layer.in_features, generator=draws).to(layer.weight)
        numbers = start(layer.weight.detach(), rank, uniform)
        pupil.set_submodule(name, OwnLora(layer, numbers, alpha, run))
    return pupil


def own_layers(model: nn.Module) -> dict[str, OwnLora]:
    """The layers with an adapter of our own, by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, OwnLora)}


def injected(model: PreTrainedModel, targets: Sequence[str], rank: int, alpha: float) -> PeftModel:
    """The base with peft's fresh adapters, in eval mode; the global random state is put back."""
    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=list(targets), task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng(devices=[]):
        return adapted(model, config).eval()


@torch.no_grad()
def with_random_b(model: PreTrainedModel, size: float = 0.02, seed: int = 0) -> PreTrainedModel:
    """A copy whose matrices B hold random numbers, as if it had been trained."""
    pupil, draws = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    for layer in own_layers(pupil).values():
        noise = torch.randn(layer.lora_B.shape, generator=draws)
        layer.lora_B.copy_(size * noise.to(layer.lora_B))
    return pupil


@torch.no_grad()
def in_peft(model: PreTrainedModel, ours: PreTrainedModel) -> PeftModel:
    """The base in peft, with the numbers that our adapters hold."""
    layers = own_layers(ours)
    first = next(iter(layers.values()))
    theirs = injected(model, list(layers), len(first.lora_A), first.alpha)
    for name, layer in layers.items():
        target = theirs.get_base_model().get_submodule(name)
        target.lora_A["default"].weight.copy_(layer.lora_A)
        target.lora_B["default"].weight.copy_(layer.lora_B)
    return theirs


@torch.no_grad()
def layers_apart(model: PreTrainedModel, ours: PreTrainedModel, seed: int = 0) -> float:
    """The largest difference between our layers' answers and peft's, to the same random input of
    usual size, relative to the largest answer."""
    theirs, draws = in_peft(model, ours).get_base_model(), torch.Generator().manual_seed(seed)
    found = []
    for name, layer in own_layers(ours).items():
        x = torch.randn(8, layer.frozen.in_features, generator=draws).to(layer.frozen.weight)
        expected = theirs.get_submodule(name)(x)
        found.append(largest_difference(layer(x), expected) / float(expected.abs().max()))
    return max(found)


@torch.no_grad()
def merged_by(merge: Merge, ours: PreTrainedModel) -> PreTrainedModel:
    """A copy with plain linear layers again, in which `merge` has put each adapter."""
    plain = copy.deepcopy(ours)
    for name, layer in own_layers(plain).items():
        weight = merge(layer.frozen.weight, layer.lora_A, layer.lora_B, layer.alpha)
        layer.frozen.weight.copy_(weight)
        plain.set_submodule(name, layer.frozen)
    return plain


@torch.inference_mode()
def log_probabilities(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> Tensor:
    """Of every next token of every text: float32 (tokens of all texts, vocab), on the CPU."""
    found = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        device = next(model.parameters()).device
        logits = model(input_ids=ids.to(device)).logits[0]
        found.append(logits.float().log_softmax(-1).cpu())
    return torch.cat(found)


@torch.no_grad()
def largest_difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference between two numbers of one place."""
    return float((ours - theirs).abs().max())


@torch.no_grad()
def weights_apart(ours: PreTrainedModel, theirs: PreTrainedModel) -> float:
    """The largest difference between two models' linear layers, of the same names."""
    layers = linear_layers(theirs)
    return max(
        largest_difference(m.weight, layers[n].weight) for n, m in linear_layers(ours).items()
    )


# ------------------------------------------------------------------------------------------------
# Counts


def shapes_of(model: nn.Module) -> Shapes:
    """Of every parameter by name."""
    return {name: list(weight.shape) for name, weight in model.named_parameters()}


def parameters_in_peft(model: PreTrainedModel, targets: Sequence[str], rank: int) -> dict[str, int]:
    """What peft would train, under the names that the layers have in the model itself."""
    inside = injected(model, targets, rank, alpha=1).get_base_model()
    trained = {n: w.numel() for n, w in inside.named_parameters() if w.requires_grad}
    return {name.replace(".default", ""): count for name, count in trained.items()}


def flops_of_step(model: PreTrainedModel, batch: Mapping[str, Tensor], rank: int) -> int:
    """Of the matrix products of one pass forward and back, as torch counts them. `rank` is that of
    adapters beside all linear layers; 0 trains all weights. The optimizer's are not among them."""
    with torch.random.fork_rng(devices=[]):
        pupil = adapted(model, lora_config(rank) if rank else None)
    with FlopCounterMode(display=False) as counter:
        pupil(**{name: tensor.to(model.device) for name, tensor in batch.items()}).loss.backward()
    return int(counter.get_total_flops())


# ------------------------------------------------------------------------------------------------
# The update of a full tuning


def updates(before: PreTrainedModel, after: PreTrainedModel) -> dict[str, Tensor]:
    """What a tuning has added to each linear layer's weight: float32 (out, in), by name."""
    starts = linear_layers(before)
    return {
        name: (layer.weight - starts[name].weight).detach().float()
        for name, layer in linear_layers(after).items()
    }


def shuffled(found: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """The same numbers in random places of each matrix: what no structure looks like."""
    draws = torch.Generator().manual_seed(seed)
    return {
        name: matrix.flatten()[torch.randperm(matrix.numel(), generator=draws)].view_as(matrix)
        for name, matrix in found.items()
    }


def spectra(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The singular values of each matrix, the largest first."""
    return {name: torch.linalg.svdvals(matrix) for name, matrix in found.items()}


def energy_within(values: Mapping[str, Tensor], rank: int) -> float:
    """The share of the squared sizes that the best matrices of this rank hold, over all layers."""
    squares = [v.double() ** 2 for v in values.values()]
    held = sum(float(s[:rank].sum()) for s in squares)
    return held / sum(float(s.sum()) for s in squares)


def rank_for(values: Mapping[str, Tensor], energy: float) -> float:
    """The rank that holds so much of the squared size of a matrix, on average over layers."""
    needed = []
    for v in values.values():
        grown = (v.double() ** 2).cumsum(0)
        needed.append(int((grown < energy * grown[-1]).sum()) + 1)
    return fmean(needed)


@torch.no_grad()
def cut_to(before: PreTrainedModel, after: PreTrainedModel, rank: int) -> PreTrainedModel:
    """The tuned model with the best approximation of this rank to each linear layer's update, and
    everything else (embeddings, norms, biases) as it was tuned."""
    cut, starts, layers = copy.deepcopy(after), linear_layers(before), updates(before, after)
    for name, layer in linear_layers(cut).items():
        u, s, v = torch.linalg.svd(layers[name], full_matrices=False)
        layer.weight.copy_(starts[name].weight + (u[:, :rank] * s[:rank]) @ v[:rank])
    return cut


@torch.no_grad()
def linear_layers_only(before: PreTrainedModel, after: PreTrainedModel) -> PreTrainedModel:
    """The base with the tuned weights of its linear layers: what an adapter could reach."""
    mixed, layers = copy.deepcopy(before), linear_layers(after)
    for name, layer in linear_layers(mixed).items():
        layer.weight.copy_(layers[name].weight)
    return mixed


def spectrum_figure(named: Mapping[str, Mapping[str, Tensor]], alt: str) -> plots.Figure:
    """The share of each update's squared size within the best matrices of growing rank."""
    ranks = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    drawing, axes = plots.drawn()
    table: dict[str, list[object]] = {"rank": list(ranks)}
    for (name, values), colour, marker in zip(
        named.items(), plots.COLOURS, plots.MARKERS, strict=False
    ):
        shares = [energy_within(values, rank) for rank in ranks]
        axes.plot(ranks, shares, color=colour, marker=marker, ms=5, label=name)
        table[name] = list(shares)
    axes.set_xscale("log", base=2)
    axes.set_xticks(ranks, [str(rank) for rank in ranks])
    axes.set(xlabel="rank", ylabel="share of the update", ylim=(0, 1.03))
    axes.legend(frameon=False)
    return plots.Figure.of(drawing, alt, table)


# ------------------------------------------------------------------------------------------------
# Two adapters on one base


def batches_of(
    examples: Sequence[Question], tokenizer: PreTrainedTokenizerBase, steps: int
) -> list[dict[str, Tensor]]:
    """So many batches of eight, as `fine_tune` draws them; the answers only have labels."""
    encoded = [encode(example, tokenizer) for example in examples]
    return list(islice(batches(encoded, Settings(0.0), tokenizer), steps))


@torch.no_grad()
def both(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, tickets: Sequence[Ticket]
) -> dict[str, Estimate]:
    """How often the model writes valid JSON when asked for it, with all fields right, and a polite
    reply when asked for that."""
    tone = judge_replies(model, tokenizer, tickets)
    return judge(model, tokenizer, tickets).bars() | {"polite replies": tone["polite"]}


def seconds_to_swap(model: PeftModel, names: Sequence[str], times: int = 20) -> float:
    """The median time of putting one loaded adapter into the place of another."""
    found = []
    for turn in range(times):
        began = time.perf_counter()
        model.set_adapter(names[turn % len(names)])
        found.append(time.perf_counter() - began)
    return median(found)


def copy_of(model: PreTrainedModel) -> PreTrainedModel:
    """A copy to put adapters into: peft changes the model that it is given."""
    return copy.deepcopy(model)


def bytes_of_weights(model: nn.Module) -> int:
    """What the model's weights take, each counted once."""
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())


def bytes_in(folder: Path) -> dict[str, int]:
    """The size of each file of a folder, by name."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return {file.name: file.stat().st_size for file in files}
