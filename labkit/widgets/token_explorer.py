"""A text cut by several tokenizers at once: coloured tokens, counts, cost, linked places.

The examples are cut beforehand and travel with the card, so they work when the kernel is gone. What
a learner types is cut by the kernel, with the real tokenizers: a browser does not have them.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any, Protocol

import traitlets

from labkit.widgets.base import Card, script, style

LONGEST = 2000  # characters of a text: a chip for each token must still be quick to draw
MESSAGES = 1000  # whose cost is shown


class CutToken(Protocol):
    """A token of labkit.instruments.tokens."""

    id: int
    data: bytes

    @property
    def text(self) -> str: ...


class TextReader(Protocol):
    """A reader of labkit.instruments.tokens."""

    name: str
    vocabulary: int

    def tokens(self, text: str) -> Any: ...


class TokenExplorer(Card):
    """`readers` cut the `examples` (label → text); `rate` is dollars for a million input tokens."""

    _esm = script("token_explorer.js")
    _css = style("chips.css", "token_explorer.css")

    tokenizers = traitlets.List(traitlets.Dict()).tag(sync=True)
    examples = traitlets.List(traitlets.Dict()).tag(sync=True)
    rate = traitlets.Float().tag(sync=True)
    longest = traitlets.Int(LONGEST).tag(sync=True)

    def __init__(
        self,
        readers: Mapping[str, TextReader],
        examples: Mapping[str, str],
        rate: float,
        key: str = "token-explorer",
    ) -> None:
        if not readers or not examples:
            raise ValueError("an explorer needs at least one reader and one example")
        if not isinstance(rate, int | float) or not math.isfinite(rate) or rate < 0:
            raise ValueError(f"rate is {rate!r}: give dollars for a million tokens, 0 or more")
        self._readers = tuple(readers.values())
        super().__init__(
            key,
            tokenizers=[{"name": r.name, "vocabulary": r.vocabulary} for r in self._readers],
            examples=[
                {"label": label, "text": text, "cuts": self.cuts(text)}
                for label, text in examples.items()
            ],
            rate=float(rate),
        )
        self.answer_with("cut", lambda message: {"cuts": self.cuts(message.get("text"))})

    def cuts(self, text: Any) -> list[dict[str, list[int]]]:
        """For each reader the ids of the tokens and how many bytes of the text each stands for."""
        if not isinstance(text, str) or len(text) > LONGEST:
            raise ValueError(f"give a text of at most {LONGEST:,} characters")
        found = []
        for reader in self._readers:
            tokens = reader.tokens(text)
            ids, lengths = [token.id for token in tokens], [len(token.data) for token in tokens]
            found.append({"ids": ids, "lengths": lengths})
        return found

    def as_text(self) -> str:
        lines = [f"Token explorer: tokens of {len(self.examples)} examples"]
        for label, rows in self._tables():
            lines.append(f"  {label}")
            lines += [f"    {name:<28}{count:>6} tokens  {cost}" for name, count, cost in rows]
        return "\n".join(lines)

    def as_html(self) -> str:
        caption = f"Tokens, and the cost of {MESSAGES:,} such messages"
        names = "".join(
            f'<th scope="col">{html.escape(each["name"])}</th>' for each in self.tokenizers
        )
        parts = [
            f'<div class="labkit-static"><table><caption>{caption}</caption>',
            f'<thead><tr><th scope="col">text</th>{names}</tr></thead><tbody>',
        ]
        for label, rows in self._tables():
            cells = "".join(f"<td>{count} ({cost})</td>" for _, count, cost in rows)
            parts.append(f'<tr><th scope="row">{html.escape(label)}</th>{cells}</tr>')
        parts.append("</tbody></table>")
        parts.append(self._first_example())
        parts.append("<p><em>Run this cell in JupyterLab to cut texts of your own.</em></p></div>")
        return "".join(parts)

    def _tables(self) -> list[tuple[str, list[tuple[str, int, str]]]]:
        """Per example: its label, and rows of tokenizer, tokens and cost."""
        names = [each["name"] for each in self.tokenizers]
        tables = []
        for example in self.examples:
            counts = [len(cut["ids"]) for cut in example["cuts"]]
            costs = [f"{MESSAGES * count * self.rate / 1e6:.3f} $" for count in counts]
            tables.append((str(example["label"]), list(zip(names, counts, costs, strict=True))))
        return tables

    def _first_example(self) -> str:
        """The first example with a bar between its tokens, once for each tokenizer."""
        text = str(self.examples[0]["text"])
        lines = []
        for reader in self._readers:
            cut = "|".join(html.escape(token.text) for token in reader.tokens(text))
            lines.append(f"<p>{html.escape(reader.name)}</p><pre><code>{cut}</code></pre>")
        return "".join(lines)
