"""Passages packed into a window: within budget, no copies, by relevance per token, the best last.

More than one choice is right, so a check holds each against the promises. What there is to be had
is the better of two sums: filling by relevance per token, in exact fractions, and the best alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

import torch

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw, draw_text
from labkit.grading.source.spoiling import spoiled

TextCounter = Callable[[str], int]


def words_in(text: str) -> int:
    """A counter of words."""
    return len(text.split())


def characters_in(text: str) -> int:
    """A counter under which white space and case make no difference to copies."""
    return len("".join(text.split()))


def text_of(words: int, name: str) -> str:
    """A passage of so many words that no other name shares."""
    return " ".join([name] * words)


def normal(text: str) -> str:
    """What copies have in common."""
    return " ".join(text.lower().split())


def greedy_sum(
    passages: Sequence[str], relevance: Sequence[float], costs: Sequence[int], budget: int
) -> float:
    """What taking by relevance per token gives, in exact fractions; no copies."""
    order = sorted(range(len(passages)), key=lambda i: -Fraction(relevance[i]) / costs[i])
    total, seen = 0.0, set()
    for i in order:
        if relevance[i] > 0 and costs[i] <= budget and normal(passages[i]) not in seen:
            total, budget = total + relevance[i], budget - costs[i]
            seen.add(normal(passages[i]))
    return total


def best_alone(relevance: Sequence[float], costs: Sequence[int], budget: int) -> float:
    """The relevance of the best passage that fits alone."""
    fitting = (value for value, cost in zip(relevance, costs, strict=True) if cost <= budget)
    return max(fitting, default=0.0)


def is_packing(
    passages: Sequence[str], relevance: Sequence[float], budget: int, count: TextCounter
) -> Callable[[Any], str | None]:
    """Says which promise a choice breaks, if any."""
    costs, texts = [count(text) + 1 for text in passages], [normal(text) for text in passages]
    bound = max(
        greedy_sum(passages, relevance, costs, budget), best_alone(relevance, costs, budget)
    )

    def problem(chosen: Any) -> str | None:
        if stray := not_positions(chosen, len(passages)):
            return stray
        taken, values = {texts[i] for i in chosen}, [relevance[i] for i in chosen]
        left = budget - sum(costs[i] for i in chosen)
        if len(taken) < len(chosen):
            return "the same text is taken twice"
        if 0 in values:
            return "a passage of relevance 0 is taken"
        if left < 0:
            return f"the chosen take {budget - left} tokens, and the budget is {budget}"
        if values != sorted(values):
            return f"their relevance in this order is {values}; it must never fall"
        for i, text in enumerate(texts):
            if relevance[i] > 0 and costs[i] <= left and text not in taken:
                return f"{left} tokens are left, and passage {i} would still fit with {costs[i]}"
        if sum(values) < bound - 1e-9:
            return f"their relevance adds up to {sum(values):g}, and {bound:g} is to be had"
        return None

    return problem


def not_positions(chosen: Any, count: int) -> str | None:
    """What is wrong with a list of different positions below `count`."""
    if type(chosen) is not list or any(type(i) is not int for i in chosen):
        return "a list of indices (int) was expected"
    if any(not 0 <= i < count for i in chosen):
        return f"an index is out of range: there are {count} passages"
    return "an index stands there twice" if len(set(chosen)) < len(chosen) else None


def check_pack_passages(s: Submission) -> None:
    def expect_texts(
        texts: Sequence[str], relevance: Sequence[float], budget: int, because: str,
        count: TextCounter = words_in,
    ) -> None:  # fmt: skip
        values = [float(value) for value in relevance]
        answer = s.pack_passages(list(texts), values, budget, count)
        answer.holds(is_packing(texts, values, budget, count), because=because)

    def expect(sizes: Sequence[int], *more: Any) -> None:
        expect_texts([text_of(size, f"p{i}") for i, size in enumerate(sizes)], *more)

    simple = "Everything fits: all are taken, the most relevant last."
    expect([3], [1], 9, simple)
    expect([2, 3, 1], [5, 1, 3], 20, simple)
    density = "What counts is relevance per token."
    expect([9, 2, 2, 2], [6, 3, 4, 5], 10, density)
    expect([2, 2, 2, 9], [1, 2, 9, 8], 9, density)
    expect([1, 1, 1, 4, 4], [1, 2, 3, 10, 20], 11, density)
    expect([4, 3, 8, 1, 6, 2], [3, 7, 9, 1, 8, 5], 14, density)
    skip = "A passage that does not fit is passed over, and a later one may fit."
    expect([3, 9, 2], [8, 12, 1], 8, skip)
    expect([20, 3, 2], [90, 2, 1], 8, skip)
    line = "Each passage takes its tokens and 1 for its line end."
    expect([3, 3, 3], [5, 4, 3], 11, line)
    expect([4, 4], [5, 4], 10, line)
    expect([4, 4], [5, 4], 9, line)
    nothing = "When nothing fits, or nothing is relevant, the list is empty."
    expect([5, 6], [1, 2], 5, nothing)
    expect([], [], 5, nothing)
    expect([1, 2], [0, 0], 9, nothing)
    expect([2, 1, 3], [4, 0, 2], 20, "What has relevance 0 only costs: it is never taken.")

    copies = "Of copies, the same words whatever their case and the space between, one is taken."
    expect_texts(["a b", "c d e", "a b"], [5, 4, 5], 30, copies)
    expect_texts(["The cat sat", "a dog", "the  cat\nSAT ", "one two"], [6, 4, 6, 3], 12, copies)
    expect_texts(["X y", "x Y", "x  y", "z"], [3, 3, 3, 1], 5, copies)
    expect_texts(["a b", " a b", "c"], [3, 3, 1], 9, copies)
    expect_texts(["a b", "a B", "c d"], [3, 3, 1], 9, copies)
    expect_texts(["a b", "a   b", "a\tb", "c"], [3, 3, 3, 1], 15, copies)
    expect_texts(["A b", "a b", "a\nb", "d"], [2, 2, 2, 1], 15, copies)
    for blank in (" ", "  ", "\n", "\t "):
        first, second, worth = draw_text(s, "acegi", 9), draw_text(s, "bdfhj", 9), 1 + draw(s, 99)
        texts = [f"{first} {second}", second, f"{blank}{first.upper()}{blank}{second}"]
        expect_texts(texts, [worth, 1 + draw(s, 99), worth], 15, copies)
    no_copy = "Where the white space is parts the words: an other and another are no copies."
    expect_texts(["an other", "another", "c"], [3, 2, 1], 15, no_copy)
    expect_texts(["a b c", "ab c", "a bc"], [3, 2, 1], 15, no_copy)
    alone = "One long passage can be worth more than all the short ones that keep it out."
    expect([1, 20], [3, 30], 21, alone)
    expect([1, 20, 1], [3, 30, 2], 24, alone)
    expect([2, 2, 14, 9], [6, 6, 20, 1], 15, alone)
    expect([3, 20, 1], [6, 30, 1], 24, alone)
    expect([30, 1, 20], [90, 3, 30], 21, alone)
    counted = "Only count_tokens knows how many tokens a text takes."
    expect([3, 8, 2, 5], [4, 9, 3, 6], 24, counted, characters_in)
    for _ in range(6):
        sizes = torch.randint(1, 12, (9,), generator=s.generator).tolist()
        values = torch.rand(9, generator=s.generator).tolist()
        expect(sizes, values, 30, density)
        size = 10 + draw(s, 40)
        expect([1 + draw(s, 3), size], [400 + draw(s, 99), 999 + draw(s, 999)], size + 1, alone)


challenge = Challenge(
    name="pack_passages",
    title="Pack the window by relevance per token",
    check=check_pack_passages,
    points=4,
    hints=(
        "You have a sum to spend and goods with a price and a worth. What would you sort them by?",
        "A budget of 10, costs 10, 3, 3, 3, relevance 6, 3, 4, 5: what does relevance per token "
        "take? Now costs 2 and 10, relevance 3 and 10: what goes wrong, and which passage would "
        "you have begun with? And what must never be taken at all?",
        "First passages 3, 2 and 1, relevance 12. But of costs 2 and 10 it takes the small one: "
        "3, where 10 was to be had. So make a second packing that begins with the most relevant "
        "passage that fits and goes on by relevance per token; keep the better of the two, sorted "
        "by relevance. A text's key for copies: ' '.join(text.lower().split()).",
    ),
)

NORMAL = '" ".join(passages[i].lower().split())'
ORDERS = "(by_density, best_alone + by_density)"
FITS = "if costs[i] <= left and text not in seen:"
LAST = "sorted(best, key=lambda i: relevance[i])"


# ---- in which order it is taken ------------------------------------------------------------------

challenge.mistake(
    "density-only",
    "Relevance per token alone can go badly wrong: a tiny passage of high density may keep out "
    "a long one that is worth ten times as much.",
    hint="Make a second packing that begins with the most relevant passage that fits, and keep the "
    "better of the two.",
    answer=spoiled(ORDERS, "(by_density,)"),
)

challenge.mistake(
    "by-relevance",
    "You take the most relevant first, however long they are. One long passage can cost as "
    "much as three short ones that are worth more together.",
    hint="What a token buys is relevance per token: sort by relevance[i] / cost[i].",
    answer=spoiled(ORDERS, "(sorted(useful, key=lambda i: -relevance[i]),)"),
)

challenge.mistake(
    "first-come",
    "You take passages in the order in which they came. Whoever comes first fills the window, "
    "relevant or not.",
    hint="Sort by relevance divided by tokens, largest first, and take what fits.",
    answer=spoiled(ORDERS, "(useful,)"),
)

challenge.mistake(
    "shortest-first",
    "You take the shortest first: many passages, but not the relevant ones.",
    hint="Divide relevance by tokens, and take the largest quotient first.",
    answer=spoiled(ORDERS, "(sorted(useful, key=lambda i: costs[i]),)"),
)

challenge.mistake(
    "best-one-only",
    "You take one passage and leave the rest of the budget unused.",
    hint="Go on with what still fits.",
    answer=spoiled(ORDERS, "(best_alone,)"),
)

challenge.mistake(
    "stops-at-the-first",
    "You stop at the first passage that does not fit. A shorter one further down may.",
    hint="`continue` in place of `break`.",
    answer=spoiled(
        ORDERS,
        "(by_density,)",
        FITS,
        "if costs[i] > left:\n                break\n            if text not in seen:",
    ),
)


# ---- copies --------------------------------------------------------------------------------------

challenge.mistake(
    "copies-kept",
    "You take copies: the same text twice costs twice and says nothing new.",
    hint="Keep a set of the texts that you have taken, in lower case and with white space evened "
    "out, and pass over what is in it.",
    answer=spoiled(NORMAL, "i"),
)

challenge.mistake(
    "copies-by-exact-text",
    "You find copies only when they are equal letter by letter. Case and white space make no "
    "new passage.",
    hint='" ".join(text.lower().split()) is the same for all of them.',
    answer=spoiled(NORMAL, "passages[i]"),
)

challenge.mistake(
    "copies-but-for-case",
    "You even out upper and lower case, and not the white space: two spaces or a line end "
    "between the same words make no new passage.",
    hint="Compare the words: text.lower().split().",
    answer=spoiled(NORMAL, "passages[i].lower()"),
)

challenge.mistake(
    "copies-but-for-ends",
    "You take white space away at the ends only. Between two words one space and two, or a "
    "line end, are the same too.",
    hint="Compare the words: text.lower().split().",
    answer=spoiled(NORMAL, "passages[i].strip().lower()"),
)

challenge.mistake(
    "copies-only-stripped",
    "You take white space away at the ends and compare the rest letter by letter. Case, and "
    "white space between words, make no new passage either.",
    hint="Compare the words: text.lower().split().",
    answer=spoiled(NORMAL, "passages[i].strip()"),
)

challenge.mistake(
    "copies-but-for-space",
    "You even out the white space, and not the case: The cat and the CAT are the same words.",
    hint="Compare in lower case: text.lower().split().",
    answer=spoiled(".lower()", ""),
)

challenge.mistake(
    "copies-without-space",
    "You take all white space out before you compare: `an other` and `another` become one, "
    "and they are different words.",
    hint="Compare the words: text.lower().split().",
    answer=spoiled('" ".join', '"".join'),
)


# ---- what it costs, and what it is worth ---------------------------------------------------------

challenge.mistake(
    "irrelevant-kept",
    "You fill the window up with passages of relevance 0. They cost tokens, and each one more "
    "is a distractor.",
    hint="Leave out what has relevance 0 before you begin.",
    answer=spoiled("value > 0", "value >= 0"),
)

challenge.mistake(
    "line-end-forgotten",
    "You did not count the line end of each passage: the result is over the budget.",
    hint="A passage costs count_tokens(text) + 1.",
    answer=spoiled("count_tokens(text) + 1", "count_tokens(text)"),
)

challenge.mistake(
    "exact-fit-refused",
    "You refuse a passage that fills the budget exactly.",
    hint="Compare with <=: 9 tokens fit into 9.",
    answer=spoiled(
        "costs[i] <= budget", "costs[i] < budget", "costs[i] <= left", "costs[i] < left"
    ),
)

challenge.mistake(
    "words-counted",
    "You counted words. Only count_tokens knows how many tokens a text takes.",
    hint="Call count_tokens(text) for each passage.",
    answer=spoiled("count_tokens(text)", "len(text.split())"),
)


# ---- what comes back -----------------------------------------------------------------------------

challenge.mistake(
    "best-first",
    "You put the most relevant passage first. It was asked for last, next to the question.",
    hint="Sort the chosen by relevance, smallest first.",
    answer=spoiled(LAST, "sorted(best, key=lambda i: relevance[i], reverse=True)"),
)

challenge.mistake(
    "order-of-arrival",
    "You chose well, and left the chosen in the order in which they came. The most relevant "
    "belongs last.",
    hint="Sort the chosen by relevance, smallest first.",
    answer=spoiled(LAST, "sorted(best)"),
)

challenge.mistake(
    "texts-returned",
    "You returned the texts. Indices were asked for.",
    hint="Collect i, not passages[i].",
    answer=spoiled(LAST, f"[passages[i] for i in {LAST}]"),
)


@challenge.alternative
def by_steps(
    passages: list[str], relevance: list[float], budget: int, count_tokens: TextCounter
) -> list[int]:
    """Begun with nothing and with each passage; then the densest that fits, as long as one does."""
    costs, words = [count_tokens(t) + 1 for t in passages], [t.casefold().split() for t in passages]
    useful = [i for i, value in enumerate(relevance) if value > 0 and costs[i] <= budget]

    def filled(chosen: list[int]) -> list[int]:
        left, taken = budget - sum(costs[i] for i in chosen), [words[i] for i in chosen]
        fits = [i for i in useful if costs[i] <= left and words[i] not in taken]
        densest = max(fits, key=lambda i: relevance[i] / costs[i], default=None)
        return chosen if densest is None else filled([*chosen, densest])

    packings = [filled(begun) for begun in [[], *([i] for i in useful)]]
    best = max(packings, key=lambda chosen: sum(relevance[i] for i in chosen))
    return sorted(best, key=relevance.__getitem__)


@challenge.alternative
def by_trying_all(
    passages: list[str], relevance: list[float], budget: int, count_tokens: TextCounter
) -> list[int]:
    """More than was asked for: the largest sum that there is, among all choices."""
    costs = [count_tokens(text) + 1 for text in passages]
    unique = {tuple(text.upper().split()): i for i, text in enumerate(passages) if relevance[i] > 0}
    choices = [c for size in range(len(unique) + 1) for c in combinations(unique.values(), size)]
    fitting = [chosen for chosen in choices if sum(costs[i] for i in chosen) <= budget]
    best = max(fitting, key=lambda chosen: sum(relevance[i] for i in chosen))
    return sorted(best, key=relevance.__getitem__)


BEST_ALONE = "best_alone = sorted(useful, key=lambda i: relevance[i], reverse=True)[:1]"
challenge.equivalent(
    f"slice without upper | {BEST_ALONE}",
    f"1->2 | {BEST_ALONE}",
    f"1->-1 | {BEST_ALONE}",
    because="The second packing begins with the most relevant passage all the same, and may then "
    "go on by relevance: the better of the two keeps every promise.",
)
challenge.equivalent(
    'lower->upper | text = " ".join(passages[i].lower().split())',
    because="Capitals even out case as well.",
)
