"""Mixture and twins from a card made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.instruments.experts import twins
from labkit.models.moe_family import COMPARED

LOSSES = {
    "moe": [{"a": 1.0, "b": 2.0}, {"a": 1.2, "b": 2.0}, {"a": 1.1, "b": 2.0}],
    "moe_twin_active": [{"a": 2.0, "b": 2.0}, {"a": 2.2, "b": 2.0}, {"a": 2.1, "b": 2.0}],
    "moe_twin_total": [{"a": 1.0, "b": 2.0}, {"a": 1.4, "b": 2.0}, {"a": 1.0, "b": 2.0}],
}
CARD: dict[str, Any] = {
    "name": "moe",
    "comparison": {
        "held_out_losses": LOSSES,
        "parameters": dict.fromkeys(COMPARED, 1000),
        "active_parameters": dict.fromkeys(COMPARED, 500),
    },
}


def test_differences_are_paired_by_seed() -> None:
    active, total = twins.compared(CARD).values()
    assert active.value == pytest.approx(-0.5) and active.n == 3
    assert active.low == pytest.approx(-0.5) == active.high
    assert total.value == pytest.approx((0 - 0.1 + 0.05) / 3)
    assert total.low < 0 < total.high


def test_domains_can_be_chosen() -> None:
    assert twins.losses_of(CARD, "moe") == pytest.approx([1.5, 1.6, 1.55])
    assert twins.losses_of(CARD, "moe", ["a"]) == [1.0, 1.2, 1.1]
    assert twins.compared(CARD, ["b"])["moe_twin_active"].value == 0


def test_the_figure_has_every_seed() -> None:
    figure = twins.figure(CARD, alt="Losses.")
    assert figure.png.startswith(b"\x89PNG") and figure.alt == "Losses."
    assert figure.table["all domains, seed 1"] == ["1.6000", "2.1000", "1.7000"]
    assert figure.table["parameters"] == ["1,000"] * 3
    grouped = twins.figure(CARD, {"first": ["a"], "second": ["b"]}, alt="Losses.")
    assert grouped.table["first, mean"] == ["1.1000", "2.1000", "1.1333"]
    assert grouped.table["second, seed 2"] == ["2.0000"] * 3


def test_another_card_is_refused() -> None:
    with pytest.raises(LookupError, match="card of 'base' holds no comparison"):
        twins.losses_of({"name": "base"}, "moe")
