"""Lesson 12 in a real model: its weights rounded to 8 bits and fewer."""

from __future__ import annotations

from collections.abc import Callable

from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from torch import Tensor

from labkit.estimates import difference
from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.real.subject import (
    COUNTRIES,
    MODEL,
    columns,
    hits,
    loaded,
    losses_before,
    with_interval,
)
from labkit.instruments.quantization.bench import with_weights
from labkit.instruments.real.capitals import capital_items
from labkit.instruments.real.prose import mean_losses
from labkit.models.quantization.simulated import GROUPS, integers, normal_float, round_trip

Change = Callable[[Tensor], Tensor]


def rounded(bits: int, group: str, items: int = COUNTRIES) -> dict[str, float]:
    """What rounding the weights of all linear layers costs, with a scale for each `group` of them:
    the rise of the loss on prose in nats a token, with its interval over paragraphs, and the
    capitals that are still named."""
    tokenizer = loaded()[1]
    model = with_weights(loaded()[0], WAYS.get(group) or in_integers(bits, group))
    rise = difference("rise", mean_losses(model, tokenizer), losses_before(), "nats")
    named = with_interval("capitals", hits(model, capital_items(tokenizer, items)))
    return columns(rise) | named


def in_integers(bits: int, group: str) -> Change:
    """Whole numbers of so many bits."""
    return lambda weight: round_trip(weight, integers(bits, GROUPS[group]))


def by_bitsandbytes(weight: Tensor) -> Tensor:
    """NF4 as the library stores it, and reads it again. (Its products want sizes that 256 divides,
    which this model's are not.)"""
    packed, state = quantize_4bit(weight, blocksize=64, quant_type="nf4")
    return dequantize_4bit(packed, state)


WAYS: dict[str, Change] = {
    "NF4": lambda weight: round_trip(weight, normal_float()),
    "bitsandbytes": by_bitsandbytes,
}
EXPERIMENTS = (
    Experiment(
        "real-bits",
        "loss and capitals of SmolLM2-135M-Instruct with its weights rounded to 8 bits and fewer",
        (
            *grid(bits=(8, 6, 5, 4, 3), group=("channel",)),
            *grid(bits=(8, 4), group=("tensor",)),
            *grid(bits=(4, 3, 2), group=("block",)),
            *grid(bits=(4,), group=("NF4", "bitsandbytes")),
        ),
        rounded,
        minutes=6,
        cheap={"bits": 4, "group": "block", "items": 12},
        within={"rise": 0.03, "rise_low": 0.05, "rise_high": 0.05}
        | {"capitals": 0.2, "capitals_low": 0.2, "capitals_high": 0.2},
        model=MODEL,
    ),
)
