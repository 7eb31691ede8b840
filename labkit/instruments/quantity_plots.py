"""Two figures for quantities such as tokens: bars side by side, and a quantity against a share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.ticker import MaxNLocator

from labkit.estimates import Estimate
from labkit.instruments.plots import COLOURS, MARKERS, Figure, _axes, _png

LABEL: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9}
Groups = Mapping[str, Mapping[str, float]]


def amounts(groups: Groups, *, x_label: str, alt: str) -> Figure:
    """Horizontal bars: `groups` maps a label to series and amount; the series share one scale."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    drawing, (axes,) = _axes(height=0.9 + 0.15 * len(groups) * (len(names) + 0.6))
    thick = 0.8 / len(names)
    most = max(amount for group in groups.values() for amount in group.values())
    for place, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        y = [row + (place + 0.5) * thick - 0.4 for row in range(len(groups))]
        widths = [group.get(name, 0.0) for group in groups.values()]
        bars = axes.barh(y, widths, height=0.92 * thick, color=colour, label=name)
        axes.bar_label(bars, fmt="{:,.0f}" if most >= 10 else "{:.2f}", padding=3, fontsize=8)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", alpha=0.25)
    axes.set(xlabel=x_label, xlim=(0, 1.1 * most))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if len(names) > 1:
        drawing.legend(frameon=False, loc="outside upper center", ncols=len(names), fontsize=9)
    table = {name: [group.get(name, "") for group in groups.values()] for name in names}
    return Figure(_png(drawing), alt, {"": list(groups), **table})


def trade_off(
    points: Mapping[str, tuple[float, Estimate]],
    *,
    x_label: str,
    y_label: str,
    chance: float,
    alt: str,
) -> Figure:
    """A share with its 95 % interval against what it costs; `chance` is the share of a guess."""
    drawing, (axes,) = _axes()
    for i, (name, (x, score)) in enumerate(points.items()):
        low, high = score.interval
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        error = [[score.value - low], [high - score.value]]
        axes.errorbar(
            [x], [score.value], yerr=error, color=colour, marker=marker, ms=6, capsize=3, ls=""
        )
        axes.annotate(name, (x, score.value), _beside(i, points), **LABEL)
    axes.axhline(chance, color="#777777", lw=1, ls=":")
    axes.annotate("a guess", (0, chance), (4, 3), textcoords="offset points", fontsize=8)
    axes.set(xlabel=x_label, ylabel=y_label, ylim=(0, 1.05))
    axes.set_xlim(0, 1.15 * max(x for x, _ in points.values()))
    return Figure(_png(drawing), alt, _trade_off_table(points, x_label, y_label))


def _beside(i: int, points: Mapping[str, tuple[float, Estimate]]) -> tuple[int, int]:
    """Where a point's name stands, in typographic points: below it if the place above is taken."""
    places = [(x, score.value) for x, score in points.values()]
    widest, (x, share) = max(x for x, _ in places), places[i]
    near = any(abs(x - a) < widest / 8 and abs(share - b) < 0.07 for a, b in places[:i])
    return (8, -13) if near else (8, 4)


def _trade_off_table(
    points: Mapping[str, tuple[float, Estimate]], x_label: str, y_label: str
) -> dict[str, list[object]]:
    scores = [score for _, score in points.values()]
    return {
        "": list(points),
        x_label: [f"{x:.0f}" for x, _ in points.values()],
        y_label: [f"{score.value:.3f}" for score in scores],
        "95 % interval": ["{:.3f} - {:.3f}".format(*score.interval) for score in scores],
        "n": [score.n for score in scores],
    }
