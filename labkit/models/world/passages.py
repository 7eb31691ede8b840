"""Passages about entities that the model has never met, and a question that one of them answers.

Most sets hold rivals: entities of the same kind with another value for the asked relation, so that
only the name tells which value is right.
"""

from __future__ import annotations

import random

from labkit.models.world.document import Document, Question
from labkit.models.world.entities import KINDS, Entity, Relation, World
from labkit.models.world.lexicon import Split


def passage(world: World, entity: Entity, asked: Relation, rng: random.Random) -> str:
    """Two to four sentences about an entity; one of them states the asked relation."""
    facts = world.facts_of(entity)
    others = [fact for fact in facts if fact.relation is not asked]
    told = rng.sample(others, min(len(others), rng.randint(1, 3)))
    told.append(next(fact for fact in facts if fact.relation is asked))
    rng.shuffle(told)
    sentences = [fact.stated(rng) for fact in told]
    return " ".join(s[0].upper() + s[1:] for s in sentences)


def different(
    world: World, rng: random.Random, kind: str, count: int, split: Split
) -> list[Entity]:
    """Fresh entities of one kind with different names."""
    found: dict[str, Entity] = {}
    while len(found) < count:
        entity = world.fresh_entity(rng, kind, split)
        found[entity.name] = entity
    return list(found.values())


def reading(world: World, rng: random.Random, passages: int, split: Split) -> Question:
    """`passages` passages about entities of one kind, and a question about one of them."""
    kind = rng.choices(KINDS, (5, 1, 2, 2))[0]
    asked = rng.choice(world.relations_of(kind))
    entities = different(world, rng, kind, passages, split)
    gold = rng.choice(entities)
    text = "\n".join(passage(world, entity, asked, rng) for entity in entities)
    question = rng.choice(asked.questions).format(name=gold.name)
    return Question(f"{text}\nQ: {question}\nA: ", gold.facts[asked.name])


def document(world: World, rng: random.Random) -> Document:
    return reading(world, rng, rng.choice((1, 1, 2, 2, 3)), "train").document("passage")
