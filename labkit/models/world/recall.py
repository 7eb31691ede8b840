"""Recall: short lines that bind a value to a name, then the same names again in another order.

    Anna: goat                      Anna Kell has a goat. Elsa Moor has a dog.
    Elsa: dog                       Elsa Moor has a dog. The pet of Anna Kell is a goat.
    Anna: goat

Nothing else in the text tells which value follows, so these lines teach a model to look a name up:
multi-query associative recall (Arora et al., arXiv:2312.04927) in the world's own words. Whole
passages and tables rest on it.
"""

from __future__ import annotations

import random

from labkit.models.world import lexicon
from labkit.models.world.document import Document, Part
from labkit.models.world.entities import Entity, Fact, Relation, World
from labkit.models.world.passages import different

Line = tuple[str, str]


def _values(relation: Relation, count: int, rng: random.Random) -> list[str]:
    """Different values while there are enough, since a value that two share asks for nothing."""
    if count <= len(relation.values):
        return rng.sample(relation.values, count)
    return rng.choices(relation.values, k=count)


def _line(before: str, value: str, after: str, answer: bool) -> tuple[Part, Part, Part]:
    return Part(before), Part(value, answer), Part(after)


def pairs(world: World, rng: random.Random, names: int | None = None) -> Document:
    """Two to eight names with a value each, then each again up to three times, in any order.

    `names` lets only the first so many first names occur: few at first are learned sooner.
    """
    count = rng.randint(2, 8)
    relation = rng.choice(world.relations_of("person"))
    if names is not None or rng.random() < 0.5:
        keys = rng.sample(lexicon.FIRST_NAMES[:names], count)
    else:
        keys = [e.name for e in different(world, rng, "person", count, "train")]
    lines = list(zip(keys, _values(relation, count, rng), strict=True))
    again = rng.choices(lines, k=rng.randint(count, 3 * count))
    parts = [p for key, value in lines for p in _line(f"{key}: ", value, "\n", answer=False)]
    parts += [p for key, value in again for p in _line(f"{key}: ", value, "\n", answer=True)]
    return Document("recall", tuple(parts))


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
    return pairs(world, rng) if rng.random() < 0.5 else restated(world, rng)
