"""A help desk that has more passages than its window holds: which ones to pack, judged by answers.

The log of past questions says how often each passage was needed (its relevance); tomorrow's
questions, drawn from the same habits but not in the log, say whether the choice was good.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, difference
from labkit.instruments.asking import answers_after
from labkit.instruments.context.haystacks import Haystack, ask
from labkit.models.generation import exact_match
from labkit.models.world import World, passages
from labkit.models.world.entities import Fact
from labkit.models.world.passages import passage

TokenCounter = Callable[[str], int]
Pack = Callable[[list[str], list[float], int, TokenCounter], list[int]]
LOG = 200  # past questions of a desk
COPIES = 0.5  # the share of passages that a desk holds twice
HABIT = 0.6  # how much more often the first is needed than the tenth: Zipf's exponent


@dataclass(frozen=True)
class Desk:
    """Passages in the order in which they came, how often each was needed, and new questions, with
    the passages that hold the answer to each (more than one where there are copies)."""

    passages: tuple[str, ...]
    relevance: tuple[float, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    sources: tuple[tuple[int, ...], ...]

    def packed(self, chosen: Sequence[int]) -> Haystack:
        """The window with these passages, and tomorrow's questions."""
        texts = tuple(self.passages[i] for i in chosen)
        return Haystack(texts, (0,) * len(self.questions), self.questions, self.answers)


def desks(count: int, entities: int = 24, asked: int = 8, seed: int = 0) -> list[Desk]:
    """Desks with a passage, short or long, about each of `entities` people, towns, companies and
    products, some of them twice. A few are asked about often and most of them seldom (Zipf)."""
    if entities < 1 or asked < 1:
        raise ValueError(
            f"{entities} entities and {asked} questions were given; at least 1 of each"
        )
    rng = random.Random(f"desks {entities} {seed}")
    world = World()
    return [_desk(world, rng, entities, asked) for _ in range(count)]


def _desk(world: World, rng: random.Random, entities: int, asked: int) -> Desk:
    known = _different(world, rng, entities)
    told = [rng.sample(facts, rng.randint(1, len(facts))) for facts in known]
    habits = [1 / (rank + 1) ** HABIT for rank in range(entities)]
    needed = rng.choices(range(entities), habits, k=LOG)
    tomorrow = rng.choices(range(entities), habits, k=asked)
    rows = [(passage(facts, rng), float(needed.count(i)), i) for i, facts in enumerate(told)]
    rows += [row for row in rows if rng.random() < COPIES]
    rng.shuffle(rows)
    texts, relevance, owners = zip(*rows, strict=True)
    asked_for = [rng.choice(told[i]) for i in tomorrow]
    sources = [tuple(k for k, owner in enumerate(owners) if owner == i) for i in tomorrow]
    return Desk(
        texts,
        relevance,
        tuple(passages.asking(fact, rng) for fact in asked_for),
        tuple(fact.value for fact in asked_for),
        tuple(sources),
    )


def _different(world: World, rng: random.Random, count: int) -> list[list[Fact]]:
    """The facts of entities with different names."""
    found: dict[str, list[Fact]] = {}
    while len(found) < count:
        entity = world.fresh_entity(rng, passages.any_kind(rng), "test")
        found[entity.name] = world.facts_of(entity)
    return list(found.values())


def fill(order: Sequence[int], costs: Sequence[int], budget: int) -> list[int]:
    """Takes what still fits, in this order."""
    chosen: list[int] = []
    for i in order:
        if costs[i] <= budget:
            chosen.append(i)
            budget -= costs[i]
    return chosen


def costs_of(texts: Sequence[str], count_tokens: TokenCounter) -> list[int]:
    """Tokens of each text on a line of its own."""
    return [count_tokens(text) + 1 for text in texts]


def first_come(
    texts: list[str], relevance: list[float], budget: int, count_tokens: TokenCounter
) -> list[int]:
    """Passages in the order in which they came, as long as they fit."""
    return fill(range(len(texts)), costs_of(texts, count_tokens), budget)


def by_relevance(
    texts: list[str], relevance: list[float], budget: int, count_tokens: TokenCounter
) -> list[int]:
    """The most relevant first, as long as they fit: what a top-k retriever hands over."""
    order = sorted(range(len(texts)), key=lambda i: -relevance[i])
    return fill(order, costs_of(texts, count_tokens), budget)


def packed_haystacks(
    pack: Pack, desks: Sequence[Desk], budget: int, count_tokens: TokenCounter
) -> list[Haystack]:
    """The window of each desk as `pack` fills it. ValueError when it is over its budget."""
    found = []
    for desk in desks:
        chosen = pack(list(desk.passages), list(desk.relevance), budget, count_tokens)
        stack = desk.packed(chosen)
        if sum(costs_of(stack.passages, count_tokens)) > budget:
            raise ValueError(f"the packed passages take more than the budget of {budget} tokens")
        found.append(stack)
    return found


def answered(
    pack: Pack,
    desks: Sequence[Desk],
    budget: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> list[list[bool]]:
    """Which of tomorrow's questions each desk answers with what `pack` has put into the window."""
    stacks = packed_haystacks(pack, desks, budget, token_counter(tokenizer))
    return ask(model, tokenizer, stacks)


def holding(pack: Pack, desks: Sequence[Desk], budget: int, count_tokens: TokenCounter) -> float:
    """Share of tomorrow's questions whose passage is in the window that `pack` fills."""
    found = []
    for desk in desks:
        chosen = set(pack(list(desk.passages), list(desk.relevance), budget, count_tokens))
        found += [not chosen.isdisjoint(sources) for sources in desk.sources]
    return fmean(found)


def token_counter(tokenizer: PreTrainedTokenizerBase) -> TokenCounter:
    """Counts the tokens of a text as this tokenizer cuts it, without marks of its own."""

    def count_tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count_tokens


def gain(better: Sequence[Sequence[bool]], worse: Sequence[Sequence[bool]]) -> Estimate:
    """How many more of the same questions are answered, desk by desk, with a 95 % interval."""
    first, second = ([fmean(desk) for desk in hits] for hits in (better, worse))
    return difference("gain", first, second)


@dataclass(frozen=True)
class Tried:
    """What one way of packing does with one budget: the chosen passages and the replies."""

    budget: int
    chosen: tuple[int, ...]
    replies: tuple[str, ...]
    right: tuple[bool, ...]


def tried(
    packers: Mapping[str, Pack],
    desk: Desk,
    budgets: Iterable[int],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, list[Tried]]:
    """Every way of packing at every budget, asked all of the desk's questions. The same window is
    read once, however many budgets lead to it."""
    count_tokens, budgets = token_counter(tokenizer), list(budgets)
    texts, relevance = list(desk.passages), list(desk.relevance)
    choices = {
        name: [tuple(pack(texts, relevance, budget, count_tokens)) for budget in budgets]
        for name, pack in packers.items()
    }
    windows = sorted({chosen for some in choices.values() for chosen in some})
    replies = answers_after(
        model,
        tokenizer,
        [desk.packed(chosen).text for chosen in windows],
        [desk.questions] * len(windows),
    )
    said = {
        chosen: tuple(t.strip() for t in texts)
        for chosen, texts in zip(windows, replies, strict=True)
    }
    return {
        name: [
            Tried(
                budget,
                chosen,
                said[chosen],
                tuple(map(exact_match, said[chosen], desk.answers)),
            )
            for budget, chosen in zip(budgets, some, strict=True)
        ]
        for name, some in choices.items()
    }
