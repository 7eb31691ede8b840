from __future__ import annotations

import math
from contextlib import suppress

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.course.quantities import Unreadable, as_number, is_within, read_number, shown

ORDINARY = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e299, max_value=1e299)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("0.41", 0.41),
        ("  0,41 ", 0.41),
        ("\u00a01\u2009", 1),
        ("1e-3", 1e-3),
        ("1E+3", 1e3),
        ("1,5e2", 150),
        (".5", 0.5),
        (",5", 0.5),
        ("5.", 5),
        ("+3", 3),
        ("-3", -3),
        ("\u22123", -3),
        ("41", 41),
        (41, 41),
        (0.5, 0.5),
        # a comma that can't part thousands
        ("0,125", 0.125),
        ("-0,001", -0.001),
        (",500", 0.5),
        ("1,50", 1.5),
        ("1,2345", 1.2345),
        ("1234,567", 1234.567),
        # a point is the decimal mark, as Python prints it
        ("57.344", 57.344),
        ("1.000", 1),
        ("57344", 57344),
    ],
)
def test_numbers_as_people_type_them(typed: str | float, value: float) -> None:
    assert read_number(typed) == value


@pytest.mark.parametrize(
    ("typed", "unit", "value"),
    [
        ("41%", "%", 41),
        ("41 %", "%", 41),
        ("1.4 nats", "nats", 1.4),
        ("1.4NATS", "nats", 1.4),
        ("3 µs", "μs", 3),  # the micro sign, and the Greek letter that looks like it
        ("1.4", "nats", 1.4),
    ],
)
def test_the_questions_own_unit_may_stand_behind(typed: str, unit: str, value: float) -> None:
    assert read_number(typed, unit) == value


NO_NUMBERS = [
    *("", "   ", "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "1e99999", "9" * 400, 10**400),
    *("abc", "1_000", "1 000", "1,234,567", "1.000,5", "0x10", "10²", "½", "1/3", "--1", "1e"),
    *("e5", "٣", "41%", "1.4 nats", "0.41\x00", "<script>", True, False, None, [], {}, ["1"], b"1"),
    *(float("nan"), float("inf")),
]


@pytest.mark.parametrize("typed", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_anything_but_a_number_is_unreadable(typed: object) -> None:
    with pytest.raises(Unreadable) as error:
        read_number(typed)
    assert 10 < len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("typed", "one", "other"),
    [
        ("57,344", "57.344", "57344"),
        ("1,000", "1.000", "1000"),
        (" -12,500 ", "-12.500", "-12500"),
        ("\u2212999,999", "-999.999", "-999999"),
        ("1,500e3", "1.500e3", "1500e3"),
    ],
)
@pytest.mark.parametrize("unit", ["", "%", "tokens a second"])
def test_a_comma_that_may_part_thousands_is_asked_for_again(
    typed: str, one: str, other: str, unit: str
) -> None:
    with pytest.raises(Unreadable, match=f" may be {one} or {other}; type the one"):
        read_number(f"{typed} {unit}", unit)
    assert read_number(one) != read_number(other)


@pytest.mark.parametrize(
    "typed",
    [
        *("1,000,000", "1.000.000", "57,344.5", "57.344,5", "12,34,567", "1,234,5"),
        *("1 000", "1\u00a0000", "1\u202f000", "1'000", "1\u2019000", "1_000", "1, 000", "1 2"),
    ],
)
def test_marks_between_thousands_are_answered_with_how_to_write_it(typed: str) -> None:
    with pytest.raises(Unreadable, match=r"a point for decimals and nothing between thousands"):
        read_number(typed, "%")


def test_a_foreign_unit_is_answered_with_the_right_one() -> None:
    with pytest.raises(Unreadable, match=r"'bits'.*a number in nats"):
        read_number("2 bits", "nats")
    with pytest.raises(Unreadable, match="without a unit"):
        read_number("2 bits")


@given(ORDINARY)
def test_every_float_is_read_back_from_its_own_digits(value: float) -> None:
    assert read_number(repr(value)) == value


@given(ORDINARY)
def test_a_decimal_comma_is_a_decimal_point_or_asked_about(value: float) -> None:
    with suppress(Unreadable):
        assert read_number(repr(value).replace(".", ",")) == value


@given(st.integers(1000, 10**15))
def test_thousands_are_never_read_as_decimals(value: int) -> None:
    for typed in (f"{value:,}", f"{value:_}", f"{value:,}".replace(",", " ")):
        with pytest.raises(Unreadable):
            read_number(typed)


@given(st.text())
def test_any_text_is_a_finite_number_or_unreadable(typed: str) -> None:
    with suppress(Unreadable):
        assert math.isfinite(read_number(typed))


def test_within_is_as_on_paper() -> None:
    assert 0.4 - 0.3 > 0.1  # in binary
    assert is_within(0.4, 0.3, 0.1)
    assert is_within(0.35, 0.4, 0.05)
    assert not is_within(0.3499, 0.4, 0.05)
    assert is_within(5, 5, 0)
    assert is_within(1e-300, 0, 1e-300)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nothing_is_close_to_nan_or_infinity(value: float) -> None:
    assert not is_within(value, 0, 1)
    assert not is_within(0, value, 1)
    assert not is_within(0, 0, value)


SCALARS = [
    2,
    2.0,
    numpy.float32(2),
    numpy.array(2),
    numpy.array([2]),
    torch.tensor(2.0),
    torch.tensor([[2.0]], requires_grad=True),
    torch.tensor(2.0, dtype=torch.bfloat16),
]


@pytest.mark.parametrize("value", SCALARS)
def test_scalars_of_any_library_are_numbers(value: object) -> None:
    assert as_number(value) == 2.0
    assert type(as_number(value)) is float


def test_anything_but_a_scalar_is_described() -> None:
    with pytest.raises(TypeError, match=r"got a Tensor of shape \(2,\)"):
        as_number(torch.zeros(2))
    for value, said in [(None, "nothing"), ("2", "text"), ([2], "a list"), (int, "a type")]:
        with pytest.raises(TypeError, match=f"expected one number, got {said}"):
            as_number(value)


def test_digits_follow_the_tolerance() -> None:
    assert shown(0.4, 0.05) == "0.40"
    assert shown(0.4, 0.1) == "0.40"
    assert shown(0.4, 0.2) == "0.4"
    assert shown(41.26, 3) == "41"
    assert shown(1 / 3, 0) == "0.333"
    assert shown(math.nan, 0.1) == "nan"
