"""What the routing explorer sends to the browser and answers, and how it reads without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labkit.instruments.experts.routers import Routes, Way
from labkit.instruments.tokens import Token
from labkit.widgets import RoutingExplorer
from labkit.widgets.routing_explorer import LONGEST, PARTS


def route(text: Any) -> Routes:
    """A token for each word; word i goes to expert i first, in the second layer to the next."""
    words = str(text).split()
    tokens = tuple(Token(i, word.encode()) for i, word in enumerate(words))
    rows = torch.tensor([[0.5 if e == i % 4 else 0.1 * (4 - e) / 2 for e in range(4)]
                         for i in range(len(words))])  # fmt: skip
    rows = rows / rows.sum(-1, keepdim=True)
    ways = (Way(k, 2.0 - 0.1 * k, (rows, rows.roll(1, dims=1))) for k in range(1, 5))
    return Routes(tokens, tuple(ways))


def explorer(**changed: Any) -> RoutingExplorer:
    given: dict[str, Any] = {"route": route, "examples": {"One": "ab <c> é"}, "trained_with": 2}
    return RoutingExplorer(**given | changed)


def test_examples_travel_with_every_k() -> None:
    card = explorer()
    (example,) = card.examples
    assert example["tokens"] == ["ab", "<c>", "é"] and card.experts == 4
    assert [way["k"] for way in example["ways"]] == [1, 2, 3, 4]
    assert example["ways"][2]["loss"] == pytest.approx(1.7)
    for way in example["ways"]:
        for layer in way["layers"]:
            assert all(abs(sum(row) - PARTS) <= 2 for row in layer)
            assert all(type(part) is int for row in layer for part in row)


def test_a_text_of_ones_own_is_routed() -> None:
    reply = explorer()._reply({"id": "1", "ask": "route", "text": "x y"})
    assert reply["reply"]["tokens"] == ["x", "y"] and len(reply["reply"]["ways"]) == 4


@pytest.mark.parametrize("text", [None, 3, "x" * (LONGEST + 1)])
def test_what_is_no_text_or_too_long_is_answered_with_words(text: object) -> None:
    reply = explorer()._reply({"id": "1", "ask": "route", "text": text})
    assert "at most 400 characters" in reply["trouble"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"examples": {}}, "at least one example"),
        ({"trained_with": 0}, "trained_with is 0: give 1 to 4"),
        ({"trained_with": 5}, "trained_with is 5: give 1 to 4"),
    ],
)
def test_what_cannot_be_shown_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        explorer(**changed)


def test_it_reads_as_a_table() -> None:
    card = explorer(examples={"A <text>": "ab <c> é", "Two": "x"})
    assert card.table()[0][0] == "ab"
    assert card.table()[0][1].startswith("0 (") and card.table()[0][2].startswith("1 (")
    assert "2 texts, 4 experts, 2 for a token" in repr(card)
    shown = card.as_html()
    assert "A &lt;text&gt;: the 2 of 4 experts" in shown
    assert '<th scope="col">layer 1</th>' in shown
    assert "<code>&lt;c&gt;</code>" in shown and "1 (7" in shown
