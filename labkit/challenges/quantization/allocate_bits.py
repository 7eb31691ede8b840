"""Bits for each layer within a budget, least damage in all: a multiple-choice knapsack.

Checked against every choice tried one by one, and for 28 layers against a table of NumPy over
the bits that are left. Any choice that does as little damage is right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

Damage = list[dict[int, float]]


def least_damage(sizes: list[int], damage: Damage, budget: float) -> float:
    """The smallest sum of damage within the budget.

    Every choice is tried, or, for many layers, the smallest damage found for each number of bits
    that can be left.
    """
    if np.prod([len(options) for options in damage]) <= 5000:
        fits = [
            sum(damage[i][b] for i, b in enumerate(choice))
            for choice in product(*damage)
            if sum(size * b for size, b in zip(sizes, choice, strict=True)) <= budget
        ]
        return min(fits)
    unit = int(np.gcd.reduce(sizes))
    best = np.zeros(int(budget // unit) + 1)
    for size, options in zip(sizes, damage, strict=True):
        longer = np.full_like(best, np.inf)
        for bits, hurt in options.items():
            cost = size // unit * bits
            longer[cost:] = np.minimum(longer[cost:], best[: len(best) - cost] + hurt)
        best = longer
    return float(best[-1])


def random_damage(s: Submission, layers: int, bits: tuple[int, ...] = (2, 3, 4, 8)) -> Damage:
    """Damage that falls with the bits, at a pace of each layer's own."""
    scales = (3 * torch.rand(layers, generator=s.generator)).exp().tolist()
    wobble = torch.rand(layers, len(bits), generator=s.generator).add(0.5).tolist()
    return [
        {b: scale * w * 4.0**-b for b, w in zip(bits, row, strict=True)}
        for scale, row in zip(scales, wobble, strict=True)
    ]


def check_allocate_bits(s: Submission) -> None:
    """Budgets that bind and budgets that leave a rest, in models of one layer to 28."""

    def expect(sizes: list[int], damage: Damage, budget: float, because: str) -> None:
        best = least_damage(sizes, damage, budget)

        def problem(chosen: Any) -> str | None:
            return what_is_wrong(chosen, sizes, damage, budget, best)

        s.allocate_bits(sizes, damage, budget).holds(problem, because=because)

    two = [{2: 0.5, 4: 0.1}, {2: 0.5, 4: 0.15}]
    expect([10, 30], two, 120, "The sum of size x bits stays within the budget.")
    expect([10, 30], two, 160, "A budget may be used to the last bit.")
    expect([10, 30], two, 159.5, "A budget need not be a whole number.")
    expect([10], [{8: 0.0, 4: 0.3}], 40, "One layer.")
    expect([10], [{3: 0.2}], 30, "One layer with one choice.")
    best = "No other choice within the budget does less damage."
    expect([10, 10], [{2: 0.9, 4: 0.1}, {2: 0.5, 4: 0.4}], 60, best)
    expect([10, 10], [{2: 0.5, 4: 0.4}, {2: 0.9, 4: 0.1}], 60, best)
    expect([30, 10, 10], [{2: 1.0, 4: 0.1}, {2: 0.5, 4: 0.1}, {2: 0.5, 4: 0.1}], 140, best)
    expect([30, 20, 20], [{2: 1.0, 4: 0.0}, {2: 0.6, 4: 0.0}, {2: 0.6, 4: 0.0}], 220, best)
    expect([10, 20], [{2: 0.1, 4: 0.3}, {2: 0.5, 4: 0.1}], 120, "More bits can do more damage.")
    expect([10, 20], [{2: -0.1, 4: 0.3}, {2: 0.5, 4: -0.2}], 200, "Damage below 0 is a gain.")
    expect([10, 20], [{3: 0.1, 2: 0.5}, {8: 0.0, 5: 0.2}], 130, "Layers can differ in choices.")
    for layers, share in ((3, 2.4), (4, 3.1), (5, 2.7), (6, 4.5)):
        sizes = [1 + draw(s, 4) for _ in range(layers)]
        expect(sizes, random_damage(s, layers), share * sum(sizes), best)
    sizes = [65536, 65536, 65536, 65536, 196608, 196608, 196608] * 4
    many = "A real model has many layers: the 4^28 choices of 28 layers are too many to try."
    expect(sizes, random_damage(s, 28), 3.0 * sum(sizes), many)

    none = "If even the fewest bits are too many, nothing can be chosen."
    s.allocate_bits.raises(ValueError, [10, 30], two, 79, because=none)
    s.allocate_bits.raises(ValueError, [10], [{8: 0.1}], 0, because=none)
    sizes = [1 + draw(s, 1000) for _ in range(5)]
    short = 2 * sum(sizes) - 1 - draw(s, sum(sizes))
    s.allocate_bits.raises(ValueError, sizes, random_damage(s, 5), short, because=none)


def what_is_wrong(
    chosen: Any, sizes: list[int], damage: Damage, budget: float, best: float
) -> str | None:
    """Why a choice is not right: not one of those allowed, over the budget, or not the best."""
    if type(chosen) is not list or len(chosen) != len(sizes):
        return f"A list of {len(sizes)} numbers of bits was expected, one for each layer."
    for i, bits in enumerate(chosen):
        if type(bits) is not int or bits not in damage[i]:
            return f"Layer {i} got {bits!r}; it may have {sorted(damage[i])}."
    taken = sum(size * bits for size, bits in zip(sizes, chosen, strict=True))
    if taken > budget:
        return f"{chosen} takes {taken:,} bits of {budget:,}."
    hurt = sum(options[bits] for options, bits in zip(damage, chosen, strict=True))
    if hurt > best + 1e-9 + 1e-6 * abs(best):
        return f"{chosen} does damage of {hurt:.5g}; {best:.5g} is possible."
    return None


challenge = Challenge(
    name="allocate_bits",
    title="A budget of bits for a whole model",
    check=check_allocate_bits,
    points=3,
    hints=(
        "Look at one layer after the other. Of two beginnings that took the same number of bits, "
        "can the one with more damage ever win?",
        "Write down by hand all beginnings of three layers of equal size, each with 2 or 4 bits. "
        "How many are there after two layers, and how many *different* numbers of bits have they "
        "taken? What has to be known of a beginning to go on from it?",
        "Sizes 10 and 30, both {2: 0.5, 4: 0.1}, budget 120. After layer one: {20: 0.5, 40: 0.1}. "
        "After layer two: 20 + 60 = 80: 1.0; 40 + 60 = 100: 0.6; with 4 bits 140 or 160, too many. "
        "Best is 0.6: [4, 2].",
    ),
)

REFUSAL = (
    'raise ValueError(f"no choice fits {budget} bits: give more, or allow fewer bits a weight")'
)


def refuse_if_nothing_fits(sizes: list[int], damage: Damage, budget: float) -> None:
    if sum(size * min(options) for size, options in zip(sizes, damage, strict=True)) > budget:
        raise ValueError("nothing fits")


# ---- no search at all ----------------------------------------------------------------------------


@challenge.mistake(
    "budget-ignored",
    "You gave each layer the most bits or the best, whatever they cost: together they take "
    "more than the budget.",
    hint="Add up size x bits, and keep within the budget.",
)
def all_the_best(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    refuse_if_nothing_fits(sizes, damage, budget)
    return [min(options, key=lambda bits: options[bits]) for options in damage]


@challenge.mistake(
    "all-alike",
    "You gave all layers the same bits. The point of measuring each layer is that some need "
    "more than others.",
    hint="Compare choices by their sum of damage.",
)
def all_alike(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    refuse_if_nothing_fits(sizes, damage, budget)
    share = budget / sum(sizes)
    return [max((b for b in options if b <= share), default=min(options)) for options in damage]


@challenge.mistake(
    "fewest-bits",
    "You took the fewest bits everywhere, and left the rest of the budget unused.",
    hint="The budget is there to be used: what would it buy?",
)
def fewest(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    refuse_if_nothing_fits(sizes, damage, budget)
    return [min(options) for options in damage]


# ---- one step after the other, without a look ahead ----------------------------------------------


def greedy(worth: Callable[[float, int, int], float]) -> Callable[..., list[int]]:
    """From the fewest bits up, the upgrade that is worth most, as long as one fits."""

    def allocate_bits(sizes: list[int], damage: Damage, budget: float) -> list[int]:
        refuse_if_nothing_fits(sizes, damage, budget)
        chosen = [min(options) for options in damage]
        while True:
            left = budget - sum(n * b for n, b in zip(sizes, chosen, strict=True))
            steps = [
                (worth(damage[i][now] - damage[i][b], b - now, sizes[i]), i, b)
                for i, now in enumerate(chosen)
                for b in damage[i]
                if b > now and (b - now) * sizes[i] <= left and damage[i][b] < damage[i][now]
            ]
            if not steps:
                return chosen
            _, i, b = max(steps)
            chosen[i] = b

    return allocate_bits


challenge.mistake(
    "largest-gain-first",
    "You upgrade first where the damage falls most, whatever that costs. A large layer can eat "
    "a budget that two small ones would have used better.",
    hint="Keep, for each number of bits taken so far, the best choice for the layers so far.",
    answer=greedy(lambda gain, bits, size: gain),
)

challenge.mistake(
    "best-gain-per-bit-first",
    "You upgrade first where a bit buys most. That is nearly right, and often good enough; but "
    "it can leave a rest of the budget that another choice would use.",
    hint="Keep, for each number of bits taken so far, the best choice for the layers so far.",
    answer=greedy(lambda gain, bits, size: gain / (bits * size)),
)


@challenge.mistake(
    "least-harm-first",
    "You begin with the most bits and give back where a bit is missed least. That is nearly "
    "right; but once given back, a bit does not return, although it might fit in the end.",
    hint="Keep, for each number of bits taken so far, the best choice for the layers so far.",
)
def from_the_top(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    """From the most bits down, the step that does the least damage for each bit that it frees."""
    refuse_if_nothing_fits(sizes, damage, budget)
    chosen = [max(options) for options in damage]
    while sum(n * b for n, b in zip(sizes, chosen, strict=True)) > budget:
        _, i, bits = min(
            ((damage[i][b] - damage[i][now]) / ((now - b) * sizes[i]), i, b)
            for i, now in enumerate(chosen)
            for b in damage[i]
            if b < now
        )
        chosen[i] = bits
    return chosen


# ---- another sum, another border -----------------------------------------------------------------

challenge.mistake(
    "sizes-ignored",
    "You count as if all the layers had the same size.",
    hint="A layer takes size x bits.",
    answer=spoiled("size * bits", "round(sum(sizes) / len(sizes)) * bits"),
)

challenge.mistake(
    "damage-weighed-by-size",
    "You multiply the damage by the layer's size. It is the rise of the whole model's loss "
    "already.",
    hint="Add the damages up as they are.",
    answer=spoiled("hurt + more", "hurt + size * more"),
)

challenge.mistake(
    "budget-never-used-up",
    "You refuse a choice that takes exactly the budget. It fits.",
    hint="Compare with <=.",
    answer=spoiled("total <= budget", "total < budget"),
)

challenge.mistake(
    "nothing-refused",
    "If nothing fits, you return something all the same. It would not fit on the machine.",
    hint="Raise ValueError when no choice is left.",
    answer=spoiled(REFUSAL, "return [min(options) for options in damage]"),
)

# ---- another right answer ------------------------------------------------------------------------


@challenge.alternative
def by_recursion(sizes: list[int], damage: Damage, budget: float) -> list[int]:
    """From the first layer on, with what is left of the budget."""

    @cache
    def best(i: int, left: float) -> tuple[float, tuple[int, ...]]:
        if i == len(sizes):
            return 0.0, ()
        found: list[tuple[float, tuple[int, ...]]] = [(float("inf"), ())]
        for bits, hurt in damage[i].items():
            if sizes[i] * bits <= left:
                rest, chosen = best(i + 1, left - sizes[i] * bits)
                found.append((hurt + rest, (bits, *chosen)))
        return min(found)

    hurt, chosen = best(0, budget)
    if hurt == float("inf"):
        raise ValueError("nothing fits")
    return list(chosen)


# ---- mutants that are as right as the reference --------------------------------------------------

challenge.equivalent(
    "0.0->1.0 | best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}",
    "0.0->-1.0 | best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}",
    because="All sums of damage begin at the same number; their order stays.",
)

challenge.equivalent(
    "strict= dropped | for size, options in zip(sizes, damage, strict=True):",
    "strict=True->False | for size, options in zip(sizes, damage, strict=True):",
    because="There is one damage for each size; nothing is said of other calls.",
)

challenge.equivalent(
    'Lt->LtE | if total <= budget and candidate < longer.get(total, (float("inf"), [])):',
    because="Two candidates are never equal: their choices differ.",
)

challenge.equivalent(
    "if False | if not best:",
    f"line dropped | {REFUSAL}",
    because="min of nothing raises a ValueError too.",
)

challenge.equivalent(
    "1->-1 | return min(best.values())[1]",
    because="The choice is the last of two.",
)
