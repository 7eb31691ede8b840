"""Recall: short lines that bind a value to a key, and the same keys again in another order.

    Anna: goat      river -> wov      Anna Kell has a goat. Elsa Moor has a dog.
    Elsa: dog       copper -> dax     Elsa Moor has a dog. The pet of Anna Kell is a goat.
    Anna: goat      river -> wov

Nothing else in the text tells which value follows, so these lines teach a model to look a key up:
multi-query associative recall (Arora et al., arXiv:2312.04927) in the world's own words. Passages
and tables rest on it, and few-shot examples.
"""

from __future__ import annotations

import random

from labkit.models.world import lexicon, shots
from labkit.models.world.document import Document, Part
from labkit.models.world.entities import Entity, Fact, Relation, World
from labkit.models.world.passages import different

Line = tuple[str, str]
SEPARATORS = (": ", " -> ", ",", " = ")
WORDS = tuple(
    dict.fromkeys((*lexicon.FIRST_NAMES, *lexicon.TOWN_NAMES, *shots.ITEMS, *shots.ALL_LABELS))
)


def _values(relation: Relation, count: int, rng: random.Random) -> list[str]:
    """Different values while there are enough, since a value that two share asks for nothing."""
    if count <= len(relation.values):
        return rng.sample(relation.values, count)
    return rng.choices(relation.values, k=count)


def _line(before: str, value: str, after: str, answer: bool) -> tuple[Part, Part, Part]:
    return Part(before), Part(value, answer), Part(after)


def names(world: World, rng: random.Random) -> Document:
    """Two to eight names with a value each, then each again up to three times, in any order."""
    count = rng.randint(2, 8)
    relation = rng.choice(world.relations_of("person"))
    if rng.random() < 0.5:
        keys = rng.sample(lexicon.FIRST_NAMES, count)
    else:
        keys = [e.name for e in different(world, rng, "person", count, "train")]
    lines = list(zip(keys, _values(relation, count, rng), strict=True))
    again = rng.choices(lines, k=rng.randint(count, 3 * count))
    return _lines("recall", ": ", [*lines, *again])


def pairs(rng: random.Random) -> Document:
    """Two to eight words, each with a word of its own or one of a few that they share. A line
    comes back at any time."""
    words = rng.sample(WORDS, 16)
    keys, values = words[: rng.randint(2, 8)], words[8:]
    if rng.random() < 0.5:
        values = rng.choices(values[: rng.randint(2, 4)], k=8)
    lines = list(zip(keys, values, strict=False))
    drawn = rng.choices(lines, k=rng.randint(2, 4) * len(lines))
    return _lines("pairs", rng.choice(SEPARATORS), drawn)


def _lines(kind: str, separator: str, lines: list[Line]) -> Document:
    """The lines one below the other. A value is an answer where its line has come before."""
    parts = [
        part
        for i, (key, value) in enumerate(lines)
        for part in _line(f"{key}{separator}", value, "\n", answer=(key, value) in lines[:i])
    ]
    return Document(kind, tuple(parts))


def restated(world: World, rng: random.Random) -> Document:
    """Two to six people and one fact of each in a sentence, then all again, perhaps reworded."""
    relation = rng.choice(world.relations_of("person"))
    people = different(world, rng, "person", rng.randint(2, 6), "train")
    values = _values(relation, len(people), rng)
    facts = [
        Fact(Entity("person", person.name, {relation.name: value}), relation)
        for person, value in zip(people, values, strict=True)
    ]
    parts = [p for fact in facts for p in _sentence(fact, rng, answer=False)]
    for _ in range(rng.randint(1, 2)):
        parts.append(Part("\n"))
        rng.shuffle(facts)
        parts += [p for fact in facts for p in _sentence(fact, rng, answer=True)]
    return Document("recall", (*parts, Part("\n")))


def _sentence(fact: Fact, rng: random.Random, answer: bool) -> tuple[Part, Part, Part]:
    template = rng.choice([s for s in fact.relation.statements if not s.startswith("{value}")])
    before, _, after = template.partition("{value}")
    return _line(before.format(name=fact.entity.name), fact.value, after + " ", answer)


def document(world: World, rng: random.Random) -> Document:
    """Names with a value each, in lines or in sentences."""
    return names(world, rng) if rng.random() < 0.5 else restated(world, rng)
