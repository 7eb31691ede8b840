"""The mixture beside its dense twins, as its card records them: several seeds of each, trained on
the same texts in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from labkit.estimates import Estimate, mean_of_few
from labkit.instruments.plots import COLOURS, Figure, drawn
from labkit.models.moe_family import ACTIVE, COMPARED, MOE, TOTAL

NAMES = {MOE: "mixture", ACTIVE: "twin, equal active", TOTAL: "twin, equal total"}


def losses_of(card: Mapping[str, Any], name: str, domains: Sequence[str] = ()) -> list[float]:
    """The held-out loss of each seed of a model, in nats per token: the mean over domains, or over
    those named.

    Raises LookupError where the card holds no comparison, no such model or no such domain.
    """
    if "comparison" not in card:
        raise LookupError(f"the card of {card.get('name')!r} holds no comparison: take moe's")
    seeds = card["comparison"]["held_out_losses"][name]
    return [fmean(losses[kind] for kind in domains or losses) for losses in seeds]


def compared(card: Mapping[str, Any], domains: Sequence[str] = ()) -> dict[str, Estimate]:
    """For each twin: the mixture's loss less the twin's, seed by seed, with Student's interval.

    Below 0 the mixture is better.
    """
    mixture = losses_of(card, MOE, domains)
    return {
        name: mean_of_few(
            f"mixture less {NAMES[name]}",
            [a - b for a, b in zip(mixture, losses_of(card, name, domains), strict=True)],
            "nats",
        )
        for name in (ACTIVE, TOTAL)
    }


def figure(
    card: Mapping[str, Any], groups: Mapping[str, Sequence[str]] | None = None, *, alt: str
) -> Figure:
    """Held-out loss of mixture and twins for each group of domains (all of them in one, if none is
    given): a dot for each seed, and their mean as a line."""
    groups = groups or {"all domains": ()}
    drawing, axes = drawn()
    for place, domains in enumerate(groups.values()):
        for nth, (name, colour) in enumerate(zip(COMPARED, COLOURS, strict=False)):
            x, losses = place + (nth - 1) * 0.26, losses_of(card, name, domains)
            label = "" if place else NAMES[name]
            axes.scatter([x] * len(losses), losses, s=36, color=colour, alpha=0.8, label=label)
            axes.hlines(fmean(losses), x - 0.1, x + 0.1, color=colour, lw=2.5)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set(ylabel="held-out loss (nats per token)", xlim=(-0.6, len(groups) - 0.4))
    axes.legend(frameon=False)
    return Figure.of(drawing, alt, _table(card, groups))


def _table(card: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, list[object]]:
    """Every seed's loss, the means, and the sizes: a row for each model."""
    table: dict[str, list[object]] = {"model": [NAMES[name] for name in COMPARED]}
    for group, domains in groups.items():
        found = [losses_of(card, name, domains) for name in COMPARED]
        for seed in range(min(map(len, found))):
            table[f"{group}, seed {seed}"] = [f"{losses[seed]:.4f}" for losses in found]
        table[f"{group}, mean"] = [f"{fmean(losses):.4f}" for losses in found]
    sizes = card["comparison"]
    table["parameters"] = [f"{sizes['parameters'][name]:,}" for name in COMPARED]
    table["active"] = [f"{sizes['active_parameters'][name]:,}" for name in COMPARED]
    return table
