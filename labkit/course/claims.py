"""A claim: a number that the lesson's prose states, computed and held against what it says."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

from labkit.course.quantities import as_number, is_within, shown


@dataclass(frozen=True)
class Claim:
    """`value` was measured; it holds when it is no further than `within` from `around`."""

    name: str
    value: float
    around: float
    within: float

    @property
    def holds(self) -> bool:
        return is_within(self.value, self.around, self.within)

    @property
    def verdict(self) -> str:
        return "holds" if self.holds else "does not hold"

    def __str__(self) -> str:
        value, around = shown(self.value, self.within), shown(self.around, self.within)
        return f"{self.name}: {value} (expected {around} ± {self.within:g}) {self.verdict}"

    def payload(self) -> dict[str, Any]:
        """What the progress log keeps; JSON has no NaN, so null stands for it."""
        value = self.value if math.isfinite(self.value) else None
        return {"value": value, "around": self.around, "within": self.within, "holds": self.holds}


def make_claim(name: str, value: Any, around: Any, within: Any) -> Claim:
    """A claim about a Python, numpy or torch number."""
    claim = Claim(name, as_number(value), as_number(around), as_number(within))
    if not claim.within >= 0:
        raise ValueError(f"claim {name!r}: within must be 0 or more, got {claim.within}")
    return claim


def is_strict() -> bool:
    """Whether a claim that doesn't hold raises: when a lesson is tested, not when it is read."""
    return os.environ.get("LABKIT_STRICT") == "1"
