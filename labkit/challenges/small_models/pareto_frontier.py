"""Nobody is as fast and as good, and better in one; fastest first."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from labkit.grading import Challenge, Submission
from labkit.grading.drawing import draw

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
    """Nobody is as fast and as good, and better in one; fastest first."""

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
)


def measured(models: Models) -> None:
    if any(number != number for pair in models.values() for number in pair):
        raise ValueError("NaN")


def by_time(models: Models) -> list[str]:
    """Fastest first, the better of equally fast ones first, otherwise as given."""
    return sorted(models, key=lambda name: (models[name][0], -models[name][1]))


def picked_by(pick: Callable[[Models, list[str]], list[str]]) -> Callable[[Models], list[str]]:
    """A complete answer; `pick` gets the names by time."""

    def pareto_frontier(models: Models) -> list[str]:
        measured(models)
        return pick(models, by_time(models))

    return pareto_frontier


def best_only(models: Models, names: list[str]) -> list[str]:
    top = max((models[n][1] for n in names), default=0.0)
    first = next((n for n in names if models[n][1] == top), None)
    return [n for n in names if first and models[n] == models[first]]


challenge.mistake(
    "best-only",
    "You kept the best model. One that is faster and nearly as good is a choice too.",
    hint="Keep every model that no other one beats.",
    answer=picked_by(best_only),
)


def fastest_only(models: Models, names: list[str]) -> list[str]:
    return [n for n in names if models[n] == models[names[0]]]


challenge.mistake(
    "fastest-only",
    "You kept the fastest model. One that is slower and better is a choice too.",
    hint="Keep every model that no other one beats.",
    answer=picked_by(fastest_only),
)


def both_ends(models: Models, names: list[str]) -> list[str]:
    return list(dict.fromkeys([*fastest_only(models, names), *best_only(models, names)]))


challenge.mistake(
    "both-ends-only",
    "You kept the fastest and the best. Between them there are choices too.",
    hint="Keep every model that no other one beats.",
    answer=picked_by(both_ends),
)


def best_ratio(models: Models, names: list[str]) -> list[str]:
    ratio = {n: models[n][1] / models[n][0] for n in names}
    return [n for n in names if ratio[n] == max(ratio.values())]


challenge.mistake(
    "best-ratio",
    "You kept the most quality per millisecond. How much quality a millisecond is worth is the "
    "user's affair: the frontier leaves that open.",
    hint="Compare both numbers, without a ratio.",
    answer=picked_by(best_ratio),
)


def unbeaten_by(
    beats: Callable[[tuple[float, float], tuple[float, float]], bool],
    order: Callable[[Models], list[str]] = by_time,
) -> Callable[[Models], list[str]]:
    """A complete answer: `beats` says whether one of two models rules the other out."""

    def pareto_frontier(models: Models) -> list[str]:
        measured(models)
        return [
            name
            for name in order(models)
            if not any(beats(models[o], models[name]) for o in models if o != name)
        ]

    return pareto_frontier


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """As fast and as good, and better in one."""
    return one[0] <= other[0] and one[1] >= other[1] and one != other


challenge.mistake(
    "better-in-both",
    "You drop a model only where another one is better in both. One that is as fast, and "
    "better, beats it as well.",
    hint="As good in both, and better in one: <= and >=, and not the same pair.",
    answer=unbeaten_by(lambda one, other: one[0] < other[0] and one[1] > other[1]),
)


challenge.mistake(
    "equals-beat-each-other",
    "Two models with the same two numbers throw each other out, and both are lost.",
    hint="To beat means better in one of the two at least.",
    answer=unbeaten_by(lambda one, other: one[0] <= other[0] and one[1] >= other[1]),
)


def first_of_equals(models: Models, names: list[str]) -> list[str]:
    kept: list[str] = []
    for name in names:
        if not kept or models[name][1] > models[kept[-1]][1]:
            kept.append(name)
    return kept


challenge.mistake(
    "first-of-equals",
    "Of two models with the same numbers you kept the first. Which of them to take is not for "
    "the order of a table to say.",
    hint="Keep both.",
    answer=picked_by(first_of_equals),
)


def next_only(models: Models, names: list[str]) -> list[str]:
    pairs = [(-math.inf, -math.inf), *(models[n] for n in names)]
    return [
        n
        for n, before in zip(names, pairs, strict=False)
        if models[n][1] > before[1] or models[n] == before
    ]


challenge.mistake(
    "next-only",
    "You compared each model with the next faster one. The one that beats it may be faster still.",
    hint="Remember the best quality so far.",
    answer=picked_by(next_only),
)


def by_best_so_far(models: Models, names: list[str]) -> list[str]:
    """Another right answer: the best quality among those at most as slow."""
    return [
        name
        for name in names
        if all(
            models[n][1] < models[name][1] or models[n] == models[name]
            for n in names[: names.index(name)]
        )
    ]


def hull(models: Models, names: list[str]) -> list[str]:
    kept = by_best_so_far(models, names)

    def under(a: str, b: str, c: str) -> bool:
        (x0, y0), (x1, y1), (x2, y2) = (models[n] for n in (a, b, c))
        return (y1 - y0) * (x2 - x0) < (y2 - y0) * (x1 - x0) - 1e-12

    return [
        name
        for name in kept
        if not any(
            under(a, name, c)
            for a in kept
            for c in kept
            if models[a][0] < models[name][0] < models[c][0]
        )
    ]


challenge.mistake(
    "on-the-hull-only",
    "You kept the corners of the convex hull. A model below the line between two others is "
    "still the best within its time: one can't run half of each.",
    hint="Compare models with models, not with lines.",
    answer=picked_by(hull),
)


challenge.mistake(
    "slow-is-good",
    "You took many milliseconds for good.",
    hint="Fewer milliseconds, more quality.",
    answer=unbeaten_by(
        lambda one, other: one[0] >= other[0] and one[1] >= other[1] and one != other
    ),
)


challenge.mistake(
    "poor-is-good",
    "You took little quality for good, as if it were a loss.",
    hint="Fewer milliseconds, more quality.",
    answer=unbeaten_by(
        lambda one, other: one[0] <= other[0] and one[1] <= other[1] and one != other
    ),
)


challenge.mistake(
    "as-given",
    "Your models stand in the order of the input. The fastest comes first.",
    hint="Sort by milliseconds.",
    answer=unbeaten_by(beats, order=list),
)


challenge.mistake(
    "slowest-first",
    "Your slowest model comes first.",
    hint="Sort by milliseconds, fewest first.",
    answer=unbeaten_by(
        beats, order=lambda models: sorted(models, key=lambda n: models[n][0], reverse=True)
    ),
)


@challenge.mistake(
    "nan-unchecked",
    "A model without a measurement is on your frontier: NaN is neither more nor less than any "
    "number, so nobody beats it.",
    hint="if math.isnan(...) of any number: raise ValueError(...)",
)
def frontier_of_nan(models: Models) -> list[str]:
    return [n for n in by_time(models) if not any(beats(o, models[n]) for o in models.values())]


challenge.alternative(unbeaten_by(beats))


challenge.alternative(picked_by(by_best_so_far))


challenge.equivalent(
    (
        "1->-1 | pair[0] <= mine[0] and pair[1] >= mine[1] and pair != mine for pair in "
        "models.values()"
    ),
    (
        "1->-1 | pair[0] <= mine[0] and pair[1] >= mine[1] and pair != mine for pair in "
        "models.values() #2"
    ),
    because="A pair has two items: the last is number 1.",
)


challenge.equivalent(
    (
        "0->1 | return [name for name in sorted(models, key=lambda n: models[n][0]) if not "
        "beaten(models[name])]"
    ),
    (
        "0->-1 | return [name for name in sorted(models, key=lambda n: models[n][0]) if not "
        "beaten(models[name])]"
    ),
    because="On the frontier more quality takes more time: by quality the order is the same.",
)
