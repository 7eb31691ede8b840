"""Support tickets and the JSON that a shop wants of each: a task that the corpus leaves out.

    Ticket: My Lorkix from order 48213 is broken. I want my money back. There is no hurry.
    JSON: {"product": "Lorkix", "order": "48213", "urgency": "low", "wants": "refund"}

Product and order number are copied; urgency and wish have to be read. Some wishes also name
what is *not* wanted ("I want no refund, please mend it"): to look for a word is not enough.
Product and number together decide the split; the splits share their phrases.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from labkit.models.world import lexicon as words
from labkit.models.world.document import Question
from labkit.models.world.lexicon import Split, split_of

FIELDS = ("product", "order", "urgency", "wants")

_OPENINGS = (
    "My {product} from order {order} is broken.", "The {product} of order {order} does not work.",
    "Order {order} came with a {product} that has a crack.",
    "I have a problem with my {product}, order {order}.",
    "In order {order} the {product} came wet and dirty.",
    "Order {order}: the {product} fell apart.",
    "The {product} is not right. My order was {order}.",
    "I bought a {product} and it came bent. The order is {order}.",
)  # fmt: skip
URGENCY: dict[str, tuple[str, ...]] = {
    "high": (
        "It is urgent.", "Please answer today.", "I need your answer now.", "I cannot wait.",
        "It has to be done before tomorrow.", "Every day without it is a bad day for my shop.",
        "Please do it as fast as you can.", "I am waiting for you day and night.",
        "There is no time to lose.", "Do not make me wait.",
    ),
    "low": (
        "It is not urgent.", "Please answer when you have time.", "There is no hurry.",
        "I can wait.", "Next month is early enough.", "Take all the time that you need.",
        "Do it whenever you like.", "I do not need it before the summer.",
        "You have time.", "Your answer can wait.",
    ),
}  # fmt: skip
WANTS: dict[str, tuple[str, ...]] = {
    "refund": (
        "I want my money back.", "Please send a refund.", "Please pay back what it cost.",
        "Give me back my crowns.", "I would like to have the price back.", "I ask for a refund.",
        "I want no new one, I want my money.", "Do not repair it, just send the money back.",
    ),
    "repair": (
        "Can you repair it?", "Please repair it for me.", "I would like to have it mended.",
        "Please make it work again.", "Can somebody mend it?", "I ask for a repair.",
        "I want no refund, please mend it.", "Do not send a new one, just repair it.",
    ),
    "replacement": (
        "I would like a new one.", "Please send a replacement.", "Can I have another one?",
        "Please give me one that works.", "Send me a new one.", "I ask for a replacement.",
        "I want no refund, I want a new one.", "Do not repair it, just send another one.",
    ),
}  # fmt: skip
_ASIDES = (
    "I am a {job} in {town}.", "It was for a friend in {town}.", "I paid {price} crowns for it.",
    "It stands in my {shop}.", "I bought it in {town}.", "My dog adores it.",
    "I was so happy with it.",
)  # fmt: skip
# The words that the answers are made of, for a tokenizer that should know them.
WORDS = (*FIELDS, *URGENCY, *WANTS)


@dataclass(frozen=True)
class Ticket:
    """What a customer wrote, and the four fields that it says."""

    text: str
    fields: dict[str, str]

    @property
    def as_json(self) -> str:
        return json.dumps(self.fields)

    def question(self) -> Question:
        return Question(f"Ticket: {self.text}\nJSON: ", self.as_json)


def _aside(rng: random.Random) -> str:
    return rng.choice(_ASIDES).format(
        job=rng.choice(words.JOBS), town=rng.choice(words.TOWN_NAMES),
        price=rng.randint(12, 98), shop=rng.choice(words.SHOPS),
    )  # fmt: skip


def ticket(rng: random.Random, split: Split) -> Ticket:
    """Three or four sentences: the opening first, the others in any order."""
    while True:
        product, order = rng.choice(words.PRODUCT_NAMES), str(rng.randint(10_000, 99_999))
        if split_of(f"{product} {order}") == split:
            break
    urgency, wish = rng.choice(list(URGENCY)), rng.choice(list(WANTS))
    rest = [rng.choice(URGENCY[urgency]), rng.choice(WANTS[wish])]
    rest += [_aside(rng)] if rng.random() < 0.5 else []
    rng.shuffle(rest)
    opening = rng.choice(_OPENINGS).format(product=product, order=order)
    fields = {"product": product, "order": order, "urgency": urgency, "wants": wish}
    return Ticket(" ".join([opening, *rest]), fields)


def question(rng: random.Random, split: Split) -> Question:
    return ticket(rng, split).question()


def examples(n: int, split: Split, seed: int) -> list[Ticket]:
    """`n` tickets of different products and numbers."""
    rng = random.Random(f"tickets {split} {seed}")
    found: dict[tuple[str, str], Ticket] = {}
    while len(found) < n:
        drawn = ticket(rng, split)
        found.setdefault((drawn.fields["product"], drawn.fields["order"]), drawn)
    return list(found.values())


def parse(text: str) -> dict[str, str] | None:
    """The four fields of an answer, or None when it is no JSON object of exactly those strings."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or set(found) != set(FIELDS):
        return None
    return found if all(isinstance(value, str) for value in found.values()) else None
