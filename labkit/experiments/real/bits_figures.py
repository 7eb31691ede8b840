"""What rounding costs a real model, from its records: weights by bits, and activations in 8."""

from __future__ import annotations

from labkit.estimates import Estimate
from labkit.experiments import running
from labkit.experiments.fine_tuning_figures import Drawn, drawn_from
from labkit.experiments.real.activations import LAYERS, WAYS
from labkit.experiments.real.recorded import figure_in, row_of
from labkit.experiments.real.subject import COUNTRIES
from labkit.instruments import plots
from labkit.instruments.quantization.plots import rises
from labkit.instruments.real.prose import paragraphs

LABELS = {"channel": "each row", "tensor": "whole matrix", "block": "blocks of 64", "NF4": "NF4"}
POSITIONS = {"first": "first position", "others": "all others", "median": "median"}


def by_bits(alt: str) -> Drawn:
    """The rise of the loss against bits, for each way of sharing a scale."""
    return drawn_from("real-bits", lambda record: rises(
        {
            label: {
                int(row["bits"]): figure_in(row, "rise", len(paragraphs()), "nats")
                for row in record.where(group=group)
            }
            for group, label in LABELS.items()
        },
        x_label="bits",
        alt=alt,
    ))  # fmt: skip


def rise_at(bits: int, group: str) -> float:
    """The recorded rise of the loss, in nats a token."""
    return running.load("real-bits").mean("rise", bits=bits, group=group)


def named_at(bits: int, group: str) -> Estimate:
    """The recorded share of capitals that are named with weights of so many bits."""
    return figure_in(row_of("real-bits", bits=bits, group=group), "capitals", COUNTRIES)


def largest_activations(alt: str) -> Drawn:
    """The largest activation at the first position, at the others, and the median, by block."""
    return drawn_from("real-outliers", lambda record: plots.lines(
        list(LAYERS),
        {
            label: [record.mean(column, blocks=n) for n in LAYERS]
            for column, label in POSITIONS.items()
        },
        x_label="after so many of the 30 blocks",
        y_label="largest activation",
        log=True,
        alt=alt,
    ))  # fmt: skip


def largest(blocks: int, where: str) -> float:
    """The recorded largest activation after so many blocks: "first" or "others"."""
    return running.load("real-outliers").mean(where, blocks=blocks)


def in_eight_bits() -> dict[str, Estimate]:
    """The rise of the loss with weights, or weights and activations, in 8 bits, by what shares a
    scale of the activations."""
    return {
        way: figure_in(row_of("real-int8", way=way), "rise", len(paragraphs()), "nats")
        for way in WAYS
    }
