"""A table of recorded replies answers what it has seen, and nothing else."""

from __future__ import annotations

import torch

from labkit.grading import Challenge, Outcome, check
from labkit.grading.proofs.recording import recorded_table
from labkit.grading.proofs.verify import prove_unknown_seed


def double(x, how):
    if how < 0:
        raise ValueError("below 0")
    return x * 2


def literals(s):
    s.double(torch.ones(2), 1).equals(torch.full((2,), 2.0), because="It is doubled.")
    s.double.raises(ValueError, torch.ones(2), -1, because="It refuses.")


def drawn(s):
    x = torch.rand(2, generator=s.generator)
    s.double(x, 1).equals(x * 2, because="It is doubled.")


def asked(check):
    made = Challenge("double", "Double", check, 1, ("", "", ""))
    made.mistake("none", "You returned nothing.", hint="return it.", answer=lambda x, how: None)
    return made


def test_a_table_passes_where_everything_asked_is_known():
    made = asked(literals)

    assert check(made, recorded_table(made, double, [0])).outcome is Outcome.PASS
    assert not prove_unknown_seed(made, double, [0, 1]).holds


def test_a_table_earns_nothing_where_something_is_drawn():
    made = asked(drawn)

    assert check(made, recorded_table(made, double, [3]), seed=3).outcome is Outcome.PASS
    assert prove_unknown_seed(made, double, [0, 1]).holds
