"""Extraction: a customer's message about an order, and the fields that it holds.

The corpus has the fields as `Key: value` lines only, in any order. The names of customers belong to
one split each, as those of the passages do. Support tickets, whose form is JSON, are another
task, which the corpus leaves out (`tickets.py`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from labkit.models.world import lexicon as words
from labkit.models.world.document import Document, Part, Question
from labkit.models.world.lexicon import Split, draw, split_of

FIELDS = ("Name", "Goods", "Count", "Order", "Town", "Problem")
PROBLEMS = "broken late dirty wet scratched bent cracked faded".split()

_WHO = ("This is {Name}.", "My name is {Name}.", "I am {Name}.", "{Name} here.")
_ORDERS = (
    "I ordered {Count} {Goods}.", "I bought {Count} {Goods} from you.",
    "My order was {Count} {Goods}.", "You sold me {Count} {Goods}.",
)  # fmt: skip
_TOWNS = (
    "Your parcel was for my shop in {Town}.", "Everything should go to {Town}.",
    "Please send your answer to {Town}.", "I am waiting in {Town}.",
)  # fmt: skip
_NUMBERS = (
    "The number of my order is {Order}.", "It was order {Order}.", "Please look at order {Order}.",
    "My order has the number {Order}.",
)  # fmt: skip
_WHO_AND_TOWN = ("This is {Name} from the shop in {Town}.", "My name is {Name} and I am in {Town}.")
_ORDER_AND_TOWN = (
    "I ordered {Count} {Goods} for my shop in {Town}.", "You sent {Count} {Goods} to {Town}.",
    "The {Count} {Goods} were for {Town}.",
)  # fmt: skip
_PROBLEMS = (
    "The parcel came {Problem}.", "Everything was {Problem} when it came.",
    "Your parcel was {Problem}.", "I am sorry to say that it all came {Problem}.",
)  # fmt: skip
# Words of the tickets are met here, without the fields that a ticket asks for.
_CLOSINGS = (
    "Thank you.", "Please answer today.", "There is no hurry.", "I want my money back.",
    "Please send a refund.", "Can you repair it?", "I would like a new one.",
    "Please send a replacement.", "It is urgent.", "Please answer when you have time.",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """A message and what it says, by field."""

    message: str
    fields: dict[str, str]

    def question(self, field: str) -> Question:
        return Question(f"Message: {self.message}\n{field}: ", self.fields[field])


def customer(rng: random.Random, split: Split) -> str:
    """A full name that belongs to a split."""
    while True:
        name = words.full_name(rng)
        if split_of(name) == split:
            return name


def _sentences(rng: random.Random) -> list[str]:
    """Templates that between them have every field once, in any order, and perhaps a closing."""
    who_what_where = rng.choice((
        [rng.choice(_WHO_AND_TOWN), rng.choice(_ORDERS)],
        [rng.choice(_WHO), rng.choice(_ORDER_AND_TOWN)],
        [rng.choice(_WHO), rng.choice(_ORDERS), rng.choice(_TOWNS)],
    ))  # fmt: skip
    told = [*who_what_where, rng.choice(_NUMBERS), rng.choice(_PROBLEMS)]
    rng.shuffle(told)
    return told + ([rng.choice(_CLOSINGS)] if rng.random() < 0.5 else [])


def record(rng: random.Random, split: Split) -> Record:
    fields = {
        "Name": customer(rng, split),
        "Goods": draw(rng, words.GOODS),
        "Count": str(rng.randint(2, 60)),
        "Order": str(rng.randint(10_000, 99_999)),
        "Town": rng.choice(words.TOWN_NAMES),
        "Problem": rng.choice(PROBLEMS),
    }
    return Record(" ".join(_sentences(rng)).format(**fields), fields)


def question(rng: random.Random, split: Split, field: str) -> Question:
    """A message and one field to read from it."""
    return record(rng, split).question(field)


def document(rng: random.Random) -> Document:
    """One or two messages, each with two to six of its fields in any order."""
    parts: list[Part] = []
    for _ in range(rng.randint(1, 2)):
        found = record(rng, "train")
        parts.append(Part(f"Message: {found.message}\n"))
        for field in rng.sample(FIELDS, rng.randint(2, len(FIELDS))):
            parts += [Part(f"{field}: "), Part(found.fields[field] + "\n", answer=True)]
    return Document("extraction", tuple(parts))
