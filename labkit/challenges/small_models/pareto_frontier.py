"""The Pareto frontier: no other model is as fast and as good, and better in one of the two.

Checked against a sweep from the fastest model to the slowest.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import torch

from labkit.grading import Challenge, Submission
from labkit.grading.checks.diagnosis import same_values
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled
from labkit.grading.transports.transport import Reply, Returned

Models = dict[str, tuple[float, float]]


def true_frontier(models: Models) -> list[str]:
    """By a sweep from the fastest: kept is what is better than all before it, and its equals."""
    order = list(models)
    swept = sorted(order, key=lambda name: (models[name][0], -models[name][1], order.index(name)))
    kept: list[str] = []
    for name in swept:
        if not kept or models[name][1] > models[kept[-1]][1] or models[name] == models[kept[-1]]:
            kept.append(name)
    return kept


def check_pareto_frontier(s: Submission) -> None:
    def expect(models: Models, because: str) -> None:
        s.pareto_frontier(models).equals(true_frontier(models), because=because)

    rule = "On the frontier are those that no other model beats."
    expect({"only": (30.0, 0.5)}, rule)
    expect({"large": (90.0, 0.8), "small": (20.0, 0.7), "old": (40.0, 0.6)}, rule)
    expect({"a": (50.0, 0.9), "b": (10.0, 0.3), "c": (20.0, 0.5), "d": (60.0, 0.8)}, rule)
    below = "A model below the line from one neighbour to the other is still a choice."
    expect({"a": (10.0, 0.1), "b": (50.0, 0.2), "c": (90.0, 0.9)}, below)
    hidden = "It has to be better than every faster one, not only than the next."
    expect({"a": (10.0, 0.8), "b": (20.0, 0.4), "c": (30.0, 0.6), "d": (40.0, 0.9)}, hidden)
    tied = "As fast and better, or as good and faster, is better."
    expect({"a": (10.0, 0.5), "b": (10.0, 0.7)}, tied)
    expect({"a": (30.0, 0.7), "b": (10.0, 0.7)}, tied)
    expect({"a": (30.0, 0.7), "b": (10.0, 0.7), "c": (10.0, 0.6), "d": (40.0, 0.8)}, tied)
    equal = "Equals don't beat each other: both are on the frontier, or neither."
    expect({"b": (10.0, 0.7), "a": (10.0, 0.7)}, equal)
    expect({"x": (20.0, 0.8), "b": (10.0, 0.7), "y": (20.0, 0.8), "a": (10.0, 0.7)}, equal)
    expect({"b": (10.0, 0.7), "a": (10.0, 0.7), "best": (5.0, 0.9)}, equal)
    numbers = drawn_numbers(s, 5)
    expect(numbered([*numbers, *numbers[draw(s, 5) :], *numbers]), equal)
    for size in (6, 12):
        expect(numbered(drawn_numbers(s, size)), rule)
    expect({}, "Of no model there is no frontier.")
    unknown = "What was not measured (NaN) can't be compared."
    for pair in ((math.nan, 0.5), (10.0, math.nan)):
        numbers = drawn_numbers(s, 6)
        numbers[draw(s, 6)] = pair
        s.pareto_frontier.raises(ValueError, numbered(numbers), because=unknown)
        s.pareto_frontier.raises(ValueError, {"a": (20.0, 0.4), "b": pair}, because=unknown)
        s.pareto_frontier.raises(ValueError, {"b": pair, "a": (20.0, 0.4)}, because=unknown)


def drawn_numbers(s: Submission, size: int) -> list[tuple[float, float]]:
    """Pairs of few milliseconds and tenths, so that some are alike."""
    drawn = torch.randint(1, 10, (size, 2), generator=s.generator).tolist()
    return [(float(ms), quality / 10) for ms, quality in drawn]


def numbered(pairs: list[tuple[float, float]]) -> Models:
    """Models called m0, m1, …"""
    return {f"m{number}": pair for number, pair in enumerate(pairs)}


def same_but_for_ties(left: Reply, right: Reply) -> bool:
    """The same mistake: equal names, where the equally fast may change places."""
    return same_values(with_ties_sorted(left), with_ties_sorted(right))


def with_ties_sorted(reply: Reply) -> Reply:
    """A reply with a list of names for each run of the same time."""
    if not isinstance(reply, Returned) or type(reply.value) is not list:
        return reply
    (models,) = reply.arguments
    runs = groupby(reply.value, key=lambda name: models[name][0])
    return replace(reply, value=[sorted(run) for _, run in runs])


challenge = Challenge(
    name="pareto_frontier",
    title="The frontier of quality and time",
    check=check_pareto_frontier,
    points=3,
    hints=(
        "When would nobody ever take a model, whatever a millisecond is worth to them?",
        "Write down when one pair beats another. Try your rule on two models with the same time, "
        "then with the same time and the same quality. Which models does no pair beat?",
        "large (90, 0.8), small (20, 0.7), old (40, 0.6): small is faster than old and better, so "
        "old is out. large is better than small: it stays. small, large.",
    ),
    alike=same_but_for_ties,
)

UNBEATEN = "not beaten(models[name])"
FASTEST = "min(models.values(), key=lambda pair: (pair[0], -pair[1]))"
BEST = "max(models.values(), key=lambda pair: (pair[1], -pair[0]))"
BY_TIME = "key=lambda n: models[n][0]"


# ---- whether a model is a choice -----------------------------------------------------------------

challenge.mistake(
    "best-only",
    "You kept the best model. One that is faster and nearly as good is a choice too.",
    hint="Keep every model that no other one beats.",
    answer=spoiled(UNBEATEN, f"models[name] == {BEST}"),
)

challenge.mistake(
    "fastest-only",
    "You kept the fastest model. One that is slower and better is a choice too.",
    hint="Keep every model that no other one beats.",
    answer=spoiled(UNBEATEN, f"models[name] == {FASTEST}"),
)

challenge.mistake(
    "both-ends-only",
    "You kept the fastest and the best. Between them there are choices too.",
    hint="Keep every model that no other one beats.",
    answer=spoiled(UNBEATEN, f"models[name] in ({FASTEST}, {BEST})"),
)

challenge.mistake(
    "best-ratio",
    "You kept the most quality per millisecond. How much quality a millisecond is worth is the "
    "user's affair: the frontier leaves that open.",
    hint="Compare both numbers, without a ratio.",
    answer=spoiled(
        UNBEATEN,
        "models[name][1] / models[name][0] == max(quality / ms for ms, quality in models.values())",
    ),
)


def refuse_nan(models: Models) -> None:
    """ValueError as the contract wants it."""
    if any(number != number for pair in models.values() for number in pair):
        raise ValueError("NaN")


def by_time(models: Models) -> list[str]:
    """Fastest first, the better of equally fast ones first, otherwise as given."""
    return sorted(models, key=lambda name: (models[name][0], -models[name][1]))


@challenge.mistake(
    "on-the-hull-only",
    "You kept the corners of the convex hull. A model below the line between two others is "
    "still the best within its time: one can't run half of each.",
    hint="Compare models with models, not with lines.",
)
def corners_of_the_hull(models: Models) -> list[str]:
    refuse_nan(models)
    names = true_frontier(models)
    front = [models[name] for name in names]

    def below_a_line(ms: float, quality: float) -> bool:
        return any(
            x0 < ms < x1 and quality < y0 + (y1 - y0) * (ms - x0) / (x1 - x0) - 1e-12
            for x0, y0 in front
            for x1, y1 in front
        )

    return [name for name in names if not below_a_line(*models[name])]


# ---- what beats what -----------------------------------------------------------------------------

challenge.mistake(
    "better-in-both",
    "You drop a model only where another one is better in both. One that is as fast, and "
    "better, beats it as well.",
    hint="As good in both, and better in one: <= and >=, and not the same pair.",
    answer=spoiled("<=", "<", ">=", ">"),
)


@challenge.mistake(
    "equals-beat-each-other",
    "Two models with the same two numbers throw each other out, and both are lost.",
    hint="To beat means better in one of the two at least.",
)
def equals_lost(models: Models) -> list[str]:
    refuse_nan(models)

    def beaten(name: str) -> bool:
        ms, quality = models[name]
        others = (pair for other, pair in models.items() if other != name)
        return any(pair[0] <= ms and pair[1] >= quality for pair in others)

    return [name for name in by_time(models) if not beaten(name)]


@challenge.mistake(
    "first-of-equals",
    "Of two models with the same numbers you kept the first. Which of them to take is not for "
    "the order of a table to say.",
    hint="Keep both.",
)
def first_of_equals(models: Models) -> list[str]:
    refuse_nan(models)
    kept: list[str] = []
    for name in by_time(models):
        if not kept or models[name][1] > models[kept[-1]][1]:
            kept.append(name)
    return kept


@challenge.mistake(
    "next-only",
    "You compared each model with the next faster one. The one that beats it may be faster still.",
    hint="Remember the best quality so far.",
)
def next_only(models: Models) -> list[str]:
    refuse_nan(models)
    names = by_time(models)
    return names[:1] + [
        name
        for before, name in pairwise(names)
        if models[name][1] > models[before][1] or models[name] == models[before]
    ]


challenge.mistake(
    "slow-is-good",
    "You took many milliseconds for good.",
    hint="Fewer milliseconds, more quality.",
    answer=spoiled("<=", ">="),
)

challenge.mistake(
    "poor-is-good",
    "You took little quality for good, as if it were a loss.",
    hint="Fewer milliseconds, more quality.",
    answer=spoiled(">=", "<="),
)


# ---- in which order, and what is refused ---------------------------------------------------------

challenge.mistake(
    "as-given",
    "Your models stand in the order of the input. The fastest comes first.",
    hint="Sort by milliseconds.",
    answer=spoiled(f"sorted(models, {BY_TIME})", "models"),
)

challenge.mistake(
    "slowest-first",
    "Your slowest model comes first.",
    hint="Sort by milliseconds, fewest first.",
    answer=spoiled(BY_TIME, f"{BY_TIME}, reverse=True"),
)

challenge.mistake(
    "nan-unchecked",
    "A model without a measurement is on your frontier: NaN is neither more nor less than any "
    "number, so nobody beats it.",
    hint="if math.isnan(...) of any number: raise ValueError(...)",
    answer=spoiled("math.isnan(number)", "number is None"),
)


@challenge.alternative
def by_extremes(models: Models) -> list[str]:
    """The best of all that are as fast, and the fastest of all that are as good."""
    if any(math.isnan(ms + quality) for ms, quality in models.values()):
        raise ValueError("NaN")
    pairs = models.values()
    return [
        name
        for name in sorted(models, key=lambda name: models[name][0])
        if models[name][1] == max(quality for ms, quality in pairs if ms <= models[name][0])
        and models[name][0] == min(ms for ms, quality in pairs if quality >= models[name][1])
    ]


@challenge.alternative
def by_matrix(models: Models) -> list[str]:
    """Every model against every other at once, in NumPy."""
    ms, quality = np.array([*models.values()]).reshape(-1, 2).T
    if np.isnan(ms + quality).any():
        raise ValueError("NaN")
    as_good = np.less_equal.outer(ms, ms) & np.greater_equal.outer(quality, quality)
    beaten = (as_good & ~as_good.T).any(axis=0)
    names = list(models)
    return [names[i] for i in np.argsort(ms, kind="stable") if not beaten[i]]


PAIRS = "pair[0] <= mine[0] and pair[1] >= mine[1] and pair != mine for pair in models.values()"
challenge.equivalent(
    f"1->-1 | {PAIRS}",
    f"1->-1 | {PAIRS} #2",
    because="A pair has two items: the last is number 1.",
)
RETURN = f"return [name for name in sorted(models, {BY_TIME}) if {UNBEATEN}]"
challenge.equivalent(
    f"0->1 | {RETURN}",
    f"0->-1 | {RETURN}",
    because="On the frontier more quality takes more time: by quality the order is the same.",
)
