from __future__ import annotations

import math
from pathlib import Path

import numpy
import pytest
import torch

from labkit.course.catalog import Lesson
from labkit.course.claims import (
    Claim,
    ClaimsError,
    Expected,
    expectations_of,
    make_claim,
)


def claim(name: str, value: object, around: float, within: float, unit: str = "") -> Claim:
    return make_claim(name, value, Expected(around=around, within=within, unit=unit))


def test_a_claim_that_holds() -> None:
    held = claim("T=2 keeps", 0.4149, around=0.4, within=0.05)
    assert held.holds
    assert str(held) == "T=2 keeps: 0.41 (expected 0.40 ± 0.05) holds"


def test_a_claim_that_does_not() -> None:
    wrong = claim("T=2 keeps", 0.46, around=0.4, within=0.05, unit="tokens")
    assert not wrong.holds
    assert str(wrong) == "T=2 keeps: 0.46 tokens (expected 0.40 ± 0.05) does not hold"


def test_another_models_number_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_MODEL", "owner/name")
    other = claim("T=2 keeps", 0.46, around=0.4, within=0.05)
    assert other.holds is None and other.verdict == "not judged"
    assert str(other) == "T=2 keeps: 0.46 (the course's model: 0.40)"


@pytest.mark.parametrize("value", [0.35, 0.45, 0.4])
def test_the_edges_hold(value: float) -> None:
    assert claim("edge", value, around=0.4, within=0.05).holds


@pytest.mark.parametrize("value", [numpy.float64(3), numpy.array(3), torch.tensor([3.0]), 3])
def test_numbers_of_any_library(value: object) -> None:
    three = claim("three", value, around=3, within=0)
    assert three.holds
    assert three.payload() == {"value": 3.0, "around": 3.0, "within": 0.0, "holds": True}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_claim_without_a_number_does_not_hold(value: float) -> None:
    none = claim("none", value, around=0, within=1)
    assert not none.holds
    assert none.payload()["value"] is None


def test_anything_but_a_number_is_refused() -> None:
    with pytest.raises(TypeError, match="expected one number, got a Tensor of shape"):
        claim("many", torch.zeros(3), around=0, within=1)


# ---- the file ------------------------------------------------------------------------------------

GOOD = """claims:
  facts right:
    around: 1.0
    within: 0.02
    sentence: Facts are right.
figures:
  curve: It falls.
"""


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    (tmp_path / "99_fixture.claims.yaml").write_text(GOOD, encoding="utf-8")
    path = tmp_path / "99_fixture.py"
    return Lesson("99_fixture", "99", "fixture", "Fixture", 5, (), "A small one.", (), path)


def test_what_is_expected_stands_in_the_lessons_file(lesson: Lesson) -> None:
    found = expectations_of(lesson)
    assert found.claim("facts right", "f").around == 1.0
    assert found.figures == {"curve": "It falls."}
    with pytest.raises(LookupError, match=r"99\.yaml has no claim 'fact right': did you mean"):
        found.claim("fact right", "99.yaml")
    assert found.figure("curve", "99.yaml") == "It falls."
    with pytest.raises(LookupError, match=r"99\.yaml has no figure 'curv': did you mean curve"):
        found.figure("curv", "99.yaml")


def test_a_lesson_may_claim_nothing(lesson: Lesson) -> None:
    lesson.claims.unlink()
    assert expectations_of(lesson).claims == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "around: 1.0",
            "arround: 1.0",
            r":3: claims\.facts right\.arround: unknown field; did",
        ),
        ("around: 1.0", "around: much", r"yaml:3: claims\.facts right\.around: .*number"),
        ("within: 0.02", "within: -1", r"yaml:4: claims\.facts right\.within: .*0, got -1"),
        ("    within: 0.02\n", "", r"yaml:2: claims\.facts right\.within: missing"),
        (
            "figures:",
            "  facts right:\n    around: 2\nfigures:",
            r":6: facts right: appears twice",
        ),
        ("curve: It falls.", "curve: 3", r"yaml:7: figures\.curve: expected text, got 3"),
    ],
)
def test_a_fault_is_named_with_its_line_and_field(
    lesson: Lesson, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    lesson.claims.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ClaimsError, match=said):
        expectations_of(lesson)
