"""What requests cost: a rate card that can be edited, and bills made from it.

Cost = tokens × rate, with three rates: new input, input that the provider still has in its cache,
and output. The card that comes with the course is an example in round numbers, made up for it; no
provider's offer. Put in the numbers of yours before you decide anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RequestCost = Callable[[list[int], int, dict[str, float], list[int], int], float]


@dataclass(frozen=True)
class RateCard:
    """Dollars for a million tokens, and the day on which they were noted.

    Raises ValueError for a rate that is negative or no number, and for an empty name or date: a
    price without a date is worth nothing.
    """

    name: str
    as_of: str
    input: float
    cached: float
    output: float

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.as_of.strip():
            raise ValueError("a rate card needs a name and a date (as_of): prices change")
        for kind, rate in self.rates().items():
            if not isinstance(rate, int | float) or not math.isfinite(rate) or rate < 0:
                raise ValueError(f"the {kind} rate is {rate!r}: give dollars for a million tokens")

    def rates(self) -> dict[str, float]:
        """The three rates as request_cost takes them."""
        return {"input": self.input, "cached": self.cached, "output": self.output}

    def bill(self, input_tokens: int, output_tokens: int = 0, cached_tokens: int = 0) -> float:
        """Dollars for tokens that are already counted; cached ones are part of the input."""
        if min(input_tokens, output_tokens, cached_tokens) < 0 or cached_tokens > input_tokens:
            raise ValueError(
                f"{input_tokens} input, {cached_tokens} cached, {output_tokens} output tokens: "
                f"counts are 0 or more, and cached tokens are part of the input"
            )
        new = (input_tokens - cached_tokens) * self.input
        return (new + cached_tokens * self.cached + output_tokens * self.output) / 1e6

    def __str__(self) -> str:
        return (
            f"{self.name}, as of {self.as_of}: {self.input:g} $ input, {self.cached:g} $ cached, "
            f"{self.output:g} $ output, for a million tokens"
        )


EXAMPLE = RateCard(
    "Example card, made up for this course", "2026-11-01", input=2.0, cached=0.2, output=6.0
)


def in_a_row(
    prompts: Sequence[list[int]],
    output_tokens: int,
    card: RateCard,
    request_cost: RequestCost,
    block: int = 128,
) -> list[float]:
    """Dollars for each of several requests sent one after another: each finds the one before it in
    the cache. `request_cost` is the function that the lesson builds."""
    if not prompts:
        raise ValueError("there are no prompts: give a list of at least one list of token ids")
    before: list[int] = []
    dollars = []
    for prompt in prompts:
        dollars.append(request_cost(prompt, output_tokens, card.rates(), before, block))
        before = prompt
    return dollars
