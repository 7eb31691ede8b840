"""Three figures of lesson 12: levels over weights, and two of how much the loss rises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from labkit.estimates import Estimate
from labkit.instruments.plots import COLOURS, MARKERS, Figure, _axes, _png, drawn
from labkit.models.quantization.simulated import Scheme, grouped, quantized

BINS = 81
SMALL = 1e-3  # nats: below it the scale of a rise is linear, so that zero and less have a place


def levels_over(weight: Tensor, schemes: Sequence[Scheme], *, alt: str) -> Figure:
    """How many weights each level of a scheme gets, over the histogram of the weights in the range
    of their group, both as high as their fullest: one panel for each scheme."""
    drawing, panels = _axes(len(schemes), width=3.3 * len(schemes), height=2.9)
    table: dict[str, list[object]] = {}
    for axes, scheme, colour in zip(panels, schemes, COLOURS, strict=False):
        codes, scales = quantized(weight, scheme)
        scaled = grouped(weight.detach(), scheme.group) / scales
        counts, edges = torch.histogram(scaled, BINS, range=(-1.0, 1.0))
        shares = torch.bincount(codes.flatten(), minlength=len(scheme.levels)) / codes.numel()
        heights, tall = counts / counts.max(), shares / shares.max()
        axes.stairs(heights.numpy(), edges.numpy(), fill=True, color="#bbbbbb", label="weights")
        axes.bar(scheme.levels, tall.tolist(), 0.03, color=colour, alpha=0.85, label="levels")
        axes.set(title=scheme.name, xlabel="weight / absmax of its group")
        largest = float(shares.max())
        table[scheme.name] = [len(scheme.levels), int((shares > 0).sum()), f"{largest:.3f}"]
    panels[0].set_ylabel("weights, of the fullest")
    panels[0].legend(frameon=False, fontsize=8, loc="upper left")
    rows = ["levels", "levels in use", "share of the fullest level"]
    return Figure(_png(drawing), alt, {"": rows, **table})


def rises(series: Mapping[str, Mapping[float, Estimate]], *, x_label: str, alt: str) -> Figure:
    """Rises of the loss with their 95 % intervals against a number, many bits first."""
    drawing, axes = drawn(height=3.6)
    for (name, points), colour, marker in zip(series.items(), COLOURS, MARKERS, strict=False):
        x = list(points)
        low, high = zip(*(found.interval for found in points.values()), strict=True)
        axes.fill_between(x, low, high, color=colour, alpha=0.13, lw=0)
        y = [found.value for found in points.values()]
        axes.plot(x, y, color=colour, marker=marker, ms=5, label=name)
    axes.set_yscale("symlog", linthresh=SMALL, linscale=0.5)
    axes.axhline(0, color="#777777", lw=1, ls=":")
    axes.set(xlabel=x_label, ylabel="rise of the loss (nats per token)")
    axes.invert_xaxis()
    axes.legend(frameon=False)
    return Figure(_png(drawing), alt, _rise_table(series, x_label))


def _rise_table(
    series: Mapping[str, Mapping[float, Estimate]], x_label: str
) -> dict[str, list[object]]:
    rows = [(name, x, found) for name, points in series.items() for x, found in points.items()]
    return {
        "curve": [name for name, _, _ in rows],
        x_label: [f"{x:g}" for _, x, _ in rows],
        "rise": [f"{found.value:.4f}" for *_, found in rows],
        "95 % interval": ["{:.4f} - {:.4f}".format(*found.interval) for *_, found in rows],
    }


def rise_bars(groups: Mapping[str, Mapping[str, float]], *, y_label: str, alt: str) -> Figure:
    """Rises on a logarithmic scale, side by side: `groups` maps a label to series and rise. What is
    not above the bottom of the scale has no bar; the table has its number."""
    drawing, axes = drawn(width=8.5, height=3.4)
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    for place, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        x = [i + (place + 0.5) / len(names) * 0.8 - 0.4 for i in range(len(groups))]
        heights = [max(group[name], 0.0) for group in groups.values()]
        axes.bar(x, heights, 0.76 / len(names), color=colour, label=name)
    axes.set_yscale("log")
    axes.set_ylim(bottom=SMALL / 5)
    axes.set_xticks(range(len(groups)), [label.replace(" ", "\n") for label in groups])
    axes.set_ylabel(y_label)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    table = {name: [f"{group[name]:.4f}" for group in groups.values()] for name in names}
    return Figure(_png(drawing), alt, {"": list(groups), **table})
