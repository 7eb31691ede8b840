from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.grading.answers.comparison import difference
from labkit.grading.answers.values import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_ITEMS,
    MAX_NAME,
    MAX_SHOWN,
    MAX_TEXT,
    Foreign,
    copy_value,
    describe,
    show,
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(plain)
def test_plain_values_are_copied_whole(value):
    copy = copy_value(value)

    assert copy == value
    assert difference(copy, value) is None


def test_a_copy_shares_nothing():
    value = {"a": [torch.zeros(2), (1, [2])]}

    copy = copy_value(value)
    value["a"][0].add_(1)
    value["a"][1][1].append(3)

    assert copy["a"][0].tolist() == [0, 0]
    assert copy["a"][1] == (1, [2])


class AlwaysEqual:
    def __eq__(self, other):
        return True


class MyInt(int):
    pass


class MyTensor(torch.Tensor):
    pass


FOREIGN = {
    "AlwaysEqual": AlwaysEqual(),
    "MyInt": MyInt(3),
    "MyTensor": torch.zeros(2).as_subclass(MyTensor),
    "torch.Parameter": torch.nn.Parameter(torch.zeros(2)),
    "numpy.ndarray": np.zeros(2),
    "numpy.longdouble": np.longdouble(1),
    "numpy.complex128": np.complex128(1),
    "set": {1},
    "function": lambda: 0,
}


@pytest.mark.parametrize("value", FOREIGN.values(), ids=FOREIGN)
def test_other_types_arrive_as_a_name(value):
    copy = copy_value([value])[0]

    assert type(copy) is Foreign
    assert difference(copy, copy_value(3))


SCALARS = {
    "float64": (np.float64(0.5), 0.5),
    "float32": (np.float32(0.5), 0.5),
    "mean": (np.mean([1, 2]), 1.5),
    "int64": (np.int64(3), 3),
    "uint8": (np.uint8(3), 3),
    "bool": (np.bool_(True), True),
}


@pytest.mark.parametrize("kind", SCALARS)
def test_numpys_scalars_are_numbers(kind):
    given, plain = SCALARS[kind]

    copy = copy_value({"a": [given], given: 1})

    assert copy == {"a": [plain], plain: 1}
    assert type(copy["a"][0]) is type(plain) is type(list(copy)[1])


def test_what_calls_itself_a_scalar_is_none():
    class Lying(np.float64):
        def item(self):
            return 0.5

    assert type(copy_value(Lying(1))) is Foreign


def test_foreign_values_say_what_they_were():
    assert copy_value(np.zeros(2)).what == "numpy.ndarray"
    assert copy_value(torch.nn.Parameter(torch.zeros(1))).what == "torch.Parameter"
    assert "key of type tuple" in copy_value({(1,): 2}).what
    assert "layout" in copy_value(torch.zeros(2, 2).to_sparse()).what


def test_size_and_depth_are_bounded():
    deep = []
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    inner = copy_value(deep)
    while type(inner) is list:
        inner = inner[0]

    assert "nested deeper" in inner.what
    assert "20,001 elements" in copy_value([0] * (MAX_ITEMS + 1)).what
    assert "more than can be handed over" in copy_value("x" * (MAX_TEXT + 1)).what
    huge = torch.zeros(1).expand(MAX_ELEMENTS + 1)
    assert type(copy_value(huge)) is Foreign
    assert "of shape (400000000, 0)" in copy_value(torch.empty(400_000_000, 0)).what
    assert copy_value(torch.empty(3, 0)).shape == (3, 0)
    many = copy_value([[0] * 1000] * 100)
    assert many.what == "list of more than 40,000 parts, more than can be handed over"


def test_a_list_that_holds_itself_has_an_end():
    value = []
    value += [value, value, value]

    assert "parts" in copy_value(value).what or "nested deeper" in str(copy_value(value))


class Evasive(type):
    @property
    def __module__(cls):
        raise ValueError("guess")


def left_of_a_map():
    """A tensor that exists only while torch maps a function over others."""
    left = []
    torch.vmap(lambda x: left.append(x) or x)(torch.ones(3))
    return left[0]


UNREADABLE = {
    "a type without a module": Evasive("Type", (), {}),
    "a tensor out of its map": left_of_a_map,
    "a nested tensor": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_asked_what_it_is_is_named_all_the_same(make):
    assert copy_value([make()]) == Foreign("a value that can't be read")


def test_names_of_types_have_an_end():
    kind = type("x" * 1_000_000, (), {})

    assert len(copy_value(kind()).what) == len(copy_value(Foreign("x" * 1000)).what) == MAX_NAME
    assert copy_value(Foreign(3)) == Foreign("3")


def test_methods_on_an_instance_are_not_asked():
    tensor = torch.zeros(2)
    tensor.clone = tensor.detach = lambda *a, **k: torch.ones(2)

    assert copy_value(tensor).tolist() == [0, 0]


def test_gradients_and_strides_are_left_behind():
    tensor = torch.zeros(2, 3, requires_grad=True).t()

    copy = copy_value(tensor)

    assert not copy.requires_grad
    assert copy.is_contiguous()


def test_values_are_shown_as_they_are_typed():
    assert show(torch.tensor([[1.0, -float("inf")]])) == "tensor([[1.0, -inf]])"
    assert show(torch.tensor([2, 3])) == "tensor([2, 3])"
    assert show(torch.arange(30.0)) == "tensor of shape (30,) starting 0.0, 1.0, 2.0, 3.0, …"
    assert show(0.5) == "0.5"
    assert show(2.0) == "2.0"
    assert show(torch.empty(3_000_000, 0)) == "tensor of shape (3000000, 0), without elements"
    assert show({"a": 2.0, "b": [1]}) == "{'a': 2.0, 'b': [1]}"
    assert show({key: [] for key in range(9)}).endswith("8: []}")
    assert show(dict.fromkeys(range(30), "")).endswith("23: '', …}")
    assert show([1, "a", (2.5, 3)]) == "[1, 'a', (2.5, 3)]"
    assert show(Foreign("numpy.ndarray")) == "<numpy.ndarray>"
    assert len(show("x" * 1000)) == 200
    assert describe(None) == "None"
    assert describe(torch.zeros(2, 3)) == "a float32 tensor of shape (2, 3)"


def test_what_is_shown_has_an_end():
    wide = [["y" * 500] * 20] * 24

    began = time.thread_time()
    for _ in range(3):  # lists in lists in lists: what lies behind the end is not even made
        wide = [wide] * 24
    text = show(wide)

    assert len(text) == MAX_SHOWN and text.endswith("…")
    assert time.thread_time() - began < 0.2
    assert show(10**400) == "100000000000… (401 digits)"
    assert show({"a": [0.5, torch.ones(2)], 1: "b"}) == "{'a': [0.5, tensor([1.0, 1.0])], 1: 'b'}"
