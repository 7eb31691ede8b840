"""A table of words as text for a terminal and as HTML for a notebook, headings marked as such."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence


def as_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table for a terminal: columns side by side, each as wide as its widest cell."""
    lines = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def escaped(cell: object) -> str:
    """A cell in HTML."""
    return html.escape(str(cell))


def linked(cell: object) -> str:
    """The same; an address is a link with a short text."""
    text = escaped(cell)
    return f'<a href="{text}">card</a>' if text.startswith("https://") else text


def as_html(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    shown: Callable[[object], str] = escaped,
) -> str:
    """A table for a notebook; `shown` writes a cell."""
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{shown(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
