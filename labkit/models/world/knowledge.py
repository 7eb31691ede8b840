"""Texts about the world's own facts: biographies, questions and answers, chats.

People misremember: a share `RUMOUR` of the statements gives another value of the right type. So the
best model is unsure in proportion, as models of real text are, and temperature has something to do.
"""

from __future__ import annotations

import random

from labkit.models.world.document import Document, Part, plain
from labkit.models.world.entities import Fact, World

RUMOUR = 0.08


def remembered(fact: Fact, rng: random.Random) -> str:
    """The fact's value, or now and then a wrong one of the same type."""
    return rng.choice(fact.relation.values) if rng.random() < RUMOUR else fact.value


def biography(world: World, rng: random.Random) -> Document:
    """Some of the facts of one entity, stated in any order."""
    facts = world.facts_of(rng.choice(world.entities))
    rng.shuffle(facts)
    told = facts[: rng.randint(2, len(facts))]
    sentences = [fact.stated(rng, remembered(fact, rng)) for fact in told]
    return plain("biography", " ".join(s[0].upper() + s[1:] for s in sentences) + "\n")


def questions(world: World, rng: random.Random) -> Document:
    """A few questions about anything, each with its answer."""
    parts: list[Part] = []
    for fact in rng.sample(world.trained_facts, rng.randint(1, 4)):
        parts.append(Part(f"Q: {fact.asked(rng)}\nA: "))
        parts.append(Part(remembered(fact, rng) + "\n", answer=True))
    return Document("question", tuple(parts))


def chat(world: World, rng: random.Random) -> Document:
    """The same as a conversation in the chat template, answered in a sentence or a word."""
    parts: list[Part] = []
    for fact in rng.sample(world.trained_facts, rng.randint(1, 3)):
        value = remembered(fact, rng)
        sentence = fact.stated(rng, value)
        reply = sentence[0].upper() + sentence[1:] if rng.random() < 0.5 else value
        parts.append(Part(f"<|user|>{fact.asked(rng)}<|end|><|assistant|>"))
        parts.append(Part(reply + "<|end|>", answer=True))
    return Document("chat", tuple(parts))
