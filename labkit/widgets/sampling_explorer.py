"""Temperature, top-k, top-p and min-p on real next-token logits, redrawn in the browser.

The logits are sent once, as 32-bit floats; from then on nothing needs the kernel, so the explorer
answers at once and works on when the kernel is gone. The maths is in sampling_math.js.
"""

from __future__ import annotations

import html
import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import traitlets

from labkit.widgets.base import Card, script, style

SHOWN_TEMPERATURES = (0.5, 1.0, 2.0)
SHOWN_TOKENS = 8


@dataclass(frozen=True)
class Example:
    """A prompt, the vocabulary, and the next token's logits, one per token of the vocabulary."""

    prompt: str
    tokens: Sequence[str]
    logits: Any  # a list of floats, or anything with .tolist(): an array, a tensor

    def floats(self) -> array[float]:
        """The logits as 32-bit floats, checked."""
        values = self.logits.tolist() if hasattr(self.logits, "tolist") else self.logits
        logits = array("f", values)
        if len(logits) != len(self.tokens) or not logits:
            raise ValueError(
                f"{self.prompt!r}: {len(logits)} logits, {len(self.tokens)} tokens; give one each"
            )
        if any(math.isnan(x) or x == math.inf for x in logits) or max(logits) == -math.inf:
            raise ValueError(
                f"{self.prompt!r}: the logits hold NaN or infinity; give finite numbers"
            )
        return logits


class SamplingExplorer(Card):
    """Sliders over the distribution of the next token; `key` tells one explorer from another."""

    _esm = script("sampling_math.js", "sampling_explorer.js")
    _css = style("sampling_explorer.css")

    prompts = traitlets.List(traitlets.Dict()).tag(sync=True)
    vocabularies = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    logits = traitlets.Bytes().tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, examples: Iterable[Example], key: str = "sampling-explorer", seed: int = 0
    ) -> None:
        self._examples = tuple(examples)
        if not self._examples:
            raise ValueError("no examples given; an explorer needs at least one Example")
        self._floats = [example.floats() for example in self._examples]
        vocabularies: list[list[str]] = []
        prompts: list[dict[str, Any]] = []
        for example in self._examples:
            tokens = [str(token) for token in example.tokens]
            if tokens not in vocabularies:  # one model, one vocabulary: it travels once
                vocabularies.append(tokens)
            prompts.append({"prompt": example.prompt, "vocabulary": vocabularies.index(tokens)})
        super().__init__(
            key,
            prompts=prompts,
            vocabularies=vocabularies,
            logits=b"".join(_little_endian(floats) for floats in self._floats),
            seed=seed,
        )

    def as_text(self) -> str:
        lines = ["Sampling explorer: probabilities of the next token at three temperatures"]
        for heading, rows in self._tables():
            lines.append(f"  {heading}")
            lines += [
                f"    {row[0]!r:<16}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows
            ]
        return "\n".join(lines)

    def as_html(self) -> str:
        head = "".join(f'<th scope="col">T = {t:g}</th>' for t in SHOWN_TEMPERATURES)
        parts = ['<div class="labkit-static"><p>Probabilities of the next token.</p>']
        for heading, rows in self._tables():
            parts.append(
                f"<table><caption>{html.escape(heading)}</caption>"
                f'<thead><tr><th scope="col">token</th>{head}</tr></thead><tbody>'
            )
            for token, *cells in rows:
                numbers = "".join(f"<td>{cell}</td>" for cell in cells)
                parts.append(f'<tr><th scope="row">{html.escape(token)}</th>{numbers}</tr>')
            parts.append("</tbody></table>")
        parts.append("<p><em>Run this cell in JupyterLab to move the sliders.</em></p></div>")
        return "".join(parts)

    def _tables(self) -> list[tuple[str, list[list[str]]]]:
        """Per prompt: a heading and rows of a token with its probability at each temperature."""
        tables = []
        for example, logits in zip(self._examples, self._floats, strict=True):
            top = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:SHOWN_TOKENS]
            columns = [_probabilities(logits, t) for t in SHOWN_TEMPERATURES]
            rows = [
                [str(example.tokens[i]), *(f"{100 * column[i]:.1f} %" for column in columns)]
                for i in top
            ]
            tables.append((example.prompt, rows))
        return tables


def _little_endian(floats: array[float]) -> bytes:
    if sys.byteorder == "big":
        floats = array("f", floats)
        floats.byteswap()
    return floats.tobytes()


def _probabilities(logits: Sequence[float], temperature: float) -> list[float]:
    largest = max(logits)
    weights = [math.exp((x - largest) / temperature) for x in logits]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
