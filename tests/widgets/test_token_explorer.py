"""What the token explorer sends to the browser and answers, and how it reads without one."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.instruments.tokens import Reader, Token
from labkit.widgets import TokenExplorer
from labkit.widgets.token_explorer import LONGEST

LETTERS = Reader("letters", 256, lambda text: [Token(ord(x), x.encode()) for x in text])
WORDS = Reader("words", 9, lambda text: [Token(7, word.encode()) for word in text.split()])
READERS = {"letters": LETTERS, "words": WORDS}


def explorer(**changed: Any) -> TokenExplorer:
    given: dict[str, Any] = {"readers": READERS, "examples": {"One": "ab é"}, "rate": 2.0}
    return TokenExplorer(**given | changed)


def test_examples_travel_with_ids_and_bytes() -> None:
    (example,) = explorer().examples
    assert example["cuts"] == [
        {"ids": [97, 98, 32, 233], "lengths": [1, 1, 1, 2]},
        {"ids": [7, 7], "lengths": [2, 2]},
    ]


def test_a_text_of_ones_own_is_cut_by_every_reader() -> None:
    card = explorer()
    reply = card._reply({"id": "1", "ask": "cut", "text": "a bc"})
    assert [len(cut["ids"]) for cut in reply["reply"]["cuts"]] == [4, 2]


@pytest.mark.parametrize("text", [None, 3, "x" * (LONGEST + 1)])
def test_a_text_that_is_too_long_or_none_is_refused_with_the_reason(text: object) -> None:
    assert (
        "2,000 characters" in explorer()._reply({"id": "1", "ask": "cut", "text": text})["trouble"]
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"readers": {}}, "at least one reader"),
        ({"examples": {}}, "one example"),
        ({"rate": -1}, "rate is -1"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"rate": "2"}, "rate is '2'"),
    ],
)
def test_nothing_to_show_or_no_price_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        explorer(**changed)


def test_it_reads_as_tables() -> None:
    card = explorer(examples={"One": "ab <é>", "Two": "x"})
    assert "letters" in repr(card) and "6 tokens" in repr(card) and "0.012 $" in repr(card)
    shown = card.as_html()
    assert '<th scope="col">letters</th><th scope="col">words</th>' in shown
    assert '<th scope="row">One</th><td>6 (0.012 $)</td><td>2 (0.004 $)</td>' in shown
    assert "a|b| |&lt;|é|&gt;" in shown
