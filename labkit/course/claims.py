"""Claims: what a lesson measures, held against what its text says.

A cell says `lab.claim("facts right at T = 0", value)` and no more: what is expected would answer
the predictions above it. That stands in `lessons/NN_topic.claims.yaml`, with the alternative texts
of the figures, which tell results as well:

    claims:
      facts right at T = 0:
        around: 1.0         # it holds when it is no further than `within` from `around`
        within: 0.02
        unit: share         # optional
        sentence: 0.2 costs no accuracy worth the name    # of the text, which rests on it
        question: facts-at-one                            # of the quiz, which it answers
        tolerance: 720 answers; the 95 % interval is 0.01 wide    # why it holds on other machines
    figures:
      next-tokens: Two bar charts of the eight likeliest next tokens. …
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from labkit.course.catalog import Lesson
from labkit.course.quantities import as_number, is_within, shown
from labkit.course.yaml_source import Part, Prose, SourceError, YamlSource, read_text
from labkit.paths import nearest


class ClaimsError(SourceError):
    """What is wrong in a file of claims: file:line: field: problem."""


class Expected(Part):
    """What the text says of one number, and how far a machine may be from it."""

    around: float
    within: Annotated[float, Field(ge=0)]
    unit: str = ""
    sentence: Prose | None = None
    question: Prose | None = None
    tolerance: Prose | None = None


class Expectations(Part):
    """A lesson's file of claims."""

    claims: dict[str, Expected] = Field(default_factory=dict)
    figures: dict[str, Prose] = Field(default_factory=dict)

    def claim(self, name: str, file: str) -> Expected:
        """What is expected of a claim; an unknown name is a LookupError with the nearest."""
        if name not in self.claims:
            raise LookupError(f"{file} has no claim {name!r}: {nearest(name, self.claims)}")
        return self.claims[name]

    def figure(self, name: str, file: str) -> str:
        """The alternative text of a figure; an unknown name is a LookupError with the nearest."""
        if name not in self.figures:
            raise LookupError(f"{file} has no figure {name!r}: {nearest(name, self.figures)}")
        return self.figures[name]


@dataclass(frozen=True)
class Claim:
    """`value` was measured, in units of `unit`. `holds` is None on another model than the course's:
    the text speaks of ours."""

    name: str
    value: float
    around: float
    within: float
    unit: str = ""
    judged: bool = True

    @property
    def holds(self) -> bool | None:
        return is_within(self.value, self.around, self.within) if self.judged else None

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "not judged"}[self.holds]

    def __str__(self) -> str:
        value, around = shown(self.value, self.within), shown(self.around, self.within)
        unit = f" {self.unit}" if self.unit else ""
        if self.holds is None:
            return f"{self.name}: {value}{unit} (the course's model: {around})"
        return f"{self.name}: {value}{unit} (expected {around} ± {self.within:g}) {self.verdict}"

    def payload(self) -> dict[str, Any]:
        """What the progress log keeps; JSON has no NaN, so null stands for it."""
        value = self.value if math.isfinite(self.value) else None
        return {"value": value, "around": self.around, "within": self.within, "holds": self.holds}


def make_claim(name: str, value: Any, expected: Expected) -> Claim:
    """A claim about a Python, numpy or torch number."""
    around, within, unit = expected.around, expected.within, expected.unit
    return Claim(name, as_number(value), around, within, unit, judged=not another_model())


def another_model() -> bool:
    """Whether a setting puts another model in the place of the course's."""
    return bool(os.environ.get("LABKIT_MODEL"))


def is_strict() -> bool:
    """Whether a claim that doesn't hold raises: when a lesson is tested, not when it is read."""
    return os.environ.get("LABKIT_STRICT") == "1"


def expectations_of(lesson: Lesson) -> Expectations:
    """What a lesson's text says of its numbers and figures; ClaimsError where the file is wrong."""
    if not lesson.claims.is_file():
        return Expectations()
    try:
        return source_of(lesson).validate(Expectations)
    except SourceError as error:
        raise ClaimsError(str(error)) from None


def source_of(lesson: Lesson) -> YamlSource:
    return YamlSource(read_text(lesson.claims), lesson.claims)
