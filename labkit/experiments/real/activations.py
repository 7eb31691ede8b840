"""Lesson 12 in a real model: the largest activations, and what rounding activations costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from statistics import fmean

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from labkit.estimates import difference
from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.real.subject import MODEL, columns, loaded, losses_before
from labkit.instruments.quantization.bench import with_int8_products
from labkit.instruments.real.prose import mean_losses, paragraphs
from labkit.models.quantization.simulated import (
    Group,
    fake_quantize,
    integers,
    linear_layers,
    round_trip,
)

LAYERS = (1, 5, 10, 15, 20, 25, 29)  # after so many of the thirty blocks
Change = Callable[[Tensor], Tensor]


def largest(blocks: int, texts: int = 30) -> dict[str, float]:
    """The largest magnitude in what comes out of so many blocks, at the first position of a text
    and at all others, and the median; means over paragraphs."""
    firsts, others, medians = zip(*magnitudes(texts)[blocks], strict=True)
    return {"first": fmean(firsts), "others": fmean(others), "median": fmean(medians)}


@lru_cache(maxsize=2)
@torch.inference_mode()
def magnitudes(texts: int) -> list[list[tuple[float, float, float]]]:
    """By blocks passed, a triple for each paragraph: largest at the first position, largest at the
    others, median."""
    model, tokenizer = loaded()
    found: list[list[tuple[float, float, float]]] = []
    for text in paragraphs()[:texts]:
        ids = tokenizer(text, return_tensors="pt").input_ids
        states = model.model(input_ids=ids, output_hidden_states=True).hidden_states
        found.append([triple(state[0].abs()) for state in states])
    return [list(column) for column in zip(*found, strict=True)]


def triple(state: Tensor) -> tuple[float, float, float]:
    """Of magnitudes (positions, width)."""
    return float(state[0].max()), float(state[1:].max()), float(state.median())


def with_rounded_inputs(model: PreTrainedModel, change: Change) -> PreTrainedModel:
    """A copy with int8 weights, a scale for each row, whose linear layers read changed inputs."""
    rounded = fake_quantize(model, integers(8, "channel"))

    def before(_layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (change(given[0]), *given[1:])

    for layer in linear_layers(rounded).values():
        layer.register_forward_pre_hook(before)
    return rounded


def in_int8(group: Group, spared: int = 0) -> Change:
    """Activations (1, positions, width) in 8 bits with a scale for each `group`: "channel" is a
    token here; the first `spared` positions stay as they are."""

    def change(x: Tensor) -> Tensor:
        kept, rest = x[:, :spared], x[:, spared:]
        return torch.cat([kept, round_trip(rest[0], integers(8, group))[None]], dim=1)

    return change


WAYS: dict[str, Callable[[PreTrainedModel], PreTrainedModel]] = {
    "weights alone": lambda model: with_rounded_inputs(model, lambda x: x),
    "each token": lambda model: with_rounded_inputs(model, in_int8("channel")),
    "whole tensor": lambda model: with_rounded_inputs(model, in_int8("tensor")),
    "whole tensor but the first position": lambda model: with_rounded_inputs(
        model, in_int8("tensor", spared=1)
    ),
    "split above 6": lambda model: with_int8_products(model, 6.0),
}


def rounded(way: str) -> dict[str, float]:
    """The rise of the loss on prose, in nats a token, with its interval over paragraphs."""
    after = mean_losses(WAYS[way](loaded()[0]), loaded()[1])
    return columns(difference("rise", after, losses_before(), "nats"))


EXPERIMENTS = (
    Experiment(
        "real-outliers",
        "the largest activations of SmolLM2-135M-Instruct, at the first position and elsewhere",
        grid(blocks=LAYERS),
        largest,
        minutes=1,
        cheap={"blocks": 15, "texts": 3},
        within={"first": 2000.0, "others": 60.0, "median": 1.0},
        model=MODEL,
    ),
    Experiment(
        "real-int8",
        "weights and activations of SmolLM2-135M-Instruct in 8 bits, by what shares a scale",
        grid(way=tuple(WAYS)),
        rounded,
        minutes=4,
        cheap={"way": "whole tensor"},
        within={"rise": 0.05, "rise_low": 0.1, "rise_high": 0.1},
        model=MODEL,
    ),
)
