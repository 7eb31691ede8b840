"""The world itself: people, towns, companies and products of a fictional region, and their facts.

A relation says how a fact is stated, how it is asked for, and which values are possible. The world
is made from a seed; `World(0)` is the one that the bundled models know.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from labkit.models.world import lexicon
from labkit.models.world.document import Question

KINDS = ("person", "town", "company", "product")
PLACES = tuple(terrain.split()[-1] for terrain in lexicon.TERRAINS)  # "a lake": lake


@dataclass(frozen=True)
class Relation:
    """One thing that is known about a kind of entity, e.g. a person's pet.

    A statement names the entity before the value and close to it, as a question does before its
    answer: a model of few layers can look back from a value to its name, not ahead.
    """

    name: str
    kind: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Entity:
    """Somebody or something, with one value for each relation of its kind."""

    kind: str
    name: str
    facts: dict[str, str] = field(hash=False)


@dataclass(frozen=True)
class Fact:
    """One fact of one entity: `Anna Kell` - `pet` - `goat`."""

    entity: Entity
    relation: Relation

    @property
    def value(self) -> str:
        return self.entity.facts[self.relation.name]

    def stated(self, rng: random.Random, value: str | None = None) -> str:
        template = rng.choice(self.relation.statements)
        return template.format(name=self.entity.name, value=value or self.value)

    def asked(self, rng: random.Random) -> str:
        return rng.choice(self.relation.questions).format(name=self.entity.name)


def _prices() -> tuple[str, ...]:
    return tuple(str(price) for price in range(12, 100, 4))


def person_names(rng: random.Random, count: int) -> list[str]:
    """Different full names; parts of a name are shared between people, as they are anywhere."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[lexicon.full_name(rng)] = None
    return list(found)


def relations(towns: Sequence[str], companies: Sequence[str]) -> tuple[Relation, ...]:
    """Everything that can be known, given the towns and companies that there are."""
    towns, companies = tuple(towns), tuple(companies)
    return (
        Relation(
            "home",
            "person",
            ("{name} lives in {value}.", "The home of {name} is {value}."),
            ("Where does {name} live?", "In which town does {name} live?"),
            towns,
        ),
        Relation(
            "job",
            "person",
            ("{name} works as a {value}.", "{name} is a {value} by trade."),
            ("What is the job of {name}?", "Which job does {name} have?"),
            tuple(lexicon.JOBS),
        ),
        Relation(
            "pet",
            "person",
            ("{name} has a {value}.", "The pet of {name} is a {value}."),
            ("Which pet does {name} have?", "What is the pet of {name}?"),
            tuple(lexicon.PETS),
        ),
        Relation(
            "hobby",
            "person",
            ("{name} loves {value}.", "The hobby of {name} is {value}."),
            ("What is the hobby of {name}?", "Which hobby does {name} have?"),
            tuple(lexicon.HOBBIES),
        ),
        Relation(
            "food",
            "person",
            ("{name} likes to eat {value}.", "The favourite food of {name} is {value}."),
            ("Which food does {name} like?", "What is the favourite food of {name}?"),
            tuple(lexicon.FOODS),
        ),
        Relation(
            "instrument",
            "person",
            ("{name} plays the {value}.", "The instrument of {name} is the {value}."),
            ("Which instrument does {name} play?", "What is the instrument of {name}?"),
            tuple(lexicon.INSTRUMENTS),
        ),
        Relation(
            "place",
            "town",
            ("{name} lies by the {value}.", "The town of {name} was built by the {value}."),
            ("Where does the town of {name} lie?", "What lies next to {name}?"),
            PLACES,
        ),
        Relation(
            "fame",
            "town",
            ("{name} is famous for its {value}.", "People come to {name} for its {value}."),
            ("What do people come to {name} for?", "What is the fame of {name}?"),
            tuple(lexicon.FOODS),
        ),
        Relation(
            "mayor",
            "town",
            ("The mayor of {name} is {value}.", "{name} has the mayor {value}."),
            ("Who is the mayor of {name}?", "Which mayor does {name} have?"),
            tuple(lexicon.FIRST_NAMES[:40]),
        ),
        Relation(
            "flag",
            "town",
            ("The flag of {name} is {value}.", "{name} flies a flag that is {value}."),
            ("Which colour is the flag of {name}?", "What is the colour of the flag of {name}?"),
            tuple(lexicon.COLOURS),
        ),
        Relation(
            "seat",
            "company",
            ("{name} has its seat in {value}.", "The company {name} comes from {value}."),
            ("Where does {name} have its seat?", "Which town is the seat of {name}?"),
            towns,
        ),
        Relation(
            "goods",
            "company",
            ("{name} makes {value}.", "The company {name} is known for {value}."),
            ("What does {name} make?", "What is made by {name}?"),
            tuple(lexicon.GOODS),
        ),
        Relation(
            "sign",
            "company",
            ("The sign of {name} is {value}.", "{name} has a sign that is {value}."),
            ("Which colour is the sign of {name}?", "What is the colour of the sign of {name}?"),
            tuple(lexicon.COLOURS),
        ),
        Relation(
            "maker",
            "product",
            ("The {name} is made by {value}.", "The maker of the {name} is {value}."),
            ("Who makes the {name}?", "Which company makes the {name}?"),
            companies,
        ),
        Relation(
            "article",
            "product",
            ("The {name} is a {value}.", "People buy the {name} as a {value}."),
            ("What is the {name}?", "What kind of thing is the {name}?"),
            tuple(lexicon.ARTICLES),
        ),
        Relation(
            "material",
            "product",
            ("The {name} consists of {value}.", "The material of the {name} is {value}."),
            ("What is the material of the {name}?", "Which material has the {name}?"),
            tuple(lexicon.MATERIALS),
        ),
        Relation(
            "price",
            "product",
            ("The {name} costs {value} crowns.", "The price of the {name} is {value} crowns."),
            ("How many crowns does the {name} cost?", "What is the price of the {name}?"),
            _prices(),
        ),
    )


@dataclass(frozen=True)
class World:
    """The region that the bundled models know: about 220 entities and 1,040 facts."""

    seed: int = 0

    @cached_property
    def towns(self) -> tuple[str, ...]:
        return lexicon.TOWN_NAMES[:40]

    @cached_property
    def companies(self) -> tuple[str, ...]:
        return lexicon.COMPANY_NAMES[:40]

    @cached_property
    def relations(self) -> dict[str, Relation]:
        return {relation.name: relation for relation in relations(self.towns, self.companies)}

    def relations_of(self, kind: str) -> list[Relation]:
        return [relation for relation in self.relations.values() if relation.kind == kind]

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        rng = random.Random(f"world {self.seed}")
        names = {
            "person": person_names(rng, 100),
            "town": list(self.towns),
            "company": list(self.companies),
            "product": list(lexicon.PRODUCT_NAMES[:40]),
        }
        return tuple(self.entity(rng, kind, name) for kind in KINDS for name in names[kind])

    def entity(self, rng: random.Random, kind: str, name: str) -> Entity:
        """An entity with a value drawn for each of its relations."""
        return Entity(kind, name, {r.name: rng.choice(r.values) for r in self.relations_of(kind)})

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(entity.name for entity in self.entities)

    def facts_of(self, entity: Entity) -> list[Fact]:
        return [Fact(entity, self.relations[name]) for name in entity.facts]

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(fact for entity in self.entities for fact in self.facts_of(entity))

    @cached_property
    def prose_only(self) -> frozenset[str]:
        """Names of the sixth of the entities that the corpus describes but never asks about."""
        return frozenset(entity.name for entity in self.entities[5::6])

    @cached_property
    def trained_facts(self) -> tuple[Fact, ...]:
        """Facts that the corpus both states and asks for."""
        return tuple(f for f in self.facts if f.entity.name not in self.prose_only)

    @cached_property
    def prose_facts(self) -> tuple[Fact, ...]:
        """Facts that the corpus states but never asks for."""
        return tuple(f for f in self.facts if f.entity.name in self.prose_only)

    def fresh_entity(self, rng: random.Random, kind: str, split: lexicon.Split) -> Entity:
        """An entity that the world does not have, with facts drawn anew each time.

        The full name of a person belongs to one split. Towns, companies and products have one-word
        names, which all splits share: there is nothing to remember about them.
        """
        while True:
            name = self._fresh_name(rng, kind)
            if kind != "person":
                return self.entity(rng, kind, name)
            if name not in self.names and lexicon.split_of(name) == split:
                return self.entity(rng, kind, name)

    def _fresh_name(self, rng: random.Random, kind: str) -> str:
        if kind == "person":
            return lexicon.full_name(rng)
        pools = {
            "town": lexicon.TOWN_NAMES,
            "company": lexicon.COMPANY_NAMES,
            "product": lexicon.PRODUCT_NAMES,
        }
        return rng.choice(pools[kind][40:])


def closed_book(fact: Fact, rng: random.Random) -> Question:
    """A question about a fact, in the form in which the corpus asks it."""
    return Question(f"Q: {fact.asked(rng)}\nA: ", fact.value)
