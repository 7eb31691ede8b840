"""Bits, groups and levels of a real weight matrix by slider: what is lost, and what it takes.

The weights are sent once, as 32-bit floats; rounding and counting is done in the browser
(quantization_math.js), so the explorer answers at once and works on when the kernel is gone.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets

from labkit.widgets.base import Card, script, style

if TYPE_CHECKING:
    import numpy as np

SCALE_BITS = 16
Setting = tuple[str, int, str | int]  # levels (absmax or a code book), bits, one scale for
SHOWN: tuple[Setting, ...] = (
    ("absmax", 8, "row"),
    ("absmax", 4, "matrix"),
    ("absmax", 4, "row"),
    ("absmax", 4, 64),
    ("absmax", 3, 64),
    ("absmax", 2, 64),
)
HEADINGS = ("levels", "bits", "one scale for", "error", "bits a weight", "bytes")


class QuantizationExplorer(Card):
    """Sliders over the rounding of weights; `key` tells one explorer from another.

    matrices    name → a matrix (rows, columns) of finite numbers: an array, or nested lists
    code_books  name → ascending levels from -1 to 1, 16 at most: offered beside absmax and zero
                point, with 4 bits
    """

    _esm = script("quantization_math.js", "quantization_explorer.js")
    _css = style("sampling_explorer.css", "quantization_explorer.css")

    matrices = traitlets.List(traitlets.Dict()).tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    code_books = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(
        self,
        matrices: Mapping[str, Any],
        code_books: Mapping[str, Sequence[float]] | None = None,
        key: str = "quantization-explorer",
    ) -> None:
        if not matrices:
            raise ValueError("no matrices given; an explorer needs at least one")
        self._matrices = {name: checked(name, matrix) for name, matrix in matrices.items()}
        self._books = {name: ascending(name, book) for name, book in (code_books or {}).items()}
        super().__init__(
            key,
            matrices=[
                {"name": name, "rows": matrix.shape[0], "columns": matrix.shape[1]}
                for name, matrix in self._matrices.items()
            ],
            weights=b"".join(matrix.astype("<f4").tobytes() for matrix in self._matrices.values()),
            code_books=[{"name": name, "levels": book} for name, book in self._books.items()],
        )

    def tables(self) -> dict[str, list[list[str]]]:
        """For each matrix a row for some settings, as in `HEADINGS`."""
        settings = [*SHOWN, *((name, 4, 64) for name in self._books)]
        return {
            name: [row_of(matrix, setting, self._books) for setting in settings]
            for name, matrix in self._matrices.items()
        }

    def as_text(self) -> str:
        lines = ["Quantization explorer: what some ways of storing a matrix lose and take"]
        for name, rows in self.tables().items():
            lines.append(f"  {name}")
            lines += [
                "    " + "".join(f"{cell:>15}" for cell in row).rstrip()
                for row in (HEADINGS, *rows)
            ]
        return "\n".join(lines)

    def as_html(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in HEADINGS)
        parts = ['<div class="labkit-static"><p>What some ways of storing a matrix lose.</p>']
        for name, rows in self.tables().items():
            body = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                for row in rows
            )
            parts.append(
                f"<table><caption>{html.escape(name)}</caption><thead><tr>{head}</tr></thead>"
                f"<tbody>{body}</tbody></table>"
            )
        parts.append("<p><em>Run this cell in JupyterLab to move the sliders.</em></p></div>")
        return "".join(parts)


def checked(name: str, matrix: Any) -> np.ndarray:
    """The matrix (rows, columns) in float32."""
    import numpy as np  # only here and below: cards must be quick to import

    found = np.asarray(matrix, dtype=np.float32)
    if found.ndim != 2 or not found.size:
        raise ValueError(f"{name!r} has the shape {found.shape}; give a matrix (rows, columns)")
    if not np.isfinite(found).all():
        raise ValueError(f"{name!r} holds NaN or infinity; give finite numbers")
    return found


def ascending(name: str, book: Sequence[float]) -> list[float]:
    """The levels of a code book of 4 bits."""
    levels = [float(level) for level in book]
    if not 2 <= len(levels) <= 16 or levels != sorted(levels) or max(map(abs, levels)) > 1:
        raise ValueError(
            f"the levels of {name!r} are {levels}; give 2 to 16 that ascend, from -1 to 1"
        )
    return levels


def row_of(matrix: np.ndarray, setting: Setting, books: Mapping[str, list[float]]) -> list[str]:
    """The cells of one setting."""
    name, bits, group = setting
    error, cost = measured(matrix, setting, books)
    words = {"matrix": "whole matrix", "row": "each row"}.get(str(group), f"{group} weights")
    size = f"{matrix.size * cost / 8:,.0f}"
    return [name, str(bits), words, f"{100 * error:.2f} %", f"{cost:.3f}", size]


def measured(
    matrix: np.ndarray, setting: Setting, books: Mapping[str, list[float]]
) -> tuple[float, float]:
    """Relative error (root mean square) and bits a weight with the scales."""
    import numpy as np

    name, bits, group = setting
    top = 2 ** (bits - 1) - 1
    levels = np.array(books[name] if name in books else np.arange(-top, top + 1) / top)
    size = {"matrix": matrix.size, "row": matrix.shape[1]}.get(str(group)) or int(group)
    flat = matrix.astype(np.float64).ravel()
    rows = np.pad(flat, (0, -len(flat) % size)).reshape(-1, size)
    largest = np.abs(rows).max(1, keepdims=True)
    codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, rows / np.where(largest, largest, 1))
    lost = (levels[codes] * largest - rows).ravel()[: len(flat)]
    whole = float(np.square(flat).sum()) or 1.0
    return float(np.square(lost).sum() / whole) ** 0.5, bits + SCALE_BITS * len(rows) / len(flat)
