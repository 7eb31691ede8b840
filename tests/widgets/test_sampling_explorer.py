"""What the explorer sends to the browser, and how it reads without one."""

from __future__ import annotations

import math
import struct
from array import array

import pytest

from labkit.widgets import Example, SamplingExplorer

TOKENS = [" Oslo", " Rome", "\n"]
LOGITS = [math.log(p) for p in (0.7, 0.2, 0.1)]


def test_logits_travel_once_as_32_bit_floats() -> None:
    explorer = SamplingExplorer([Example("a", TOKENS, LOGITS), Example("b", TOKENS, LOGITS[::-1])])
    assert struct.unpack("<6f", explorer.logits) == tuple(array("f", LOGITS + LOGITS[::-1]))
    assert explorer.vocabularies == [TOKENS]  # one vocabulary, sent once
    assert [each["vocabulary"] for each in explorer.prompts] == [0, 0]


def test_a_tensor_or_an_array_will_do() -> None:
    torch = pytest.importorskip("torch")
    logits = torch.tensor(LOGITS, dtype=torch.bfloat16)
    explorer = SamplingExplorer(iter([Example("a", TOKENS, logits)]))
    assert struct.unpack("<3f", explorer.logits) == tuple(logits.float().tolist())


def test_two_vocabularies_stay_apart() -> None:
    explorer = SamplingExplorer([Example("a", TOKENS, LOGITS), Example("b", ["x"], [0.0])])
    assert [each["vocabulary"] for each in explorer.prompts] == [0, 1]


@pytest.mark.parametrize(
    ("tokens", "logits", "said"),
    [
        (TOKENS, LOGITS[:2], "2 logits, 3 tokens"),
        ([], [], "0 logits"),
        (["a", "b"], [0.0, math.nan], "NaN"),
        (["a", "b"], [0.0, math.inf], "infinity"),
        (["a", "b"], [-math.inf, -math.inf], "infinity"),
    ],
)
def test_logits_that_make_no_distribution_are_refused(
    tokens: list[str], logits: list[float], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as error:
        SamplingExplorer([Example("The prompt", tokens, logits)])
    assert "'The prompt'" in str(error.value)


def test_having_no_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one Example"):
        SamplingExplorer([])


def test_it_reads_as_a_table() -> None:
    explorer = SamplingExplorer([Example("The capital is", TOKENS, LOGITS)])
    lines = repr(explorer).splitlines()
    assert lines[1:3] == [
        "  The capital is",
        "    ' Oslo'             90.7 %    70.0 %    52.3 %",
    ]
    shown = explorer.as_html()
    assert "<caption>The capital is</caption>" in shown
    assert '<th scope="row"> Oslo</th><td>90.7 %</td><td>70.0 %</td><td>52.3 %</td>' in shown
