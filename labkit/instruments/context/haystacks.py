"""Haystacks of passages, and questions about them.

In a haystack several passages have a question of their own, so that it is read once and asked many
times (`labkit.models.complete_after`). Questions about one haystack are not independent: intervals
come from the spread between haystacks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, mean, share, wilson
from labkit.instruments.asking import answers_after
from labkit.models import exact_match
from labkit.models.world import World, passages
from labkit.models.world.entities import KINDS, Entity, Fact, Relation
from labkit.models.world.passages import passage
from labkit.paths import nearest

LIKENESS = ("same relation", "other relation", "other kind")
# Liu et al. 2023, arXiv:2307.03172: percent right (best_subspan_em) with 20 documents, as in
# EXPERIMENTS.md of github.com/nelson-liu/lost-in-the-middle, by the position of the answer.
PUBLISHED_POSITIONS = (1, 5, 10, 15, 20)
PUBLISHED_BY_POSITION = {
    "LongChat-13B-16K": (68.6, 57.4, 55.3, 52.5, 55.0),
    "MPT-30B-Instruct": (53.7, 51.8, 52.2, 52.7, 56.2),
    "Llama-2-70B-chat": (56.8, 53.3, 54.1, 59.7, 69.5),
}


@dataclass(frozen=True)
class Haystack:
    """Passages, and questions about some of them: the i-th asks about `passages[needles[i]]`."""

    passages: tuple[str, ...]
    needles: tuple[int, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def text(self) -> str:
        """A passage on each line, as it stands in the prompt before the question."""
        return lines_of(self.passages)


def lines_of(texts: Sequence[str]) -> str:
    """Each text on a line of its own."""
    return "".join(f"{text}\n" for text in texts)


def rival_haystacks(passages_each: int, count: int, asked: int, seed: int = 0) -> list[Haystack]:
    """Haystacks of passages that all tell the relation that is asked for, each of somebody else:
    only the name says which value is right. `asked` passages of each, drawn evenly over the
    positions, have a question."""
    if not 1 <= asked <= passages_each:
        raise ValueError(
            f"{asked} questions were wanted of {passages_each} passages; ask for 1 to all of them"
        )
    rng = random.Random(f"rivals {passages_each} {seed}")
    world = World()
    return [
        _rivals(world, rng, passages_each, _spread(passages_each, asked, i)) for i in range(count)
    ]


def _spread(places: int, asked: int, shift: int) -> list[int]:
    """`asked` of the places, evenly spaced; another `shift` takes others."""
    return sorted({(shift + k * places // asked) % places for k in range(asked)})


def _rivals(world: World, rng: random.Random, count: int, needles: Sequence[int]) -> Haystack:
    kind = passages.any_kind(rng)
    relation = rng.choice(world.relations_of(kind))
    entities = passages.different(world, rng, kind, count, "test")
    texts = [_told(world, rng, entity, relation) for entity in entities]
    facts = [Fact(entities[i], relation) for i in needles]
    return _haystack(texts, needles, facts, rng)


def _told(world: World, rng: random.Random, entity: Entity, relation: Relation | None) -> str:
    return passage(passages.told_of(world, entity, relation, rng), rng)


def _haystack(
    texts: Sequence[str], needles: Sequence[int], facts: Sequence[Fact], rng: random.Random
) -> Haystack:
    questions = tuple(passages.asking(fact, rng) for fact in facts)
    answers = tuple(fact.value for fact in facts)
    return Haystack(tuple(texts), tuple(needles), questions, answers)


def haystacks_by_likeness(
    likeness: str, passages_each: int, count: int, seed: int = 0
) -> list[Haystack]:
    """Two needles in each haystack, at every position in turn, among passages that are like them:
    "same relation" (rivals: the same kind of entity, and the same thing told of it), "other
    relation" (the same kind of entity, other things told) or "other kind" (of entity)."""
    if likeness not in LIKENESS:
        raise LookupError(f"There is no likeness {likeness!r}: {nearest(likeness, LIKENESS)}")
    if passages_each < 2:
        raise ValueError(f"{passages_each} passages were wanted; two needles need at least 2")
    rng = random.Random(f"likeness {likeness} {passages_each} {seed}")
    world = World()
    return [_two_needles(world, rng, likeness, passages_each, i) for i in range(count)]


def _two_needles(
    world: World, rng: random.Random, likeness: str, count: int, turn: int
) -> Haystack:
    kind = passages.any_kind(rng)
    kinds = [kind, kind]
    if likeness == "other kind":
        kinds[1] = rng.choice([other for other in KINDS if other != kind])
    asked = _two_relations(world, rng, likeness, kinds)
    needles = sorted({turn % count, (turn + count // 2) % count})
    entities = _entities(world, rng, likeness, kinds, count)
    if likeness == "other kind":
        for place, own_kind in zip(needles, kinds, strict=True):
            entities[place] = world.fresh_entity(rng, own_kind, "test")
    texts, facts = [], []
    for place, entity in enumerate(entities):
        own = asked[needles.index(place)] if place in needles else None
        if likeness == "same relation":
            own = asked[0]
        never = [] if likeness == "same relation" else [r for r in asked if r is not own]
        texts.append(passage(_some_facts(world, rng, entity, own, never), rng))
        if place in needles and own:
            facts.append(Fact(entity, own))
    return _haystack(texts, needles, facts, rng)


def _two_relations(
    world: World, rng: random.Random, likeness: str, kinds: Sequence[str]
) -> list[Relation]:
    if likeness == "same relation":
        return [rng.choice(world.relations_of(kinds[0]))] * 2
    if likeness == "other relation":
        return rng.sample(world.relations_of(kinds[0]), 2)
    return [rng.choice(world.relations_of(kind)) for kind in kinds]


def _entities(
    world: World, rng: random.Random, likeness: str, kinds: Sequence[str], count: int
) -> list[Entity]:
    """Different entities; among other kinds the needles are the only ones of theirs."""
    if likeness != "other kind":
        return passages.different(world, rng, kinds[0], count, "test")
    others = [kind for kind in KINDS if kind not in kinds]
    return [world.fresh_entity(rng, rng.choice(others), "test") for _ in range(count)]


def _some_facts(
    world: World, rng: random.Random, entity: Entity, own: Relation | None, never: list[Relation]
) -> list[Fact]:
    """One to three facts and the asked one, and none of the relations in `never`."""
    others = [f for f in world.facts_of(entity) if f.relation is not own]
    others = [fact for fact in others if fact.relation not in never]
    told = rng.sample(others, min(len(others), rng.randint(1, 3)))
    told += [Fact(entity, own)] if own else []
    return rng.sample(told, len(told))


# ---- asking ------------------------------------------------------------------------------------


def ask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    haystacks: Sequence[Haystack],
    shown: Callable[[str], str] | None = None,
) -> list[list[bool]]:
    """Which questions of each haystack the model answers exactly; `shown` may change the text that
    it gets to read before the question."""
    texts = [shown(stack.text) if shown else stack.text for stack in haystacks]
    replies = answers_after(model, tokenizer, texts, [stack.questions for stack in haystacks])
    return [
        [exact_match(reply, answer) for reply, answer in zip(some, stack.answers, strict=True)]
        for some, stack in zip(replies, haystacks, strict=True)
    ]


def accuracy(name: str, hits: Sequence[Sequence[bool]]) -> Estimate:
    """The share of right answers with a 95 % interval; `hits` has a row for each text that was
    read. With several questions in a row the interval comes from the spread between rows."""
    flat = [hit for row in hits for hit in row]
    if not flat:
        raise ValueError("no answers were given; ask at least one question")
    if len(flat) == len(hits):
        return share(name, flat)
    rows = [fmean(row) for row in hits if row]
    found = mean(name, rows)
    low, high = found.interval
    if low == high:  # all alike: a bootstrap can't tell how sure that is, the count of rows can
        low, high = wilson(found.hits, len(rows))
    return Estimate(name, found.value, len(flat), low, high)


def by_position(
    haystacks: Sequence[Haystack], hits: Sequence[Sequence[bool]], groups: int
) -> list[Estimate]:
    """Accuracy where the needle lies in the first, second, … part of the haystack."""
    found: list[list[list[bool]]] = [[[] for _ in haystacks] for _ in range(groups)]
    for i, (stack, row) in enumerate(zip(haystacks, hits, strict=True)):
        for needle, hit in zip(stack.needles, row, strict=True):
            found[needle * groups // len(stack.passages)][i].append(hit)
    return [
        accuracy(f"part {k + 1} of {groups}", [row for row in rows if row])
        for k, rows in enumerate(found)
    ]
