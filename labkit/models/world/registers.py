"""Registers of the region: which stop follows which on a line, by rote and without any rule.

    Hileria: Hekburg, Fulmford, Mozostford, Beherkford, Trormouth, Grandby

What comes next depends on the line and on the stop before, and nothing foretells it: a model knows
as many of these facts as it has room for. The mixture of experts and its dense twins are compared
on texts that hold more than that; `base` never reads them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from labkit.models.world import lexicon
from labkit.models.world.document import Document, plain
from labkit.models.world.entities import World

LINES = 40  # of each register: with its stops, 15,200 facts in all
SHORTEST, LONGEST = 8, 20  # steps that a text goes along its line


@dataclass(frozen=True)
class Register:
    """Lines and the stops that each of them visits, all of them in an order of its own."""

    kind: str
    lines: tuple[str, ...]
    stops: tuple[str, ...]

    @cached_property
    def following(self) -> dict[str, dict[str, str]]:
        """For each line, the stop after each stop: a permutation drawn once for everybody."""
        rng = random.Random(f"register {self.kind}")
        return {
            line: dict(zip(self.stops, rng.sample(self.stops, len(self.stops)), strict=True))
            for line in self.lines
        }

    def document(self, world: World, rng: random.Random) -> Document:
        """A stretch of one line, from any of its stops on."""
        line = rng.choice(self.lines)
        after, told = self.following[line], [rng.choice(self.stops)]
        for _ in range(rng.randint(SHORTEST, LONGEST)):
            told.append(after[told[-1]])
        return plain(self.kind, f"{line}: {', '.join(told)}\n")


REGISTERS = (
    Register("route", lexicon.COMPANY_NAMES[:LINES], lexicon.TOWN_NAMES),
    Register("round", tuple(lexicon.FIRST_NAMES[:LINES]), lexicon.LAST_NAMES[:100]),
    Register("fair", lexicon.TOWN_NAMES[:LINES], lexicon.COMPANY_NAMES),
    Register("shelf", lexicon.LAST_NAMES[:LINES], lexicon.PRODUCT_NAMES),
)
FACTS = sum(len(register.lines) * len(register.stops) for register in REGISTERS)
MAKERS: dict[str, Callable[[World, random.Random], Document]] = {
    register.kind: register.document for register in REGISTERS
}
