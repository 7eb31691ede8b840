"""Within budget, no copies, ordered, nothing left that fits, and as relevant as must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import torch

from labkit.grading import Challenge, Submission
from labkit.grading.drawing import draw, draw_text

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
    return " ".join(text.lower().split())


def true_costs(passages: Sequence[str], count: TextCounter) -> list[int]:
    return [count(text) + 1 for text in passages]


def true_greedy_sum(
    passages: Sequence[str], relevance: Sequence[float], budget: int, count: TextCounter
) -> float:
    """What taking by relevance per token gives, in exact fractions; no copies."""
    costs = true_costs(passages, count)
    order = sorted(range(len(passages)), key=lambda i: -Fraction(relevance[i]) / costs[i])
    total, seen = 0.0, set()
    for i in order:
        if relevance[i] > 0 and costs[i] <= budget and normal(passages[i]) not in seen:
            total, budget = total + relevance[i], budget - costs[i]
            seen.add(normal(passages[i]))
    return total


def true_best_alone(
    passages: Sequence[str], relevance: Sequence[float], budget: int, count: TextCounter
) -> float:
    """The relevance of the best passage that fits alone."""
    costs = true_costs(passages, count)
    fitting = (value for value, cost in zip(relevance, costs, strict=True) if cost <= budget)
    return max(fitting, default=0.0)


def is_packing(
    passages: Sequence[str], relevance: Sequence[float], budget: int, count: TextCounter
) -> Callable[[Any], str | None]:
    """Says what the contract is broken by, if anything."""
    costs = true_costs(passages, count)
    bound = max(
        true_greedy_sum(passages, relevance, budget, count),
        true_best_alone(passages, relevance, budget, count),
    )

    def problem(chosen: Any) -> str | None:
        stray = not_indices(chosen, len(passages))
        if stray:
            return stray
        texts = [normal(passages[i]) for i in chosen]
        if len(set(texts)) < len(texts):
            return "the same text is taken twice"
        if any(relevance[i] == 0 for i in chosen):
            return "a passage of relevance 0 is taken"
        spent = sum(costs[i] for i in chosen)
        if spent > budget:
            return f"the chosen take {spent} tokens, and the budget is {budget}"
        values = [relevance[i] for i in chosen]
        if values != sorted(values):
            return f"their relevance in this order is {values}; it must never fall"
        return too_little(chosen, texts, budget - spent) or short_of(sum(values))

    def too_little(chosen: list[int], texts: list[str], left: int) -> str | None:
        for i, text in enumerate(passages):
            if relevance[i] > 0 and costs[i] <= left and normal(text) not in texts:
                return f"{left} tokens are left, and passage {i} would still fit with {costs[i]}"
        return None

    def short_of(total: float) -> str | None:
        if total >= bound - 1e-9:
            return None
        return f"their relevance adds up to {total:g}, and {bound:g} is to be had"

    return problem


def not_indices(chosen: Any, count: int) -> str | None:
    if type(chosen) is not list or any(type(i) is not int for i in chosen):
        return "a list of indices (int) was expected"
    if any(not 0 <= i < count for i in chosen):
        return f"an index is out of range: there are {count} passages"
    return "an index stands there twice" if len(set(chosen)) < len(chosen) else None


def check_pack_passages(s: Submission) -> None:
    """Within budget, no copies, ordered, nothing left that fits, and as relevant as must be."""

    def expect(
        sizes: Sequence[int],
        relevance: Sequence[float],
        budget: int,
        because: str,
        count: TextCounter = words_in,
    ) -> None:
        texts = [text_of(size, f"p{i}") for i, size in enumerate(sizes)]
        expect_texts(texts, relevance, budget, because, count)

    def expect_texts(
        texts: Sequence[str],
        relevance: Sequence[float],
        budget: int,
        because: str,
        count: TextCounter = words_in,
    ) -> None:
        given = [float(value) for value in relevance]
        answer = s.pack_passages(list(texts), given, budget, count)
        answer.holds(is_packing(texts, given, budget, count), because=because)

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


Picker = Callable[[list[str], list[float], int, TextCounter], list[int]]


def filled(order: Sequence[int], costs: Sequence[int], budget: int) -> list[int]:
    """Takes what still fits, in this order."""
    chosen: list[int] = []
    for i in order:
        if costs[i] <= budget:
            chosen.append(i)
            budget -= costs[i]
    return chosen


def firsts_by(key: Callable[[str], str]) -> Callable[[Sequence[str]], list[int]]:
    """The first of each group of texts that have the same key."""

    def dedup(passages: Sequence[str]) -> list[int]:
        found: dict[str, int] = {}
        for i, text in enumerate(passages):
            found.setdefault(key(text), i)
        return list(found.values())

    return dedup


firsts = firsts_by(normal)


def picker(
    choose: Callable[[list[int], list[float], list[int], int], list[int]],
    *,
    dedup: Callable[[Sequence[str]], list[int]] = firsts,
    cost: Callable[[str, TextCounter], int] = lambda text, count: count(text) + 1,
    useful: Callable[[float], bool] = lambda value: value > 0,
    order: Callable[[list[int], list[float]], list[int]] = lambda chosen, values: sorted(
        chosen, key=lambda i: values[i]
    ),
) -> Picker:
    """A complete packer of pieces: the right ones, unless another is given."""

    def pack_passages(
        passages: list[str], relevance: list[float], budget: int, count_tokens: TextCounter
    ) -> list[int]:
        costs = [cost(text, count_tokens) for text in passages]
        candidates = [i for i in dedup(passages) if useful(relevance[i]) and costs[i] <= budget]
        return order(choose(candidates, relevance, costs, budget), relevance)

    return pack_passages


def as_they_came(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return filled(sorted(candidates), costs, budget)


challenge.mistake(
    "first-come",
    "You take passages in the order in which they came. Whoever comes first fills the window, "
    "relevant or not.",
    hint="Sort by relevance divided by tokens, largest first, and take what fits.",
    answer=picker(as_they_came),
)


def relevance_first(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return filled(sorted(candidates, key=lambda i: -relevance[i]), costs, budget)


challenge.mistake(
    "by-relevance",
    "You take the most relevant first, however long they are. One long passage can cost as "
    "much as three short ones that are worth more together.",
    hint="What a token buys is relevance per token: sort by relevance[i] / cost[i].",
    answer=picker(relevance_first),
)


def shortest_first(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return filled(sorted(candidates, key=lambda i: costs[i]), costs, budget)


challenge.mistake(
    "shortest-first",
    "You take the shortest first: many passages, but not the relevant ones.",
    hint="Divide relevance by tokens, and take the largest quotient first.",
    answer=picker(shortest_first),
)


def best_one_only(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return sorted(candidates, key=lambda i: -relevance[i])[:1]


challenge.mistake(
    "best-one-only",
    "You take one passage and leave the rest of the budget unused.",
    hint="Go on with what still fits.",
    answer=picker(best_one_only),
)


def dense(candidates: list[int], relevance: list[float], costs: list[int]) -> list[int]:
    return sorted(candidates, key=lambda i: -relevance[i] / costs[i])


def density_only(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return filled(dense(candidates, relevance, costs), costs, budget)


challenge.mistake(
    "density-only",
    "Relevance per token alone can go badly wrong: a tiny passage of high density may keep out "
    "a long one that is worth ten times as much.",
    hint="Make a second packing that begins with the most relevant passage that fits, and keep the "
    "better of the two.",
    answer=picker(density_only),
)


def stops_at_the_first(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    chosen: list[int] = []
    for i in dense(candidates, relevance, costs):
        if costs[i] > budget:
            break
        chosen.append(i)
        budget -= costs[i]
    return chosen


challenge.mistake(
    "stops-at-the-first",
    "You stop at the first passage that does not fit. A shorter one further down may.",
    hint="`continue` in place of `break`.",
    answer=picker(stops_at_the_first),
)


def better_of_two(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    """The right choice: by density, or the best alone and then by density."""
    order = dense(candidates, relevance, costs)
    best = max(candidates, key=lambda i: relevance[i], default=None)
    rest = [] if best is None else [best, *(i for i in order if i != best)]
    first, second = filled(order, costs, budget), filled(rest, costs, budget)
    return max(first, second, key=lambda chosen: sum(relevance[i] for i in chosen))


def everything(passages: Sequence[str]) -> list[int]:
    return list(range(len(passages)))


challenge.mistake(
    "copies-kept",
    "You take copies: the same text twice costs twice and says nothing new.",
    hint="Keep a set of the texts that you have taken, in lower case and with white space evened "
    "out, and pass over what is in it.",
    answer=picker(better_of_two, dedup=everything),
)


challenge.mistake(
    "copies-by-exact-text",
    "You find copies only when they are equal letter by letter. Case and white space make no "
    "new passage.",
    hint='" ".join(text.lower().split()) is the same for all of them.',
    answer=picker(better_of_two, dedup=firsts_by(str)),
)


challenge.mistake(
    "copies-but-for-case",
    "You even out upper and lower case, and not the white space: two spaces or a line end "
    "between the same words make no new passage.",
    hint="Compare the words: text.lower().split().",
    answer=picker(better_of_two, dedup=firsts_by(str.lower)),
)


challenge.mistake(
    "copies-but-for-ends",
    "You take white space away at the ends only. Between two words one space and two, or a "
    "line end, are the same too.",
    hint="Compare the words: text.lower().split().",
    answer=picker(better_of_two, dedup=firsts_by(lambda text: text.strip().lower())),
)


challenge.mistake(
    "copies-only-stripped",
    "You take white space away at the ends and compare the rest letter by letter. Case, and "
    "white space between words, make no new passage either.",
    hint="Compare the words: text.lower().split().",
    answer=picker(better_of_two, dedup=firsts_by(str.strip)),
)


challenge.mistake(
    "copies-but-for-space",
    "You even out the white space, and not the case: The cat and the CAT are the same words.",
    hint="Compare in lower case: text.lower().split().",
    answer=picker(better_of_two, dedup=firsts_by(lambda text: " ".join(text.split()))),
)


challenge.mistake(
    "copies-without-space",
    "You take all white space out before you compare: `an other` and `another` become one, "
    "and they are different words.",
    hint="Compare the words: text.lower().split().",
    answer=picker(better_of_two, dedup=firsts_by(lambda text: "".join(text.lower().split()))),
)


challenge.mistake(
    "irrelevant-kept",
    "You fill the window up with passages of relevance 0. They cost tokens, and each one more "
    "is a distractor.",
    hint="Leave out what has relevance 0 before you begin.",
    answer=picker(better_of_two, useful=lambda value: value >= 0),
)


challenge.mistake(
    "line-end-forgotten",
    "You did not count the line end of each passage: the result is over the budget.",
    hint="A passage costs count_tokens(text) + 1.",
    answer=picker(better_of_two, cost=lambda text, count: count(text)),
)


def budget_full_at(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return better_of_two([i for i in candidates if costs[i] < budget], relevance, costs, budget - 1)


challenge.mistake(
    "exact-fit-refused",
    "You refuse a passage that fills the budget exactly.",
    hint="Compare with <=: 9 tokens fit into 9.",
    answer=picker(budget_full_at),
)


challenge.mistake(
    "words-counted",
    "You counted words. Only count_tokens knows how many tokens a text takes.",
    hint="Call count_tokens(text) for each passage.",
    answer=picker(better_of_two, cost=lambda text, count: len(text.split()) + 1),
)


def best_first(chosen: list[int], relevance: list[float]) -> list[int]:
    return sorted(chosen, key=lambda i: -relevance[i])


challenge.mistake(
    "best-first",
    "You put the most relevant passage first. It was asked for last, next to the question.",
    hint="Sort the chosen by relevance, smallest first.",
    answer=picker(better_of_two, order=best_first),
)


def order_of_arrival(chosen: list[int], relevance: list[float]) -> list[int]:
    return sorted(chosen)


challenge.mistake(
    "order-of-arrival",
    "You chose well, and left the chosen in the order in which they came. The most relevant "
    "belongs last.",
    hint="Sort the chosen by relevance, smallest first.",
    answer=picker(better_of_two, order=order_of_arrival),
)


@challenge.mistake(
    "texts-returned",
    "You returned the texts. Indices were asked for.",
    hint="Collect i, not passages[i].",
)
def texts_returned(
    passages: list[str], relevance: list[float], budget: int, count_tokens: TextCounter
) -> list[str]:
    chosen = picker(better_of_two)(passages, relevance, budget, count_tokens)
    return [passages[i] for i in chosen]


challenge.alternative(picker(better_of_two))


def best_sum(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    """The best choice there is: the knapsack problem, solved token by token."""
    best: list[tuple[float, list[int]]] = [(0.0, [])] * (budget + 1)
    for i in candidates:
        for room in range(budget, costs[i] - 1, -1):
            value, chosen = best[room - costs[i]]
            if value + relevance[i] > best[room][0]:
                best[room] = (value + relevance[i], [*chosen, i])
    return best[budget][1]


challenge.alternative(picker(best_sum))


challenge.equivalent(
    (
        "slice without upper | best_alone = sorted(useful, key=lambda i: relevance[i], "
        "reverse=True)[:1]"
    ),
    "1->2 | best_alone = sorted(useful, key=lambda i: relevance[i], reverse=True)[:1]",
    "1->-1 | best_alone = sorted(useful, key=lambda i: relevance[i], reverse=True)[:1]",
    because=(
        "The second packing begins with the most relevant passage all the same, and may "
        "then go on by relevance: the better of the two keeps every promise."
    ),
)


challenge.equivalent(
    'lower->upper | text = " ".join(passages[i].lower().split())',
    because="Capitals even out case as well.",
)
