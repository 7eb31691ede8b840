"""New facts of the region, about newcomers, which no training text has stated.

For comparing what a model finds in its context with what it learns by tuning. The facts are of the
usual relations, stated and asked for in the usual words; each has paraphrases too, in words that
the corpus does not use, since facts that are read in one wording only are hardly learned
(Allen-Zhu and Li 2023, arXiv:2309.14316).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from labkit.models.world.document import Question
from labkit.models.world.entities import Entity, Fact, World

NEWCOMERS = {"person": 8, "company": 4, "product": 4}

_PARAPHRASES: dict[str, tuple[str, ...]] = {
    "home": (
        "{name} has a house in {value}.", "You will find {name} in {value}.",
        "{value} is where {name} lives.",
    ),
    "job": (
        "{name} earns a living as a {value}.", "For work {name} has become a {value}.",
        "A {value}: that is what {name} is.",
    ),
    "pet": (
        "{name} lives with a {value}.", "A {value} belongs to {name}.",
        "{name} never goes out without a {value}.",
    ),
    "hobby": (
        "{name} spends every free day on {value}.", "Nothing makes {name} as happy as {value}.",
        "The Sundays of {name} belong to {value}.",
    ),
    "food": (
        "{name} could eat {value} every day.", "There is always {value} on the table of {name}.",
        "Give {name} {value} and all is well.",
    ),
    "instrument": (
        "{name} makes music on the {value}.", "You can hear {name} at the {value}.",
        "The {value} is what {name} learned to play.",
    ),
    "seat": (
        "{name} has its offices in {value}.", "{value} is the town where {name} is at home.",
        "To visit {name} you must go to {value}.",
    ),
    "goods": (
        "{name} produces {value}.", "{name} fills its shops with {value}.",
        "Whoever needs {value} goes to {name}.",
    ),
    "sign": (
        "{name} hangs out something {value}.", "At {name} the doors are {value}.",
        "{value} is the colour of {name}.",
    ),
    "maker": (
        "{value} produces the {name}.", "The {name} comes out of the workshops of {value}.",
        "It was {value} that brought out the {name}.",
    ),
    "article": (
        "The {name} is a new {value}.", "The {name} is sold as the best {value}.",
        "Of every new {value} the {name} is the best.",
    ),
    "material": (
        "They make the {name} out of {value}.", "The {name} is built from {value}.",
        "It takes {value} to build the {name}.",
    ),
    "price": (
        "The shops ask {value} crowns for the {name}.", "{value} crowns buy the {name}.",
        "For {value} crowns the {name} is yours.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class NewFact:
    """One fact about a newcomer: `name` - `relation` - `value`."""

    entity: Entity
    fact: Fact

    @property
    def name(self) -> str:
        return self.entity.name

    @property
    def relation(self) -> str:
        return self.fact.relation.name

    @property
    def value(self) -> str:
        return self.fact.value

    def _filled(self, templates: tuple[str, ...]) -> tuple[str, ...]:
        filled = [template.format(name=self.name, value=self.value) for template in templates]
        return tuple(sentence[0].upper() + sentence[1:] for sentence in filled)

    @property
    def statements(self) -> tuple[str, ...]:
        """The fact in the words of the corpus."""
        return self._filled(self.fact.relation.statements)

    @property
    def paraphrases(self) -> tuple[str, ...]:
        """The fact in other words."""
        return self._filled(_PARAPHRASES[self.relation])

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every form in which the corpus asks such a thing, without a context."""
        asked = self._filled(self.fact.relation.questions)
        return tuple(Question(f"Q: {question}\nA: ", self.value) for question in asked)

    def question(self, rng: random.Random | None = None) -> Question:
        """One form of the question: the first, or any if an `rng` chooses."""
        return rng.choice(self.questions) if rng else self.questions[0]


def _newcomers(world: World) -> tuple[Entity, ...]:
    """Entities that are not in the world; people have names that no training passage uses."""
    rng = random.Random("news")
    found: dict[str, Entity] = {}
    for kind, count in NEWCOMERS.items():
        wanted = len(found) + count
        while len(found) < wanted:
            entity = world.fresh_entity(rng, kind, "test")
            found.setdefault(entity.name, entity)
    return tuple(found.values())


def _new_facts(world: World) -> tuple[NewFact, ...]:
    return tuple(NewFact(e, fact) for e in _newcomers(world) for fact in world.facts_of(e))


NEW_FACTS = _new_facts(World())


def passages(rng: random.Random) -> dict[str, str]:
    """By name, all that is new about a newcomer in the words of the corpus: what a search finds."""
    found: dict[str, list[str]] = {}
    for new in rng.sample(NEW_FACTS, len(NEW_FACTS)):
        found.setdefault(new.name, []).append(rng.choice(new.statements))
    return {name: " ".join(sentences) for name, sentences in found.items()}
