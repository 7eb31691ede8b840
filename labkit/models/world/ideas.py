"""Texts that have no right answer: shop ideas and short stories, from a small grammar.

The grammar tells whether a text is well formed, so the quality of what a model writes can be judged
by something other than the model (`parse_idea`).
"""

from __future__ import annotations

import random
import re

from labkit.models.world import lexicon as words
from labkit.models.world.document import Document, plain
from labkit.models.world.lexicon import draw

IDEA_PROMPT = "An idea for a shop: "
_TRADES = ("sells", "lends", "repairs", "paints", "collects")
_IDEA = re.compile(
    r"an? (?P<adjective>\w+) (?P<shop>\w+) by (?P<place>(?:a |an |the )\w+) "
    r"that (?P<trade>\w+) (?P<kind>\w+) (?P<goods>\w+) (?:to|for) (?P<customers>\w+)\."
)


def article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def idea(rng: random.Random) -> str:
    """One shop idea, e.g. `a small bakery by a lake that sells warm lamps to sailors.`"""
    trade = draw(rng, _TRADES)
    return (
        f"{article(draw(rng, words.ADJECTIVES))} {draw(rng, words.SHOPS)} "
        f"by {draw(rng, words.TERRAINS)} that {trade} {draw(rng, words.ADJECTIVES)} "
        f"{draw(rng, words.GOODS)} {'to' if trade in ('sells', 'lends') else 'for'} "
        f"{draw(rng, words.CUSTOMERS)}."
    )


def parse_idea(text: str) -> dict[str, str] | None:
    """The parts of a well-formed shop idea, or None when the grammar or a word is wrong."""
    found = _IDEA.fullmatch(text.strip())
    if found is None:
        return None
    parts = found.groupdict()
    allowed = {
        "adjective": words.ADJECTIVES,
        "shop": words.SHOPS,
        "place": words.TERRAINS,
        "trade": _TRADES,
        "kind": words.ADJECTIVES,
        "goods": words.GOODS,
        "customers": words.CUSTOMERS,
    }
    article_fits = text.strip().startswith(article(parts["adjective"]))
    return parts if article_fits and all(parts[k] in allowed[k] for k in allowed) else None


def ideas(rng: random.Random) -> Document:
    return plain("idea", "".join(f"{IDEA_PROMPT}{idea(rng)}\n" for _ in range(rng.randint(1, 4))))


def story(rng: random.Random) -> Document:
    """Five sentences about an animal, a friend and a thing that is lost and found."""
    hero, friend = rng.sample(words.ANIMALS, 2)
    name, place, find = (
        draw(rng, words.FIRST_NAMES),
        draw(rng, words.PLACES),
        draw(rng, words.FINDS),
    )
    mood, weather = draw(rng, words.ADJECTIVES), draw(rng, words.WEATHER)
    sentences = (
        draw(
            rng,
            (
                f"Once upon a time there was {article(mood)} {hero} called {name}.",
                f"{article(mood).capitalize()} {hero} called {name} lived near the {place}.",
                f"In the {place} lived {article(mood)} {hero} whose name was {name}.",
            ),
        ),
        draw(
            rng,
            (
                f"One {weather} day {name} went to the {place} to look for {article(find)}.",
                f"One {weather} morning {name} lost {article(find)} near the {place}.",
                f"On {article(weather)} day {name} found {article(find)} in the {place}.",
            ),
        ),
        draw(
            rng,
            (
                f"There {name} met {article(friend)} who was very {draw(rng, words.ADJECTIVES)}.",
                f"{article(friend).capitalize()} came along and asked what the matter was.",
                f"Then {name} heard {article(friend)} singing behind the "
                f"{draw(rng, words.PLACES)}.",
            ),
        ),
        draw(
            rng,
            (
                f'"Let us look for the {find} together," said the {friend}.',
                f'"I know who owns this {find}," said the {friend}.',
                f'"May I see the {find}?" asked the {friend}.',
            ),
        ),
        draw(
            rng,
            (
                f"In the evening {name} and the {friend} shared some {draw(rng, words.FOODS)}.",
                f"From that day on the {hero} and the {friend} were friends.",
                f"{name} gave the {find} to the {friend} and went home.",
            ),
        ),
    )
    return plain("story", " ".join(sentences) + "\n")
