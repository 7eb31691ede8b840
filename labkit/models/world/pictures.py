"""Pictures of a few shapes on grey, and questions about them: colour, shape, count, place.

A picture is drawn from its split and its number, so no two splits share one. Some combinations of
shape and colour stand in validation pictures only, others in test pictures only: a model that names
the colour of a purple ring without having met one has learned rings and purple, not a list.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.models.world.lexicon import Split

SIZE = 48  # pixels, each way
MAX_THINGS = 5
CLEARLY = 4.0  # pixels from the middle, for "left" or "top" to be asked about
SEEN = 0.1  # of a patch has to be covered before it shows a thing
NOISE, TINT = 6.0, 14  # of 255: spread of the noise, and how far a thing's colour may be off

Values = NDArray[np.floating[Any]]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 40, 45), "green": (45, 160, 65), "blue": (45, 75, 210),
    "yellow": (235, 215, 55), "purple": (140, 55, 165), "orange": (240, 135, 35),
    "black": (25, 25, 25), "white": (240, 240, 240),
}  # fmt: skip

# A shape is its distance function: negative inside, in pixels from the edge (x right, y down).
SHAPES: dict[str, Callable[[Values, Values, float], Values]] = {
    "circle": lambda x, y, r: np.hypot(x, y) - r,
    "square": lambda x, y, r: np.maximum(abs(x), abs(y)) - 0.9 * r,
    "triangle": lambda x, y, r: np.maximum(y - 0.7 * r, 0.87 * abs(x) - 0.5 * y - 0.6 * r),
    "cross": lambda x, y, r: np.minimum(
        np.maximum(abs(x) - 0.35 * r, abs(y) - r), np.maximum(abs(x) - r, abs(y) - 0.35 * r)
    ),
    "ring": lambda x, y, r: abs(np.hypot(x, y) - 0.75 * r) - 0.25 * r,
}
KINDS = ("colour", "shape", "count", "count of one shape", "position", "caption")


@dataclass(frozen=True)
class Thing:
    """One shape of a colour; centre and radius in pixels."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Asked:
    """A question about a picture and its answer; `things` are those that it is about."""

    kind: str
    question: str
    answer: str
    things: tuple[Thing, ...]


@dataclass(frozen=True)
class Picture:
    """One to five things that don't touch, and the seed of the picture's noise."""

    things: tuple[Thing, ...]
    noise: int

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The picture, uint8 (SIZE, SIZE, 3)."""
        rng = np.random.default_rng(self.noise)
        canvas = np.full((SIZE, SIZE, 3), rng.uniform(110, 165), dtype=np.float32)
        for thing, covered in zip(self.things, self.coverage, strict=True):
            paint = np.array(COLOURS[thing.colour]) + rng.uniform(-TINT, TINT, 3)
            canvas += covered[..., None] * (paint - canvas)
        canvas += rng.normal(0, NOISE, canvas.shape)
        return np.clip(canvas, 0, 255).round().astype(np.uint8)

    @cached_property
    def coverage(self) -> Values:
        """How much of each pixel a thing covers, 0 to 1, with soft edges: (things, SIZE, SIZE)."""
        y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5
        distances = [SHAPES[t.shape](x - t.x, y - t.y, t.radius) for t in self.things]
        return np.clip(0.5 - np.stack(distances), 0, 1)

    def seen_in_patches(self, patch_size: int) -> list[Thing | None]:
        """For each patch, row by row, the thing that covers most of it; None where hardly any."""
        side = SIZE // patch_size
        tiles = self.coverage.reshape(-1, side, patch_size, side, patch_size).mean((2, 4))
        shares = tiles.reshape(len(self.things), -1).T
        return [self.things[s.argmax()] if s.max() >= SEEN else None for s in shares]

    @property
    def caption(self) -> str:
        """All things from left to right: `a red circle, a blue ring and a green cross`."""
        names = [
            f"an {t.name}" if t.name[0] in "aeiou" else f"a {t.name}"
            for t in sorted(self.things, key=lambda t: t.x)
        ]
        return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))

    def questions(self) -> list[Asked]:
        """Everything that may be asked about it and has one answer."""
        found = [Asked("caption", "Describe the picture.", self.caption, self.things)]
        found.append(
            Asked("count", "How many shapes are there?", str(len(self.things)), self.things)
        )
        for shape in sorted({thing.shape for thing in self.things}):
            same = tuple(thing for thing in self.things if thing.shape == shape)
            asked = f"How many {shape}{'es' if shape[-1] == 's' else 's'} are there?"
            found.append(Asked("count of one shape", asked, str(len(same)), same))
            if len(same) == 1:
                found.append(Asked("colour", f"What colour is the {shape}?", same[0].colour, same))
                found += _places(same[0])
        for colour in sorted({thing.colour for thing in self.things}):
            same = tuple(thing for thing in self.things if thing.colour == colour)
            if len(same) == 1:
                found.append(Asked("shape", f"Which shape is {colour}?", same[0].shape, same))
        return found


def _places(thing: Thing) -> list[Asked]:
    """Left or right, top or bottom, where it is plain to see."""
    found = []
    for place, low, high, words in (
        (thing.x, "left", "right", "left or right"),
        (thing.y, "top", "bottom", "top or bottom"),
    ):
        if abs(place - SIZE / 2) >= CLEARLY:
            answer = low if place < SIZE / 2 else high
            asked = f"Where is the {thing.shape}, {words}?"
            found.append(Asked("position", asked, answer, (thing,)))
    return found


def words() -> list[str]:
    """Every word that questions, answers and captions are made of."""
    texts = [text for number in range(200) for asked in picture("train", number).questions()
             for text in (asked.question, asked.answer)]  # fmt: skip
    return sorted(set(re.findall(r"[A-Za-z]+", " ".join(texts))))


def split_of_combination(shape: str, colour: str) -> Split:
    """Each shape has one colour that only test pictures show, and one for validation alone."""
    place = (list(COLOURS).index(colour) + 3 * list(SHAPES).index(shape)) % len(COLOURS)
    return "test" if place == 0 else "validation" if place == 4 else "train"


def combinations(split: Split) -> list[tuple[str, str]]:
    """The (shape, colour) pairs that pictures of a split show: those of training, and its own."""
    return [
        (shape, colour)
        for shape in SHAPES
        for colour in COLOURS
        if split_of_combination(shape, colour) in ("train", split)
    ]


def is_new(thing: Thing) -> bool:
    """Whether no training picture shows this combination of shape and colour."""
    return split_of_combination(thing.shape, thing.colour) != "train"


def picture(split: Split, number: int) -> Picture:
    """The picture of a split with a number, always the same."""
    rng = random.Random(f"picture {split} {number}")
    count = rng.randint(1, MAX_THINGS)
    pairs = _palette(rng, combinations(split))
    while (things := _scattered(rng, pairs, count)) is None:
        pass  # no room was left for the last of them
    return Picture(things, rng.getrandbits(32))


def _palette(rng: random.Random, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """All pairs, or those of one shape, or of one colour: so that counts of a shape differ."""
    only = rng.choice(("", "", *rng.choice(pairs)))
    return [pair for pair in pairs if not only or only in pair]


def _scattered(
    rng: random.Random, pairs: list[tuple[str, str]], count: int, tries: int = 50
) -> tuple[Thing, ...] | None:
    """`count` things that don't touch, or None when `tries` draws did not place them."""
    things: list[Thing] = []
    for _ in range(tries):
        shape, colour = rng.choice(pairs)
        radius = rng.uniform(5, 7.5)
        x, y = (rng.uniform(radius + 1, SIZE - radius - 1) for _ in range(2))
        fresh = Thing(shape, colour, x, y, radius)
        if not any(_touch(fresh, other) for other in things):
            things.append(fresh)
        if len(things) == count:
            return tuple(things)
    return None


def _touch(one: Thing, other: Thing) -> bool:
    """Whether their boxes come closer than a pixel."""
    apart = max(abs(one.x - other.x), abs(one.y - other.y))
    return apart < one.radius + other.radius + 1


def items(split: Split, kind: str, first: int = 0) -> Iterator[tuple[Picture, Asked]]:
    """Picture after picture from number `first` on, each with one question of a kind, if any."""
    for number in _numbers(first):
        shown = picture(split, number)
        possible = [asked for asked in shown.questions() if asked.kind == kind]
        if possible:
            yield shown, random.Random(f"asked {split} {number} {kind}").choice(possible)


def _numbers(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


def blank() -> NDArray[np.uint8]:
    """A grey picture of nothing: the control that shows what a model answers without looking."""
    return np.full((SIZE, SIZE, 3), 138, dtype=np.uint8)
