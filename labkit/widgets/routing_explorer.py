"""A text on its way through a mixture: which experts take which token, layer by layer, for any k.

Another k changes what a layer says, and so how the next one routes: the model reads a text once for
every k. The examples are read beforehand and travel with the card, so they work when the kernel is
gone; what a learner types is read by the kernel.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import traitlets

from labkit.widgets.base import Card, script, style

LONGEST = 400  # characters
PARTS = 100_000  # a share is sent as a whole number of these


class Shares(Protocol):
    """A tensor of shares, (tokens, experts)."""

    def tolist(self) -> list[list[float]]: ...


class ReadWith(Protocol):
    """A text read with k experts per token (`labkit.instruments.experts.routers.Way`)."""

    @property
    def k(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def layers(self) -> Sequence[Shares]: ...


class Routed(Protocol):
    """A text's tokens, and how they are routed for each k: `Routes` of
    labkit.instruments.experts.routers."""

    @property
    def texts(self) -> Sequence[str]: ...
    @property
    def ways(self) -> Sequence[ReadWith]: ...


class RoutingExplorer(Card):
    """`route(text)` gives the routes of a text for k = 1 to all experts; `examples` maps a label to
    a text; `trained_with` is the k of the model's training."""

    _esm = script("routing_explorer.js")
    _css = style("sampling_explorer.css", "chips.css", "routing_explorer.css")

    examples = traitlets.List(traitlets.Dict()).tag(sync=True)
    trained_with = traitlets.Int().tag(sync=True)
    experts = traitlets.Int().tag(sync=True)
    longest = traitlets.Int(LONGEST).tag(sync=True)

    def __init__(
        self,
        route: Callable[[Any], Routed],
        examples: Mapping[str, str],
        trained_with: int,
        key: str = "routing-explorer",
    ) -> None:
        if not examples:
            raise ValueError("an explorer needs at least one example")
        self._route = route
        read = [
            {"label": label, "text": text, **self.routes(text)} for label, text in examples.items()
        ]
        experts = len(read[0]["ways"])
        if not 1 <= trained_with <= experts:
            raise ValueError(f"trained_with is {trained_with}: give 1 to {experts}, the experts")
        super().__init__(key, examples=read, trained_with=trained_with, experts=experts)
        self.answer_with("route", lambda message: self.routes(message.get("text")))

    def routes(self, text: Any) -> dict[str, Any]:
        """What the browser draws: tokens, and for each k the loss and the shares of the experts."""
        if not isinstance(text, str) or len(text) > LONGEST:
            raise ValueError(f"give a text of at most {LONGEST:,} characters")
        found = self._route(text)
        ways = [
            {"k": way.k, "loss": way.loss, "layers": [_in_parts(layer) for layer in way.layers]}
            for way in found.ways
        ]
        return {"tokens": list(found.texts), "ways": ways}

    def table(self, number: int = 0) -> list[list[str]]:
        """An example with the k of the training: a row for each token, a column for each layer."""
        example = self.examples[number]
        layers = example["ways"][self.trained_with - 1]["layers"]
        return [
            [_shown(text), *(_chosen(layer[place], self.trained_with) for layer in layers)]
            for place, text in enumerate(example["tokens"])
        ]

    def as_text(self) -> str:
        lines = [
            f"Routing explorer: {len(self.examples)} texts, {self.experts} experts, "
            f"{self.trained_with} for a token; {self.examples[0]['label']}:"
        ]
        lines += [
            "  " + row[0].ljust(14) + "".join(cell.ljust(24) for cell in row[1:]).rstrip()
            for row in self.table()
        ]
        return "\n".join(lines)

    def as_html(self) -> str:
        layers = len(self.examples[0]["ways"][0]["layers"])
        names = "".join(f'<th scope="col">layer {layer}</th>' for layer in range(layers))
        body = "".join(
            f'<tr><th scope="row"><code>{html.escape(row[0])}</code></th>'
            + "".join(f"<td>{cell}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.table()
        )
        caption = html.escape(
            f"{self.examples[0]['label']}: the {self.trained_with} of {self.experts} experts that "
            f"each token goes to"
        )
        return (
            f'<div class="labkit-static"><table><caption>{caption}</caption>'
            f'<thead><tr><th scope="col">token</th>{names}</tr></thead><tbody>{body}</tbody>'
            f"</table><p><em>Run this cell in JupyterLab for texts of your own and other k."
            f"</em></p></div>"
        )


def _in_parts(layer: Shares) -> list[list[int]]:
    return [[round(PARTS * share) for share in row] for row in layer.tolist()]


def _chosen(parts: Sequence[int], k: int) -> str:
    """The k experts with the largest shares, scaled to sum to 1."""
    best = sorted(range(len(parts)), key=lambda expert: -parts[expert])[:k]
    whole = sum(parts[expert] for expert in best) or 1
    return ", ".join(f"{expert} ({parts[expert] / whole:.0%})" for expert in best)


def _shown(text: str) -> str:
    return text.replace(" ", "·").replace("\n", "⏎") or "∅"
