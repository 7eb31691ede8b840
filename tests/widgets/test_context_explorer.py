"""What the context explorer sends to the browser, what it refuses, and how it reads without one."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.instruments.context.packing import Tried
from labkit.widgets import ContextExplorer

FEW = [
    Tried(4, (0,), ("goat", "not stated"), (True, False)),
    Tried(9, (1, 0), ("goat", "piano"), (True, True)),
]


def given(**changes: Any) -> dict[str, Any]:
    return {
        "passages": [["Anna", " has a ", "goat"], ["Ben", " plays the ", "piano"]],
        "relevance": [3, 1],
        "questions": ["Q: Which pet does Anna have?\nA: ", "Q: What does Ben play?\nA: "],
        "answers": ["goat", "piano"],
        "sources": [[0], [1]],
        "packings": {"<ours>": FEW, "first come": FEW},
    } | changes


def test_everything_travels_as_plain_values() -> None:
    explorer = ContextExplorer(**given())
    assert explorer.budgets == [4, 9]
    assert explorer.questions[0]["text"].startswith("Q: Which pet")
    assert explorer.passages[1] == {"tokens": ["Ben", " plays the ", "piano"], "relevance": 1.0}
    assert explorer.packings[0]["tries"][1]["chosen"] == [1, 0]


def test_it_reads_as_a_table() -> None:
    explorer = ContextExplorer(**given())
    assert explorer.right_at() == [["4", "1", "1"], ["9", "2", "2"]]
    assert "of 2 questions, right at each budget" in repr(explorer)
    shown = explorer.as_html()
    assert '<th scope="col">&lt;ours&gt;</th>' in shown
    assert '<th scope="row">9</th><td>2</td><td>2</td>' in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"questions": [], "answers": [], "sources": []}, "for every question"),
        ({"answers": ["goat"]}, "2 questions, 1 answers"),
        ({"relevance": [1]}, "2 passages and 1 numbers"),
        ({"packings": {}}, "at least one way of packing"),
        ({"packings": {"a": FEW, "b": FEW[:1]}}, "the same budgets for each"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ContextExplorer(**given(**changes))
