from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.grading.answers.comparison import difference
from labkit.grading.answers.values import Foreign

NAN, INF = math.nan, math.inf

DIFFERENT = {
    "none": (None, 1.0, "did you forget `return`?"),
    "type": ("a", 1.0, "It returned str; float was expected"),
    "bool for int": (True, 1, "It returned bool; int was expected"),
    "foreign": (Foreign("numpy.ndarray"), torch.zeros(1), "exactly torch.Tensor was expected"),
    "something for none": (1, None, "It returned int; None was expected"),
    "number": (1.5, 2.0, "1.5 came back, 2.0 was expected"),
    "text": ("a", "b", "'a' came back, 'b' was expected"),
    "list length": ([1], [1, 2], "It has 1 items; 2 were expected"),
    "list item": ([1, 3], [1, 2], "item 1: 3 came back, 2 was expected"),
    "tuple for list": ((1,), [1], "It returned tuple; list was expected"),
    "dict keys": ({"a": 1}, {"b": 1}, "It has the keys ['a']"),
    "dict value": ({"a": 1}, {"a": 2}, "key 'a': 1 came back, 2 was expected"),
    "nan": (NAN, 1.0, "nan came back"),
    "shape": (torch.zeros(2), torch.zeros(2, 1), "It has shape (2,); (2, 1) was expected"),
    "element": (torch.tensor([1.0, 5.0]), torch.tensor([1.0, 2.0]), "5.0 came back, 2.0 was "),
    "index": (torch.eye(2), torch.zeros(2, 2), "at [0, 0]"),
    "new nan": (torch.tensor([1.0, NAN]), torch.zeros(2), "It holds NaN (not a number), first at"),
    "nan missing": (torch.zeros(1), torch.tensor([NAN]), "nan was expected"),
    "infinity": (torch.tensor([INF]), torch.tensor([-INF]), "inf came back, -inf was expected"),
    "large ids": (torch.tensor([2**52]), torch.tensor([2**52 + 1]), "came back"),
}


@pytest.mark.parametrize(("got", "expected", "words"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_difference_is_put_into_words(got, expected, words):
    assert words in difference(got, expected)


SAME = {
    "nan": (NAN, NAN),
    "int for float": (2, 2.0),
    "tensor with nan and inf": (torch.tensor([NAN, -INF]), torch.tensor([NAN, -INF])),
    "dtypes": (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64)),
    "nested": ({"a": [torch.zeros(1), (1,)]}, {"a": [torch.zeros(1), (1,)]}),
    "none": (None, None),
    "empty": (torch.zeros(0, 3), torch.zeros(0, 3)),
}


@pytest.mark.parametrize(("got", "expected"), SAME.values(), ids=SAME)
def test_equal_values_have_no_difference(got, expected):
    assert difference(got, expected) is None


@given(st.floats(1, 1e6), st.floats(1e-6, 0.5), st.sampled_from([-1, 1]))
def test_the_tolerance_is_the_border(value, rtol, side):
    inside, outside = value * (1 + side * rtol * 0.9), value * (1 + side * rtol * 1.1)

    def tensor(x):
        return torch.tensor([x], dtype=torch.float64)

    assert difference(tensor(inside), tensor(value), rtol) is None
    assert difference(tensor(outside), tensor(value), rtol) is not None


def test_the_furthest_place_is_named():
    got, expected = torch.tensor([[1.0, 2.0], [3.0, 9.0]]), torch.tensor([[1.1, 2.0], [3.0, 4.0]])

    assert difference(got, expected) == "9.0 came back, 4.0 was expected at [1, 1]"


@pytest.mark.parametrize(("got", "expected"), [(10**400, 0.5), (0.5, 10**400), (10**400, 10**399)])
def test_numbers_beyond_every_float_are_compared(got, expected):
    assert "came back" in difference(got, expected, rtol=1e-4)
    assert difference(got, got, rtol=1e-4) is None


def test_complex_numbers_are_no_real_ones():
    real = torch.ones(2)

    assert "holds complex64 numbers; float32" in difference(real.to(torch.complex64), real)
    assert difference(real.to(torch.complex64), real.to(torch.complex128)) is None


def test_messages_have_an_end():
    keys = dict.fromkeys(range(50_000))

    assert len(difference(keys, {"a": 1})) < 500
    assert len(difference("x" * 20_000, "y")) < 500
