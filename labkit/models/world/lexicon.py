"""The words of the world: names, jobs, animals, goods, places.

Every list was written for this course or is spelled from its own syllables, so nothing here is a
real person, town or company. The order of a list is its frequency: earlier entries are drawn more
often where a text is free to choose (see `draw`), as in any natural language (Zipf's law).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Literal

Split = Literal["train", "validation", "test"]

FIRST_NAMES = (
    "Anna Tomas Mira Jonas Elsa Pavel Nora Henrik Clara Milo Greta Oskar Lena Viktor Ida Emil "
    "Petra Simon Marta Anton Sofia Felix Dora Marek Hanna Leo Vera Jakob Olga Karl Edith Hugo "
    "Alma Rafael Irene Stefan Tilda Lukas Rosa Martin Frida Adam Judith Erik Nina Bruno Selma "
    "Julian Agnes Robin Laura Gustav Helen Dario Eva Konrad Livia Samuel Berta Albert Zora Magnus "
    "Ruth Daniel Flora Ivan Thea Oliver Carla Peter Linda Max Iris Walter Paula Niklas Gerda "
    "Roman Silvia Aron Wanda Kasper Maja Theo Ella Boris Astrid Ralf Tessa Ludwig Monika Arno "
    "Ulla Benno Sara Otto Jana Finn"
).split()

JOBS = (
    "baker teacher carpenter doctor gardener sailor painter miller tailor librarian blacksmith "
    "cook fisher nurse weaver clockmaker farmer printer judge potter musician driver builder "
    "chemist"
).split()
PETS = (
    "dog cat goat parrot rabbit horse duck turtle hedgehog canary donkey ferret pony raven lizard "
    "goose"
).split()
HOBBIES = (
    "chess sailing painting fishing dancing hiking knitting archery singing climbing juggling "
    "skating carving rowing cycling baking"
).split()
FOODS = (
    "soup bread cheese plums fish noodles honey pears dumplings rice olives mushrooms pancakes "
    "beans apples almonds"
).split()
INSTRUMENTS = "piano violin flute guitar drum harp trumpet cello organ accordion".split()
COLOURS = "red blue green yellow black white purple orange grey brown".split()
MATERIALS = "wood steel glass copper clay wool paper leather silver stone".split()
TERRAINS = (
    "a lake|a river|a hill|the sea|a forest|a canyon|a moor|an island|a desert|a swamp".split("|")
)
GOODS = (
    "lamps boots clocks kites chairs ropes candles bells mirrors baskets umbrellas knives carpets "
    "barrels ladders kettles"
).split()
ARTICLES = (
    "lamp clock kettle chair kite mirror basket umbrella ladder barrel radio bicycle table wagon"
).split()
SHOPS = (
    "bakery workshop library stall kitchen garden school theatre boat market museum studio".split()
)
CUSTOMERS = (
    "children sailors travellers farmers neighbours students singers dogs grandparents painters "
    "builders dancers"
).split()
ADJECTIVES = (
    "small old quiet bright warm tall brave strange clever gentle hungry proud tired happy golden "
    "silver wooden broken hidden distant"
).split()
ANIMALS = "fox bear mouse owl wolf hare crow frog badger otter deer swan beetle squirrel".split()
PLACES = (
    "forest|river|market|mountain|village|bridge|garden|harbour|tower|valley|meadow|cave|mill|well"
).split("|")
FINDS = "key lamp coin letter map ring stone feather book bell shell rope button box".split()
WEATHER = "sunny rainy windy snowy foggy cold warm stormy".split()

_ONSETS = "b br d dr f g gr h k kl l m n p pr r s st t tr v z".split()
_VOWELS = "a e i o u".split()
_CODAS = "l n r s t k m nd rk lm st".split()


def _spelled(rng: random.Random, endings: Sequence[str]) -> str:
    """One invented name: a syllable or two and an ending that tells its kind."""
    syllable = rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
    opening = rng.choice(_ONSETS) + rng.choice(_VOWELS) if rng.random() < 0.4 else ""
    return (opening + syllable + rng.choice(list(endings))).capitalize()


def _names(kind: str, count: int, endings: Sequence[str]) -> tuple[str, ...]:
    """`count` different names of a kind, the same in every run."""
    rng = random.Random(f"names of {kind}")
    found: dict[str, None] = {}
    while len(found) < count:
        found[_spelled(rng, endings)] = None
    return tuple(found)


LAST_NAMES = _names("people", 120, ["er", "ow", "ik", "a", "en", "el", "o"])
TOWN_NAMES = _names("towns", 100, ["ham", "ville", "mouth", "ford", "burg", "by", "wick"])
COMPANY_NAMES = _names("companies", 90, ["ex", "co", "works", "tec", "ia", "lab"])
PRODUCT_NAMES = _names("products", 90, ["ix", "on", "ette", "ino", "us", "ax"])


def draw(rng: random.Random, words: Sequence[str], sharpness: float = 0.7) -> str:
    """One of `words`; the i-th has a probability proportional to 1 / (i + 1) ** sharpness."""
    weights = [(i + 1) ** -sharpness for i in range(len(words))]
    return rng.choices(words, weights)[0]


def full_name(rng: random.Random) -> str:
    """A first and a last name."""
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def split_of(key: str) -> Split:
    """Which split an item belongs to, by its own text: 80 / 10 / 10, the same for everyone."""
    bucket = hashlib.blake2b(key.encode(), digest_size=4).digest()[0]
    return "train" if bucket < 205 else "validation" if bucket < 230 else "test"
