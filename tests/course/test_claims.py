from __future__ import annotations

import math

import numpy
import pytest
import torch

from labkit.course.claims import make_claim


def test_a_claim_that_holds() -> None:
    claim = make_claim("T=2 keeps", 0.4149, around=0.4, within=0.05)
    assert claim.holds
    assert str(claim) == "T=2 keeps: 0.41 (expected 0.40 ± 0.05) holds"


def test_a_claim_that_does_not() -> None:
    claim = make_claim("T=2 keeps", 0.46, around=0.4, within=0.05)
    assert not claim.holds
    assert str(claim) == "T=2 keeps: 0.46 (expected 0.40 ± 0.05) does not hold"


@pytest.mark.parametrize("value", [0.35, 0.45, 0.4])
def test_the_edges_hold(value: float) -> None:
    assert make_claim("edge", value, around=0.4, within=0.05).holds


@pytest.mark.parametrize("value", [numpy.float64(3), numpy.array(3), torch.tensor([3.0]), 3])
def test_any_librarys_number(value: object) -> None:
    claim = make_claim("three", value, around=3, within=0)
    assert claim.holds
    assert claim.payload() == {"value": 3.0, "around": 3.0, "within": 0.0, "holds": True}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_holds_nothing(value: float) -> None:
    claim = make_claim("none", value, around=0, within=1)
    assert not claim.holds
    assert claim.payload()["value"] is None


def test_what_is_no_claim() -> None:
    with pytest.raises(TypeError, match="expected one number, got a Tensor of shape"):
        make_claim("many", torch.zeros(3), around=0, within=1)
    with pytest.raises(ValueError, match="claim 'x': within must be 0 or more, got -1"):
        make_claim("x", 0, around=0, within=-1)
    with pytest.raises(ValueError, match="within must be 0 or more, got nan"):
        make_claim("x", 0, around=0, within=math.nan)
