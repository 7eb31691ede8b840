"""Drawn pictures: the same from the same number, true to their questions, and fair splits."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.models.world import pictures
from labkit.models.world.lexicon import Split
from labkit.models.world.pictures import COLOURS, SHAPES, SIZE, Picture, Thing, picture

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
numbers = st.integers(0, 10**9)
splits = st.sampled_from(SPLITS)
any_time = settings(deadline=None, max_examples=50)


def answers(shown: Picture) -> dict[str, str]:
    return {asked.question: asked.answer for asked in shown.questions()}


@any_time
@given(splits, numbers)
def test_a_picture_is_the_same_whenever_it_is_asked_for(split: Split, number: int) -> None:
    once, again = picture(split, number), picture(split, number)
    assert once == again
    assert np.array_equal(once.pixels, again.pixels)
    assert once.pixels.shape == (SIZE, SIZE, 3) and once.pixels.dtype == np.uint8


@any_time
@given(splits, numbers)
def test_things_lie_inside_and_apart(split: Split, number: int) -> None:
    things = picture(split, number).things
    assert 1 <= len(things) <= pictures.MAX_THINGS
    for thing in things:
        assert thing.radius <= min(thing.x, thing.y)
        assert max(thing.x, thing.y) <= SIZE - thing.radius
    for one, other in itertools.combinations(things, 2):
        apart = max(abs(one.x - other.x), abs(one.y - other.y))
        assert apart > one.radius + other.radius


def test_no_two_splits_share_a_picture() -> None:
    seen = {split: {picture(split, n).pixels.tobytes() for n in range(200)} for split in SPLITS}
    assert len(set().union(*seen.values())) == 600


def test_each_shape_has_one_colour_for_test_and_one_for_validation_alone() -> None:
    place = {(s, c): pictures.split_of_combination(s, c) for s in SHAPES for c in COLOURS}
    for shape in SHAPES:
        found = Counter(split for (s, _), split in place.items() if s == shape)
        assert found == {"test": 1, "validation": 1, "train": len(COLOURS) - 2}
    for colour in COLOURS:
        assert sum(s == "train" for (_, c), s in place.items() if c == colour) >= 3


@any_time
@given(numbers)
def test_training_never_shows_a_held_out_combination(number: int) -> None:
    assert not any(pictures.is_new(thing) for thing in picture("train", number).things)
    for split, other in (("test", "validation"), ("validation", "test")):
        for thing in picture(split, number).things:  # type: ignore[arg-type]
            assert pictures.split_of_combination(thing.shape, thing.colour) != other


def test_test_pictures_do_show_new_combinations() -> None:
    asked = list(itertools.islice(pictures.items("test", "colour"), 300))
    new = sum(pictures.is_new(question.things[0]) for _, question in asked)
    assert 20 <= new <= 80


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_painted_has_its_colour_and_the_rest_is_grey(shape: str, colour: str) -> None:
    shown = Picture((Thing(shape, colour, 24, 24, 7.5),), noise=1).pixels.astype(float)
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    distance = SHAPES[shape](x - 24, y - 24, 7.5)
    inside, outside = shown[distance < -1].mean(0), shown[distance > 1].mean(0)
    nearest = min(COLOURS, key=lambda name: float(abs(inside - COLOURS[name]).sum()))
    assert nearest == colour
    assert outside.max() - outside.min() < 3
    assert (distance < -1).sum() >= 20


def test_no_two_shapes_look_alike() -> None:
    """Each pair differs on at least a sixth of the area that either of them covers."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5 - SIZE / 2
    masks = {name: shape(x, y, 5.0) < 0 for name, shape in SHAPES.items()}
    for one, other in itertools.combinations(masks.values(), 2):
        assert (one ^ other).sum() > (one | other).sum() / 6


def test_questions_of_a_picture_by_hand() -> None:
    shown = Picture(
        (
            Thing("circle", "red", 10, 10, 6),
            Thing("circle", "blue", 38, 10, 6),
            Thing("cross", "orange", 23, 38, 6),
        ),
        noise=0,
    )
    assert answers(shown) == {
        "Describe the picture.": "a red circle, an orange cross and a blue circle",
        "How many shapes are there?": "3",
        "How many circles are there?": "2",
        "How many crosses are there?": "1",
        "What colour is the cross?": "orange",
        "Where is the cross, top or bottom?": "bottom",
        "Which shape is red?": "circle",
        "Which shape is blue?": "circle",
        "Which shape is orange?": "cross",
    }


@any_time
@given(splits, numbers)
def test_every_question_has_one_answer_that_its_things_bear_out(split: Split, number: int) -> None:
    shown = picture(split, number)
    for asked in shown.questions():
        match asked.kind:
            case "colour":
                assert [t.colour for t in asked.things] == [asked.answer]
                assert sum(t.shape in asked.question for t in shown.things) == 1
            case "shape":
                assert [t.shape for t in asked.things] == [asked.answer]
                assert sum(t.colour in asked.question for t in shown.things) == 1
            case "count" | "count of one shape":
                assert asked.answer == str(len(asked.things))
            case "position":
                (thing,) = asked.things
                place = thing.x if asked.answer in ("left", "right") else thing.y
                assert (place < SIZE / 2) == (asked.answer in ("left", "top"))
                assert asked.answer in asked.question
            case "caption":
                assert all(thing.name in asked.answer for thing in shown.things)


def test_answers_are_spread_so_that_guessing_does_not_pay() -> None:
    for kind, most in (("colour", 0.2), ("shape", 0.3), ("count", 0.3), ("position", 0.35)):
        asked = list(itertools.islice(pictures.items("test", kind), 300))
        (_, count), *_ = Counter(question.answer for _, question in asked).most_common()
        assert count / 300 <= most, kind


def test_the_blank_picture_shows_nothing() -> None:
    assert len(np.unique(pictures.blank())) == 1 and pictures.blank().shape == (SIZE, SIZE, 3)
