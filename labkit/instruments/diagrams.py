"""Drawings of mechanisms: what goes in, is kept, and comes out; one vocabulary for all lessons.

A drawing is SVG, made of boxes, rows of tokens, matrices, bars and arrows, dark on white as the
plots are in either theme. A notebook holds it as a picture: of SVG in a page JupyterLab leaves
nothing but the words until its cell was run, and pages that show notebooks do the same.

    step = Diagram(400, 90, alt="Logits become probabilities.")
    step.tokens(10, 30, ["red", "blue"])
    step.arrow(120, 45, 160, 45, "softmax")
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape

ACCENT = "#1976d2"
INK = "#1f2328"
FONT = "system-ui, sans-serif"


class Diagram:
    """A drawing of `width` by `height` pixels, to which parts are added; `alt` says it in words."""

    def __init__(self, width: int, height: int, *, alt: str) -> None:
        self.width, self.height, self.alt = width, height, alt
        self.parts: list[str] = []

    def text(
        self, x: float, y: float, words: str, *, size: int = 13, anchor: str = "middle",
        weight: str = "normal",
    ) -> None:  # fmt: skip
        """Words at a place; `anchor` start, middle or end."""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-family="{FONT}" font-size="{size}" '
            f'font-weight="{weight}" text-anchor="{anchor}" fill="currentColor">'
            f"{escape(words)}</text>"
        )

    def box(
        self, x: float, y: float, width: float, height: float, words: str = "", *,
        filled: bool = False,
    ) -> None:  # fmt: skip
        """A box with words: a layer, a function, a memory. Filled is what the learner builds."""
        fill = f'fill="{ACCENT}" fill-opacity="0.18"' if filled else 'fill="none"'
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" {fill} '
            'stroke="currentColor" stroke-width="1.3"/>'
        )
        if words:
            self.text(x + width / 2, y + height / 2 + 4.5, words)

    def tokens(self, x: float, y: float, tokens: Sequence[str]) -> float:
        """A row of tokens, each in a box of its own; returns where it ends."""
        for token in tokens:
            width = 8 * len(token) + 12
            self.box(x, y, width, 24, token)
            x += width + 4
        return x

    def matrix(self, x: float, y: float, rows: int, columns: int, label: str = "") -> None:
        """A matrix of so many cells, its label (with its shape) underneath."""
        for row in range(rows):
            for column in range(columns):
                self.parts.append(
                    f'<rect x="{x + 12 * column:g}" y="{y + 12 * row:g}" width="12" height="12" '
                    'fill="none" stroke="currentColor" stroke-opacity="0.6"/>'
                )
        self.text(x + 6 * columns, y + 12 * rows + 16, label, size=12)

    def bars(
        self, x: float, y: float, width: float, height: float, values: Sequence[float],
        labels: Sequence[str] = (), *, most: float | None = None,
    ) -> None:  # fmt: skip
        """Upright bars over a base line at y + height; a value of 0 or below is left out, dashed.

        most  the value of a full bar; the largest by default
        """
        step, most = width / len(values), most or max(values)
        for number, value in enumerate(values):
            left, tall = x + step * number + step * 0.15, height * max(0.0, value) / most
            dash = "" if value > 0 else ' stroke-dasharray="2 3"'
            tall = tall or height * 0.12
            fill = "0.35" if value > 0 else "0"
            self.parts.append(
                f'<rect x="{left:g}" y="{y + height - tall:g}" width="{step * 0.7:g}" '
                f'height="{tall:g}" fill="{ACCENT}" fill-opacity="{fill}" stroke="currentColor"'
                f"{dash}/>"
            )
            if labels:
                self.text(x + step * (number + 0.5), y + height + 15, labels[number], size=11)

    def arrow(self, x: float, y: float, to_x: float, to_y: float, words: str = "") -> None:
        """An arrow, with words above its middle."""
        turn = math.degrees(math.atan2(to_y - y, to_x - x))
        self.parts.append(
            f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="currentColor" '
            f'stroke-width="1.5"/><path d="M1 0 -8 -5 -8 5z" fill="currentColor" '
            f'transform="translate({to_x:g} {to_y:g}) rotate({turn:g})"/>'
        )
        if words:
            self.text((x + to_x) / 2, min(y, to_y) - 7, words, size=12)

    def svg(self) -> str:
        """The drawing as SVG."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" color="{INK}" role="img" '
            f'aria-label="{escape(self.alt)}">{"".join(self.parts)}</svg>'
        )

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        encoded = base64.b64encode(self.svg().encode()).decode()
        page = (
            f'<figure style="margin:0"><img alt="{escape(self.alt)}" '
            'style="max-width:100%;height:auto;background:#fff" '
            f'src="data:image/svg+xml;base64,{encoded}"></figure>'
        )
        return {"text/html": page, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Drawing: {self.alt}"
