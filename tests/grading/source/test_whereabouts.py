"""A function that is not where it has to be is named with its place."""

from __future__ import annotations

import pytest

from labkit.grading.source.cells import program_of
from labkit.grading.source.whereabouts import why_missing

PLACES = {
    "a cell that can't be read": (
        ["x = 1", "def top_p_filter(x:\n    return x"],
        "cell 2 can't be read: SyntaxError",
    ),
    "a cell that writes a file": (
        ["%%writefile answers.py\ndef top_p_filter(x):\n    return x"],
        "cell 1 is not run: it begins with %%writefile, so take that line out",
    ),
    "a class": (
        ["class Answers:\n    def top_p_filter(self, x): return x"],
        "it stands in the class `Answers` (cell 1, line 2): define it outside",
    ),
    "a function": (
        ["x = 1", "def answers():\n    def top_p_filter(x): return x"],
        "it stands in the function `answers` (cell 2, line 2): define it outside",
    ),
    "nearly this name": (
        ["def top_p_fliter(x): return x"],
        "cell 1, line 1 has `top_p_fliter`: if that is it, call it `top_p_filter`",
    ),
    "a longer name": (
        ["\ndef my_top_p_filter(x): return x"],
        "cell 1, line 2 has `my_top_p_filter`: if that is it, call it `top_p_filter`",
    ),
    "capitals": (
        ["def Top_P_Filter(x): return x"],
        "cell 1, line 1 has `Top_P_Filter`: if that is it, call it `top_p_filter`",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_its_place_is_named(place):
    cells, said = PLACES[place]

    found = why_missing(program_of(cells), "top_p_filter", ["top_p_filter", "min_p_filter"])

    assert found and found.startswith(said)


@pytest.mark.parametrize("kind", ["Markdown", "raw"])
def test_a_cell_that_is_no_code_is_named(kind):
    program = program_of(["x = 1"], [(kind, "text"), (kind, "    def top_p_filter(x): pass")])

    assert why_missing(program, "top_p_filter", ()) == (
        f"it stands in a {kind} cell: change that to a code cell"
    )


def test_another_function_that_is_asked_for_is_not_meant():
    program = program_of(["def top_p_filter(x): return x"])

    assert why_missing(program, "top_p_filters", ["top_p_filter", "top_p_filters"]) is None
