"""Figures of the lessons: one look, an alternative text, and the data as a table beneath.

`Figure` is what a cell shows: an image with alt text and a table that a screen reader, a
colour-blind reader or a copy-and-paste can use.
"""

from __future__ import annotations

import base64
import html
import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from labkit.estimates import Estimate
from labkit.instruments.sampling import NextToken

# Okabe and Ito's palette: told apart by colour-blind readers too; markers differ as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vX"


@dataclass(frozen=True)
class Figure:
    """A drawing, what it shows in words, and its numbers: `table` maps a column to its cells."""

    png: bytes
    alt: str
    table: Mapping[str, Sequence[object]]

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode()
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in self.table)
        rows = zip(*self.table.values(), strict=True)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(v))}</td>" for v in row) + "</tr>"
            for row in rows
        )
        return (
            f'<figure style="margin:0"><img alt="{html.escape(self.alt)}" '
            f'style="max-width:100%;height:auto;background:#fff" '
            f'src="data:image/png;base64,{data}">'
            f"<details><summary>The data as a table</summary><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></details></figure>"
        )

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    @classmethod
    def of(cls, drawing: Drawing, alt: str, table: Mapping[str, Sequence[object]]) -> Figure:
        """The figure of a drawing made elsewhere, with `drawn`."""
        return cls(_png(drawing), alt, table)


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _axes(columns: int = 1, width: float = 7.0, height: float = 3.2) -> tuple[Drawing, list[Axes]]:
    drawing = Drawing(figsize=(width, height), dpi=110, layout="constrained")
    found = drawing.subplots(1, columns, squeeze=False, sharey=columns > 1)[0]
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
    return drawing, list(found)


def drawn(width: float = 7.0, height: float = 3.2) -> tuple[Drawing, Axes]:
    """A drawing of the course's look with one pair of axes."""
    drawing, (axes,) = _axes(width=width, height=height)
    return drawing, axes


def _png(drawing: Drawing) -> bytes:
    """Without date and version, so that the same figure is the same bytes."""
    stream = io.BytesIO()
    drawing.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def curves(
    series: Mapping[str, Mapping[float, Estimate]],
    *,
    alt: str,
    y_label: str,
    advice: bool = False,
) -> Figure:
    """Shares against temperature with their intervals; `advice` marks 0.2 and 0.8."""
    marks = {"0.2": 0.2, "0.8": 0.8} if advice else None
    return shares(series, x_label="temperature", y_label=y_label, alt=alt, marks=marks)


def next_tokens(panels: Mapping[str, Sequence[NextToken]], *, alt: str) -> Figure:
    """Bars of the likeliest next tokens, one panel for each setting, on one scale."""
    drawing, columns = _axes(len(panels), width=3.0 * len(panels), height=2.9)
    for axes, (title, tokens), colour in zip(columns, panels.items(), COLOURS, strict=False):
        names = [token.text.replace("\n", "\\n") for token in tokens]
        axes.bar(range(len(names)), [token.probability for token in tokens], color=colour)
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
        axes.set(title=title, ylim=(0, 1.03))
    columns[0].set_ylabel("probability")
    return Figure(_png(drawing), alt, _token_table(panels))


def _token_table(panels: Mapping[str, Sequence[NextToken]]) -> dict[str, list[object]]:
    count = min(len(tokens) for tokens in panels.values())
    table: dict[str, list[object]] = {"rank": list(range(1, count + 1))}
    for title, tokens in panels.items():
        table[title] = [f"{t.text.strip()} {t.probability:.3f}" for t in tokens[:count]]
    return table


def lines(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    log: bool = False,
) -> Figure:
    """Quantities against a common x."""
    drawing, (axes,) = _axes()
    for (name, y), colour, marker in zip(series.items(), COLOURS, MARKERS, strict=False):
        axes.plot(x, y, color=colour, marker=marker, ms=5, label=name)
    axes.set(xlabel=x_label, ylabel=y_label, yscale="log" if log else "linear")
    axes.legend(frameon=False)
    return Figure(_png(drawing), alt, {x_label: list(x), **{k: list(v) for k, v in series.items()}})


def bars(
    groups: Mapping[str, Mapping[str, Estimate]],
    *,
    y_label: str,
    alt: str,
    width: float = 7.0,
) -> Figure:
    """Shares with their 95 % intervals: `groups` maps a label on the x axis to series and share."""
    drawing, (axes,) = _axes(width=width)
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    for place, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        found = [(x, group[name]) for x, group in enumerate(groups.values()) if name in group]
        shares = [score.value for _, score in found]
        ends = [score.interval for _, score in found]
        below = [share - low for share, (low, _) in zip(shares, ends, strict=True)]
        above = [high - share for share, (_, high) in zip(shares, ends, strict=True)]
        x = [x + (place + 0.5) / len(names) * 0.8 - 0.4 for x, _ in found]
        axes.bar(x, shares, 0.76 / len(names), yerr=(below, above), capsize=3, color=colour,
                 label=name)  # fmt: skip
    axes.set_xticks(range(len(groups)), [textwrap.fill(label, 16) for label in groups])
    axes.set(ylabel=y_label, ylim=(0, 1.03))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return Figure(_png(drawing), alt, _bar_table(groups))


def _bar_table(groups: Mapping[str, Mapping[str, Estimate]]) -> dict[str, list[object]]:
    rows = [(label, name, score) for label, some in groups.items() for name, score in some.items()]
    return {
        "group": [label for label, _, _ in rows],
        "series": [name for _, name, _ in rows],
        "share": [f"{score.value:.3f}" for *_, score in rows],
        "95 % interval": ["{:.3f} - {:.3f}".format(*score.interval) for *_, score in rows],
        "n": [score.n for *_, score in rows],
    }


def shares(
    series: Mapping[str, Mapping[float, Estimate]],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """Shares against a number, with their 95 % intervals; `marks` names places on the x axis."""
    drawing, (axes,) = _axes()
    for (name, points), colour, marker in zip(series.items(), COLOURS, MARKERS, strict=False):
        x, found = list(points), list(points.values())
        low, high = zip(*(score.interval for score in found), strict=True)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(x, [s.value for s in found], color=colour, marker=marker, ms=5, label=name)
    for label, place in (marks or {}).items():
        axes.axvline(place, color="#666666", lw=1, ls=":")
        axes.text(place, 0.03, f" {label}", color="#444444", size=9)
    axes.set(xlabel=x_label, ylabel=y_label, ylim=(0, 1.03))
    if len(series) > 1:
        axes.legend(frameon=False)
    return Figure(_png(drawing), alt, _share_table(series, x_label))


def _share_table(
    series: Mapping[str, Mapping[float, Estimate]], x_label: str
) -> dict[str, list[object]]:
    rows = [(name, x, score) for name, points in series.items() for x, score in points.items()]
    return {
        "curve": [name for name, _, _ in rows],
        x_label: [x for _, x, _ in rows],
        "share": [f"{score.value:.3f}" for *_, score in rows],
        "95 % interval": ["{:.3f} - {:.3f}".format(*score.interval) for *_, score in rows],
        "n": [score.n for *_, score in rows],
    }
