"""Registers: one order for everybody, and nothing but remembering foretells it."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import World
from labkit.models.world.registers import FACTS, LONGEST, REGISTERS, SHORTEST, Register

WORLD = World()


@given(st.sampled_from(REGISTERS), st.integers(0, 10_000))
def test_a_text_goes_along_its_line(register: Register, seed: int) -> None:
    text = register.document(WORLD, random.Random(seed)).text
    line, _, told = text.rstrip("\n").partition(": ")
    stops = told.split(", ")
    assert SHORTEST < len(stops) <= LONGEST + 1
    for before, after in pairwise(stops):
        assert register.following[line][before] == after


@pytest.mark.parametrize("register", REGISTERS, ids=lambda register: register.kind)
def test_every_line_visits_every_stop_in_an_order_of_its_own(register: Register) -> None:
    orders = list(register.following.values())
    assert all(set(after) == set(after.values()) == set(register.stops) for after in orders)
    first, second = orders[:2]
    shared = sum(first[stop] == second[stop] for stop in register.stops)
    assert shared < len(register.stops) / 10  # one line says nothing of another
    assert sum(map(len, orders)) == len(register.lines) * len(register.stops) < FACTS
