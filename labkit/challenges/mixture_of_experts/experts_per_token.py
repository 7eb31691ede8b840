"""How many experts a token can have: one at least, and no more than there are."""

from __future__ import annotations

K_TOO_LARGE = "There are fewer experts than k."
K_TOO_SMALL = "A token goes to one expert at least."


def refuse(k: int, experts: int) -> None:
    """What a right answer begins with."""
    if k < 1 or k > experts:
        raise ValueError(f"k {k} of {experts}")
