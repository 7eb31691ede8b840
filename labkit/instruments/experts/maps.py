"""The router map: which expert takes the texts of which domain, as a picture with its numbers.

Counts come from `labkit.models.routing.counts`: (layers, rows of text, domains, experts). A router
that minds the domain gives each row of the picture a pattern of its own; one that does not gives
all rows the same. How much that is, in bits, is `bits_by_layer`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labkit.instruments.plots import Figure, drawn
from labkit.models import routing


def domain_shares(counts: Tensor, domains: Sequence[str], layer: int) -> Tensor:
    """Each domain's shares of a layer's experts, float64 (domains, experts); a row sums to 1.

    Raises ValueError where counts, domains and layer don't go together, and for a domain without a
    token, whose shares would be 0 / 0.
    """
    checked(counts, domains, layer)
    table = counts[layer].sum(0).double()
    totals = table.sum(-1, keepdim=True)
    if (empty := totals[:, 0] == 0).any():
        raise ValueError(f"no token was counted of {domains[int(empty.nonzero()[0])]!r}: give text")
    return table / totals


def checked(counts: Tensor, domains: Sequence[str], layer: int) -> None:
    """Raises ValueError for what is no table of counts, or has other domains or layers."""
    shape = list(counts.shape)
    if len(shape) != 4:
        raise ValueError(f"the counts are {shape}: give (layers, rows, domains, experts)")
    if shape[2] != len(domains):
        raise ValueError(
            f"there are {len(domains)} names for {shape[2]} domains: give one for each"
        )
    if not 0 <= layer < shape[0]:
        raise ValueError(f"there is no layer {layer}: give 0 to {shape[0] - 1}")


def bits_by_layer(counts: Tensor) -> list[float]:
    """For each layer, the bits that a token's expert tells about the domain of its text.

    At most the logarithm of the number of domains or of experts, whichever are fewer. Untrained
    routers are above 0 too (domains differ in their words): compare with one.
    """
    return [routing.mutual_information(layer.sum(0)) for layer in counts]


def expert_map(counts: Tensor, domains: Sequence[str], layer: int = 0) -> Figure:
    """Domains by experts: each cell is the share of the domain's choices that the expert gets.

    Raises ValueError as `domain_shares` does.
    """
    shares = domain_shares(counts, domains, layer)
    rows, experts = shares.shape
    drawing, axes = drawn(width=2.2 + 0.62 * experts, height=1.1 + 0.36 * rows)
    most = max(2 / experts, float(shares.max()))
    axes.imshow(shares.tolist(), cmap="Blues", vmin=0, vmax=most)
    axes.set_aspect("auto")
    axes.grid(visible=False)
    axes.set_xticks(range(experts))
    axes.set_yticks(range(rows), list(domains))
    axes.set(xlabel=f"expert (layer {layer}; evenly spread, each would get {100 / experts:.3g}%)")
    for (row, expert), share in zip(_places(rows, experts), shares.flatten().tolist(), strict=True):
        colour = "white" if share > 0.72 * most else "black"
        axes.text(expert, row, f"{share:.0%}", ha="center", va="center", color=colour, size=8.5)
    return Figure.of(drawing, _in_words(shares, domains, layer), _as_table(shares, domains))


def _places(rows: int, columns: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(rows) for column in range(columns)]


def _in_words(shares: Tensor, domains: Sequence[str], layer: int) -> str:
    """What the picture shows: each domain's favourite, and what an even spread would be."""
    favourites = [
        f"{domain} most to expert {int(row.argmax())} ({float(row.max()):.0%})"
        for domain, row in zip(domains, shares, strict=True)
    ]
    even = f"An even spread would be {100 / shares.shape[1]:.3g}%."
    return (
        f"Layer {layer}, {len(domains)} domains by {shares.shape[1]} experts, shares of each "
        f"domain's choices. {'; '.join(favourites)}. {even}"
    )


def _as_table(shares: Tensor, domains: Sequence[str]) -> dict[str, list[str]]:
    columns = {
        f"expert {number}": [f"{share:.1%}" for share in column]
        for number, column in enumerate(torch.unbind(shares, dim=1))
    }
    return {"domain": list(domains), **columns}
