"""An answer in free words is judged as a reader would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.instruments.real.accepting import plain, says


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (" Paris.", True),
        ("Paris is the capital of France.", True),
        (" the city of PARIS, on the Seine", True),
        ("It's not far from Lyon: Paris", False),  # another capital of the list comes first
        ("Lyon. Or is it Paris?", False),
        ("Parisian", False),
        ("a city in France.\nParis", False),
        ("", False),
    ],
)
def test_a_name_is_said_where_a_reader_finds_it(text: str, right: bool) -> None:
    assert says(text, ["Paris"], ["Lyon", "Rome"]) == right


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" Bogota", "Bogotá"),
        ("Washington, D.C., on the Potomac", "Washington, D.C."),
        ("Port au Prince.", "Port-au-Prince"),
        ("N’Djamena".replace("’", "'"), "N'Djamena"),
        ("Ndjamena", "N'Djamena"),
    ],
)
def test_accents_and_signs_do_not_matter(text: str, name: str) -> None:
    assert says(text, [name])


@given(st.text(max_size=40))
def test_plain_text_is_letters_digits_and_single_spaces(text: str) -> None:
    said = plain(text)
    assert plain(said) == said and "  " not in said
    assert all(letter.isascii() and (letter.isalnum() or letter == " ") for letter in said)
