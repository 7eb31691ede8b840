"""Forgetting: of the questions that were answered rightly before tuning, the share that is not now.

Checked against sets of positions in plain Python.
"""

from __future__ import annotations

import torch

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled


def true_forgotten(before: list[bool], after: list[bool]) -> float:
    """By sets of positions."""
    known = {i for i, right in enumerate(before) if right}
    return len(known - {i for i, right in enumerate(after) if right}) / len(known)


def check_share_forgotten(s: Submission) -> None:
    def expect(before: list[bool], after: list[bool], because: str) -> None:
        expected = true_forgotten(before, after)
        s.share_forgotten(before, after).close_to(expected, because=because)

    def answers(n: int) -> list[bool]:
        return (torch.rand(n, generator=s.generator) < 0.6).tolist()

    yes, no = True, False
    share = "Of what was known before, the share that is gone."
    expect([yes, yes, no, yes], [yes, no, yes, yes], share)
    expect([yes, yes], [yes, yes], "Everything is still known.")
    expect([yes, yes, yes], [no, no, no], "Everything is gone.")
    expect([yes, no], [no, no], "Only what was known can be forgotten.")
    expect([yes, no, no, no, no], [yes, no, no, no, no], share)
    fresh = "What was learned in between does not make up for what was lost."
    expect([yes, yes, no, no], [no, yes, yes, yes], fresh)
    expect([yes, no, no], [no, yes, yes], fresh)
    expect([yes, no, no], [yes, yes, yes], fresh)
    for n in (7, 20, 50):
        expect([yes, *answers(n)], [no, *answers(n)], share)
    refuse = "Where nothing was known, nothing can be forgotten."
    s.share_forgotten.raises(ValueError, [no, no], [yes, no], because=refuse)
    s.share_forgotten.raises(ValueError, [], [], because=refuse)
    s.share_forgotten.raises(ValueError, [no] * 30, answers(30), because=refuse)
    pairs = "The same questions are asked before and after."
    s.share_forgotten.raises(ValueError, [yes, yes], [yes], because=pairs)
    s.share_forgotten.raises(ValueError, [yes], [yes, no], because=pairs)
    shorter = 1 + draw(s, 28)
    s.share_forgotten.raises(ValueError, [yes, *answers(29)], answers(shorter), because=pairs)


challenge = Challenge(
    name="share_forgotten",
    title="How much was forgotten",
    check=check_share_forgotten,
    points=2,
    hints=(
        "There are four kinds of questions: right or wrong before, right or wrong now. Two of the "
        "four kinds take part in this number.",
        "Go through both lists side by side and keep the pairs whose first is True: that is the "
        "whole. Which of those are the part? And where is there no whole to take a share of?",
        "before True True False True, after True False True True: three were known (places 0, 1, "
        "3), one of them is gone: 1/3 = 0.3333.",
    ),
)

LOST, KNOWN = "still_known.count(False)", "len(still_known)"


# ---- two totals, where questions are meant -------------------------------------------------------

challenge.mistake(
    "net",
    "You compare the two totals: what was learned in between hides what was lost.",
    hint="Look at the questions that were right before, and only at those.",
    answer=spoiled(LOST, "(sum(before) - sum(after))"),
)

challenge.mistake(
    "net-never-negative",
    "You compare the two totals, and take 0 where the second is larger: what was learned in "
    "between still makes up for what was lost. Forgotten is what was right before and is "
    "wrong now.",
    hint="Look at the questions one by one, and only at those that were right before.",
    answer=spoiled(LOST, "max(0, sum(before) - sum(after))"),
)

challenge.mistake(
    "net-points",
    "You subtract one share from the other: that is the change in accuracy, and what was "
    "learned in between hides what was lost.",
    hint="Look at the questions that were right before, and only at those.",
    answer=spoiled(LOST, "(sum(before) - sum(after))", KNOWN, "len(before)"),
)

challenge.mistake(
    "net-points-never-negative",
    "You take the fall in accuracy, or 0 where it has risen: what was learned in between makes "
    "up for what was lost, and questions count that were never known.",
    hint="Look at the questions one by one, and only at those that were right before.",
    answer=spoiled(LOST, "max(0, sum(before) - sum(after))", KNOWN, "len(before)"),
)


# ---- the part ------------------------------------------------------------------------------------

challenge.mistake(
    "kept",
    "That is the share that is still known.",
    hint="Count those that are wrong now.",
    answer=spoiled("count(False)", "count(True)"),
)

challenge.mistake(
    "wrong-after",
    "You count everything that is wrong now, also what was wrong before.",
    hint="Look at the questions that were right before, and only at those.",
    answer=spoiled(LOST, "after.count(False)", KNOWN, "len(after)"),
)

challenge.mistake(
    "changed",
    "You count every answer that changed, also from wrong to right.",
    hint="Lost means right before and wrong now.",
    answer=spoiled(
        LOST, "sum(was != now for was, now in zip(before, after))", KNOWN, "len(before)"
    ),
)

challenge.mistake(
    "learned",
    "You count what is right now and was wrong before: that is what was learned.",
    hint="Lost means right before and wrong now.",
    answer=spoiled(LOST, "sum(now and not was for was, now in zip(before, after))"),
)


# ---- the whole -----------------------------------------------------------------------------------

challenge.mistake(
    "of-all",
    "You divide by all questions. What was never known can't be forgotten.",
    hint="Divide by how many were right before.",
    answer=spoiled(KNOWN, "len(before)"),
)

challenge.mistake(
    "of-what-is-known-now",
    "You divide by how many are right now.",
    hint="Divide by how many were right before.",
    answer=spoiled(KNOWN, "max(1, sum(after))"),
)

challenge.mistake(
    "count",
    "You return how many were lost. Out of how many?",
    hint="Divide by how many were right before.",
    answer=spoiled(f" / {KNOWN}", ""),
)

challenge.mistake(
    "nothing-is-zero",
    "Where nothing was known you say that nothing was forgotten. There was nothing to measure.",
    hint="Raise a ValueError when no answer was right before.",
    answer=spoiled(
        'raise ValueError("nothing was known before, so nothing can be forgotten")', "return 0.0"
    ),
)

challenge.mistake(
    "lengths-unchecked",
    "You compare lists of different lengths: some question was asked only once.",
    hint="if len(before) != len(after): raise ValueError(...)",
    answer=spoiled("strict=True", "strict=False", KNOWN, "sum(before)"),
)


@challenge.alternative
def by_tensors(before: list[bool], after: list[bool]) -> float:
    """With boolean tensors."""
    known, now = torch.tensor(before, dtype=torch.bool), torch.tensor(after, dtype=torch.bool)
    if known.shape != now.shape or not known.any():
        raise ValueError("before and after")
    return float((known & ~now).sum() / known.sum())


@challenge.alternative
def less_what_is_kept(before: list[bool], after: list[bool]) -> float:
    """One minus the share that is still known."""
    if len(before) != len(after):
        raise ValueError("lengths")
    if sum(before) == 0:
        raise ValueError("nothing known")
    return 1 - sum(a * b for a, b in zip(before, after, strict=True)) / sum(before)
