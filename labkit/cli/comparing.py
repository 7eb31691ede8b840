"""What rounding has cost a fetched model: beside its original weights, on the same texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from labkit.cli.fetching import alone, disk_errors
from labkit.cli.screen import Screen
from labkit.estimates import Estimate, difference, mean, share
from labkit.fetched import MODELS, ORIGINALS, Fetched
from labkit.instruments.real.prose import mean_losses, paragraphs
from labkit.models.fetched_card import COMPARED, add_comparison
from labkit.models.zoo import load_model


def compared(model: Fetched, screen: Screen) -> Mapping[str, Any] | None:
    """The comparison of a model and its original, or the other way round, as both cards have it;
    measured where one of them has none. None where one of the two is not there.

    Raises ModelUnavailable where one can't be loaded, and FetchError where a card can't be written.
    """
    rounded = MODELS[model.original_of or model.name]
    original = ORIGINALS[rounded.name]
    with alone(rounded), alone(original):
        if not (rounded.is_there and original.is_there):
            return None
        if COMPARED in rounded.card() and COMPARED in original.card():
            return dict(original.card()[COMPARED])
        screen.step(f"Comparing {rounded.name} with {original.name}, once")
        found = comparison(rounded, original)
        for each in (rounded, original):
            with disk_errors(each):
                add_comparison(each.folder, found)
    return found


def comparison(rounded: Fetched, original: Fetched) -> dict[str, Any]:
    """What both make of the course's prose, and which original it was."""
    first, second = read(rounded.name), read(original.name)
    return {
        "texts": f"{len(paragraphs())} paragraphs of the course's prose",
        "original": original.card().get("commit"),
        "rows": [row.as_row() for row in figures(rounded.name, first, original.name, second)],
    }


@dataclass(frozen=True)
class Reading:
    """Of each text its tokens, their mean loss in nats, and the token that is likeliest to follow
    each of them, but for the last."""

    tokens: list[list[int]]
    losses: list[float]
    likeliest: list[torch.Tensor]


def read(name: str) -> Reading:
    """Reads the course's prose by a model, which is in memory only meanwhile."""
    model, tokenizer = load_model(name, dtype=torch.float32)
    likeliest: list[torch.Tensor] = []
    model.register_forward_hook(  # so that each text is read once
        lambda _module, _inputs, output: likeliest.append(output.logits[0, :-1].argmax(-1).cpu())
    )
    losses = mean_losses(model, tokenizer)
    return Reading([tokenizer(text).input_ids for text in paragraphs()], losses, likeliest)


def figures(name: str, first: Reading, other: str, second: Reading) -> list[Estimate]:
    """Loss of both, their difference, and how often they agree, over paragraphs. Agreement is of
    texts that both read as the same tokens."""
    same = [a == b for a, b in zip(first.tokens, second.tokens, strict=True)]
    pairs = zip(first.likeliest, second.likeliest, same, strict=True)
    agreed = [float((a == b).float().mean()) for a, b, alike in pairs if alike]
    return [
        mean(f"loss of {name} a token", first.losses, "nats"),
        mean(f"loss of {other} a token", second.losses, "nats"),
        difference(f"{name} - {other}", first.losses, second.losses, "nats"),
        share("paragraphs read as the same tokens", same),
        *([mean("same likeliest next token", agreed)] if agreed else []),
    ]
