"""Few-shot classification: labelled lines, then one whose label is asked for.

    Labels: dax, wov
    fox -> wov
    soup -> dax
    owl -> wov
    cheese ->

Only the lines tell what a made-up label means, since labels are given out anew for each episode.
With `natural` labels a category has its own name; with `flipped` ones it has another's.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal

from labkit.models.world import lexicon as words
from labkit.models.world import messages
from labkit.models.world.document import Document, Part, Question
from labkit.models.world.lexicon import Split, split_of
from labkit.models.world.spelling import invented

Labels = Literal["made_up", "natural", "flipped"]

CATEGORIES: dict[str, tuple[str, ...]] = {
    "animal": (*words.ANIMALS, *words.PETS),
    "food": tuple(words.FOODS),
    "instrument": tuple(words.INSTRUMENTS),
    "colour": tuple(words.COLOURS),
    "job": tuple(words.JOBS),
    "goods": tuple(words.GOODS),
    "material": tuple(words.MATERIALS),
    "hobby": tuple(words.HOBBIES),
    "place": tuple(words.PLACES),
    "name": tuple(words.FIRST_NAMES[:40]),
}
TOPICS = tuple(messages.TOPICS)
MOST_SHOTS = 16
ITEMS = tuple(dict.fromkeys(word for category in CATEGORIES.values() for word in category))

# Nothing is to be learned about an invented label, so all splits share them. A word of the language
# is a label in one split only.
INVENTED_LABELS = invented("labels", 36, "d w v bl gl z", "ax ov ep im uv ek")
ORDINARY_LABELS = tuple(
    word
    for word in dict.fromkeys(
        [*words.ADJECTIVES, *words.FINDS, *words.SHOPS, *words.CUSTOMERS, *words.WEATHER]
    )
    if word not in ITEMS
)
ALL_LABELS = (*INVENTED_LABELS, *ORDINARY_LABELS)
WORDS = (*INVENTED_LABELS, *CATEGORIES, *TOPICS)


@dataclass(frozen=True)
class Episode(Question):
    """A question together with the labels that were possible."""

    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """Categories with their labels, and how many different items the lines draw from each."""

    labels: dict[str, str]
    items: dict[str, list[str]]

    def header(self, rng: random.Random) -> str:
        return f"Labels: {', '.join(rng.sample(list(self.labels.values()), len(self.labels)))}\n"


@cache
def families(split: Split) -> tuple[tuple[str, ...], ...]:
    """The sets of two to four word categories, or of topics, that belong to a split."""
    return tuple(
        chosen
        for names in (tuple(CATEGORIES), TOPICS)
        for size in (2, 3, 4)
        for chosen in combinations(names, size)
        if split_of("+".join(chosen)) == split
    )


@cache
def ordinary_labels(split: Split) -> tuple[str, ...]:
    return tuple(word for word in ORDINARY_LABELS if split_of(word) == split)


def _family(rng: random.Random, split: Split, topics: bool = True) -> tuple[str, ...]:
    """A set of categories; each size is as likely, though there are more large sets than small."""
    size = rng.choice((2, 3, 4))
    of_topics = topics and rng.random() < 0.2
    fitting = [f for f in families(split) if len(f) == size and (f[0] in TOPICS) == of_topics]
    return rng.choice(fitting) if fitting else _family(rng, split, topics)


def _labels_of(
    rng: random.Random, categories: tuple[str, ...], labels: Labels, split: Split
) -> dict[str, str]:
    if labels == "natural":
        return {category: category for category in categories}
    if labels == "flipped":
        shift = rng.randrange(1, len(categories))
        return dict(zip(categories, categories[shift:] + categories[:shift], strict=True))
    pool = rng.choice((INVENTED_LABELS, ordinary_labels(split)))
    return dict(zip(categories, rng.sample(pool, len(categories)), strict=True))


def _items_of(rng: random.Random, category: str) -> list[str]:
    """All items of a category in a random order; a message speaks of goods drawn for it."""
    if category in CATEGORIES:
        return rng.sample(CATEGORIES[category], len(CATEGORIES[category]))
    templates = rng.sample(messages.TOPICS[category], len(messages.TOPICS[category]))
    return [template.format(goods=rng.choice(words.GOODS)) for template in templates]


def _task(rng: random.Random, labels: Labels, split: Split, topics: bool = True) -> Task:
    categories = _family(rng, split, topics)
    items = {category: _items_of(rng, category) for category in categories}
    return Task(_labels_of(rng, categories, labels, split), items)


def _order(rng: random.Random, task: Task, shots: int) -> list[str]:
    """A category for each line, in a random order; their counts differ by one at most."""
    categories = rng.sample(list(task.labels), len(task.labels))
    order = [categories[i % len(categories)] for i in range(shots)]
    rng.shuffle(order)
    return order


def episode(
    rng: random.Random, shots: int, labels: Labels = "made_up", split: Split = "train"
) -> Episode:
    """`shots` labelled lines (0 to 16) and one to label, whose item is none of those shown.

    Each class is as likely to be asked for. There are too few messages of a topic for more than
    ten shots, so those are of words only. ValueError for more than 16 shots.
    """
    if not 0 <= shots <= MOST_SHOTS:
        raise ValueError(f"{shots} shots were asked for; an episode has 0 to {MOST_SHOTS}.")
    task = _task(rng, labels, split, topics=shots <= 10)
    shown = _order(rng, task, shots)
    asked = rng.choice(list(task.labels))
    pools = {category: iter(items) for category, items in task.items.items()}
    lines = [f"{next(pools[category])} -> {task.labels[category]}\n" for category in shown]
    query = next(pools[asked])
    prompt = f"{task.header(rng)}{''.join(lines)}{query} -> "
    return Episode(prompt, task.labels[asked], tuple(task.labels.values()))


def document(rng: random.Random) -> Document:
    """A long episode: every label is an answer. The first of its class can only be one of those
    that the header names.

    Half of the documents have few different items, which come back: there the label can be copied
    from the same line above. In the other half every item is new.
    """
    labels: Labels = rng.choices(("made_up", "natural", "flipped"), (6, 1, 2))[0]
    task = _task(rng, labels, "train")
    of_topics = next(iter(task.labels)) in TOPICS
    few = rng.randint(1, 3) if rng.random() < 0.5 else None
    parts = [Part(task.header(rng))]
    known: dict[str, int] = dict.fromkeys(task.labels, 0)
    for category in _order(rng, task, rng.randint(6, 8) if of_topics else rng.randint(8, 16)):
        items = task.items[category][:few]
        item = rng.choice(items) if few else items[known[category] % len(items)]
        parts.append(Part(f"{item} -> "))
        parts.append(Part(f"{task.labels[category]}\n", answer=True))
        known[category] += 1
    return Document("shots", tuple(parts))
