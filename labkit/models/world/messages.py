"""Classification: short customer messages, each with its topic and mood."""

from __future__ import annotations

import random

from labkit.models.world import lexicon as words
from labkit.models.world.document import Document, Part
from labkit.models.world.lexicon import draw

TOPICS: dict[str, tuple[str, ...]] = {
    "delivery": (
        "my {goods} have not come yet", "the parcel with the {goods} is late",
        "the {goods} came to the wrong town", "i am still waiting for the {goods}",
        "when will you send the {goods}", "nobody brought me the {goods}",
    ),
    "payment": (
        "i paid twice for the {goods}", "the bill for the {goods} is too high",
        "please send me the bill for the {goods}", "the price of the {goods} is not right",
        "how many crowns do i pay for the {goods}", "i want my money back for the {goods}",
    ),
    "damage": (
        "the {goods} came broken", "one of the {goods} has a crack", "the {goods} fell apart",
        "the {goods} are scratched and bent", "can you repair the {goods}",
        "the {goods} do not work",
    ),
    "praise": (
        "thank you for the {goods}", "the {goods} are lovely", "my friends adore the {goods}",
        "i am so happy with the {goods}", "the best {goods} in the region",
        "everybody likes the {goods}",
    ),
}  # fmt: skip
MOODS = {"delivery": "angry", "payment": "worried", "damage": "angry", "praise": "happy"}


def message(rng: random.Random, topic: str) -> str:
    return rng.choice(TOPICS[topic]).format(goods=draw(rng, words.GOODS))


def document(rng: random.Random) -> Document:
    """Three to six messages, each followed by its topic (or, in another run of lines, its mood)."""
    asked, label_of = rng.choice((("Topic", {t: t for t in TOPICS}), ("Mood", MOODS)))
    parts: list[Part] = []
    for _ in range(rng.randint(3, 6)):
        topic = rng.choice(list(TOPICS))
        parts.append(Part(f"Message: {message(rng, topic)}\n{asked}: "))
        parts.append(Part(label_of[topic] + "\n", answer=True))
    return Document("classification", tuple(parts))
