"""Passages about entities that the model has never met, and questions that one of them answers.

Several passages at once hold rivals: entities of the same kind with a value of their own for the
asked relation, so that only the name tells which value is right. Whoever copies any value of the
right type is right as often as `Reading.type_guess` says, and no more.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from labkit.models.world.document import Document, Part, Question
from labkit.models.world.entities import KINDS, Entity, Fact, Relation, World
from labkit.models.world.lexicon import Split

NOT_STATED = "not stated"
# Of the training texts' questions and entities.
UNANSWERABLE, CONFLICT = 0.2, 0.1
COUNTS, COUNT_WEIGHTS = (1, 2, 3, 4, 5, 6, 8), (2, 4, 4, 4, 2, 2, 1)


@dataclass(frozen=True)
class Reading(Question):
    """A question about a text, and the values of the asked type that stand in the text."""

    candidates: tuple[str, ...] = ()

    @property
    def type_guess(self) -> float:
        """How often a value picked at random among the candidates is the answer."""
        return self.candidates.count(self.answer) / max(1, len(self.candidates))


def told_of(world: World, entity: Entity, asked: Relation | None, rng: random.Random) -> list[Fact]:
    """One to three of an entity's facts in any order, and the asked one among them."""
    others = [fact for fact in world.facts_of(entity) if fact.relation is not asked]
    told = rng.sample(others, min(len(others), rng.randint(1, 3)))
    told += [Fact(entity, asked)] if asked else []
    return rng.sample(told, len(told))


def passage(told: list[Fact], rng: random.Random) -> str:
    """A sentence for each fact."""
    sentences = [fact.stated(rng) for fact in told]
    return " ".join(s[0].upper() + s[1:] for s in sentences)


def asking(fact: Fact, rng: random.Random) -> str:
    return f"Q: {fact.asked(rng)}\nA: "


def different(
    world: World, rng: random.Random, kind: str, count: int, split: Split
) -> list[Entity]:
    """Fresh entities of one kind with different names."""
    found: dict[str, Entity] = {}
    while len(found) < count:
        entity = world.fresh_entity(rng, kind, split)
        found[entity.name] = entity
    return list(found.values())


def any_kind(rng: random.Random) -> str:
    return rng.choices(KINDS, (5, 1, 2, 2))[0]


def _reading(stories: list[list[Fact]], asked: Fact, answer: str, rng: random.Random) -> Reading:
    text = "\n".join(passage(told, rng) for told in stories)
    values = tuple(f.value for told in stories for f in told if f.relation is asked.relation)
    return Reading(f"{text}\n{asking(asked, rng)}", answer, values)


def reading(world: World, rng: random.Random, passages: int, split: Split) -> Reading:
    """`passages` passages about entities of one kind, each of which tells the asked relation."""
    kind = any_kind(rng)
    asked = rng.choice(world.relations_of(kind))
    entities = different(world, rng, kind, passages, split)
    stories = [told_of(world, entity, asked, rng) for entity in entities]
    fact = Fact(rng.choice(entities), asked)
    return _reading(stories, fact, fact.value, rng)


def unanswerable(world: World, rng: random.Random, passages: int, split: Split) -> Reading:
    """As `reading`, but nothing tells the asked relation of the asked entity: in half of the cases
    it has a passage about something else, in the other half none. All rivals tell theirs."""
    kind = any_kind(rng)
    asked = rng.choice(world.relations_of(kind))
    *entities, missing = different(world, rng, kind, passages + 1, split)
    stories = [told_of(world, entity, asked, rng) for entity in entities]
    fact = Fact(missing, asked)
    if rng.random() < 0.5:
        told = [f for f in told_of(world, missing, None, rng) if f != fact]
        stories[rng.randrange(passages)] = told or [untold(world, fact, rng)]
    return _reading(stories, fact, NOT_STATED, rng)


def untold(world: World, fact: Fact, rng: random.Random) -> Fact:
    """Another fact of the same entity."""
    return rng.choice([f for f in world.facts_of(fact.entity) if f != fact])


def conflict(world: World, rng: random.Random) -> Reading:
    """One passage that contradicts what the corpus says and asks about a known entity."""
    known = rng.choice(world.trained_facts)
    values = [value for value in known.relation.values if value != known.value]
    facts = known.entity.facts | {known.relation.name: rng.choice(values)}
    changed = Fact(Entity(known.entity.kind, known.entity.name, facts), known.relation)
    story = told_of(world, changed.entity, known.relation, rng)
    return _reading([story], changed, changed.value, rng)


def _entities(world: World, rng: random.Random, kind: str, count: int) -> list[Entity]:
    """Fresh ones, and now and then one that the world knows, with facts that contradict it."""
    found = different(world, rng, kind, count, "train")
    if rng.random() < CONFLICT * count:
        known = rng.choice([e for e in world.entities if e.kind == kind])
        found[rng.randrange(count)] = world.entity(rng, kind, known.name)
    return found


def document(world: World, rng: random.Random) -> Document:
    """One to eight passages and several questions, most of them about the relation that all tell,
    and some that no passage answers."""
    kind = any_kind(rng)
    count = rng.choices(COUNTS, COUNT_WEIGHTS)[0]
    *entities, absent = _entities(world, rng, kind, count + 1)
    asked = rng.choice(world.relations_of(kind))
    stories = [told_of(world, entity, asked, rng) for entity in entities]
    parts = [Part("\n".join(passage(told, rng) for told in stories) + "\n")]
    told = [fact for story in stories for fact in story]
    rivals = [fact for fact in told if fact.relation is asked]
    for _ in range(rng.randint(3, 6)):
        fact = rng.choice(rivals if rng.random() < 0.6 else told)
        if rng.random() < UNANSWERABLE:
            fact = _unanswered(world, rng, told, absent)
        value = fact.value if fact in told else NOT_STATED
        parts += [Part(asking(fact, rng)), Part(f"{value}\n", answer=True)]
    return Document("passage", tuple(parts))


def _unanswered(world: World, rng: random.Random, told: list[Fact], absent: Entity) -> Fact:
    """A fact of somebody who is not in the text, or (if there is one) an untold fact."""
    fact = rng.choice(told)
    missing = [f for f in world.facts_of(fact.entity) if f not in told]
    if missing and rng.random() < 0.5:
        return rng.choice(missing)
    return Fact(absent, fact.relation)
