"""Values cross whole, of exact types; and no bytes whatever do more than be refused."""

from __future__ import annotations

import json
import math
import socket
import struct
import threading
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.grading.answers.comparison import difference
from labkit.grading.answers.values import DTYPES, MAX_DEPTH, MAX_DIMENSIONS, Foreign, copy_value
from labkit.grading.transports import wire
from labkit.grading.transports.wire import Body, Channel, Ended, Late, Malformed, Message, TooLarge


def across(value, handle=None, handles=()):
    """A value as it is on the other side of a socket."""
    blobs = []
    node = wire.pack(copy_value(value) if not handles else value, blobs, handles)
    near, far = socket.socketpair()
    with near, far:
        sender = threading.Thread(target=Channel(near).send, args=[Message({"v": node}, blobs)])
        sender.start()
        header, body = Channel(far).receive(time.monotonic() + 20)
        sender.join()
    decoded = wire.unpack(header["v"], body, handle=handle)
    body.finish()
    return decoded


KEYS = st.one_of(st.text(max_size=5), st.integers(-9, 9), st.booleans())
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 200), 1 << 200),
        st.floats(),
        st.text(max_size=20).filter(lambda text: text.isprintable() or text.isascii()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_comes_across_as_it_was(value):
    blobs = []
    head = json.dumps(wire.pack(copy_value(value), blobs))
    decoded = wire.unpack(json.loads(head), Body(b"".join(blobs)))

    assert difference(decoded, copy_value(value)) is None
    assert repr(decoded) == repr(copy_value(value))


@pytest.mark.parametrize("dtype", sorted(DTYPES, key=str), ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)], ids=str)
def test_tensors_of_every_type_and_shape(dtype, shape):
    tensor = torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape).to(dtype)

    got = across([tensor, tensor])[1]

    assert got.dtype is dtype and got.shape == tensor.shape
    assert torch.equal(got, tensor)


def test_nan_and_infinities_cross():
    nan, inf = float("nan"), float("inf")

    assert str(across([nan, inf, -inf, -0.0])) == "[nan, inf, -inf, -0.0]"
    assert torch.equal(
        across(torch.tensor([nan, inf])).nan_to_num(5.0), torch.tensor([nan, inf]).nan_to_num(5.0)
    )


def test_views_and_lazy_tensors_cross_as_what_they_show():
    z = torch.tensor([1 + 2j, 3 - 1j])

    assert torch.equal(across(z.conj()), z.conj().resolve_conj())
    assert torch.equal(across(z.imag), z.imag.clone())
    assert torch.equal(across(torch.arange(6).reshape(2, 3).T), torch.arange(6).reshape(2, 3).T)


def test_what_does_not_cross_arrives_by_name():
    assert across(object()) == Foreign("object")
    assert across([{1, 2}]) == [Foreign("set")]
    assert across(torch.zeros(2, dtype=torch.float8_e4m3fn)).what.startswith("a float8")
    assert across(1 << 5000).what.startswith("int of 5,001 bits")
    assert across({1 << 70: 1}) == Foreign("dict with a key that is too large")


def test_what_is_no_plain_tensor_is_the_same_on_both_sides():
    for tensor in (torch.zeros(2, dtype=torch.uint16), torch.zeros([1] * (MAX_DIMENSIONS + 1))):
        assert type(copy_value(tensor)) is Foreign
        assert across(tensor) == copy_value(tensor)
    assert across(torch.zeros([1] * MAX_DIMENSIONS)).dim() == MAX_DIMENSIONS


def test_the_deepest_value_that_may_cross_does():
    value = 1
    for _ in range(MAX_DEPTH + 5):
        value = [value]

    assert difference(across(value), copy_value(value)) is None


def test_a_callable_crosses_as_a_number():
    def model(x):
        return x

    assert across(model, handle=lambda n: [model][n], handles=[model]) is model


@pytest.mark.parametrize(
    "node",
    [
        [],
        [[]],
        [["l"]],
        ["q", 1],
        ["h", 0],
        {"l": 1},
        ["l", ["x"]],
        ["x", "float32", [2]],
        ["x", "float32", [1 << 70]],
        ["x", "float32", [-1]],
        ["x", "float32", [True]],
        ["x", "float32", [1.0]],
        ["x", "float32", 1],
        ["x", "object", [1]],
        ["x", ["float32"], [1]],
        ["x", "float32", [0] * 100],
        ["x", "float32", [4000, 4001]],
        ["d", 1],
        ["d", ["l"], 1],
        ["d", ["f", "x"], 1],
        ["d", ["i", hex(1 << 100)], 1],
        ["i", "1e5"],
        ["i", 5],
        ["i", "0x" + "f" * 2000],
        ["f", 1],
        ["f", "a", "b"],
        1 << 64,
        -(1 << 70),
        "x" * 100_001,
        ["l"] + [0] * 100_001,
    ],
    ids=lambda node: str(node)[:30],
)
def test_a_value_that_is_none_is_malformed(node):
    with pytest.raises(Malformed):
        wire.unpack(node, Body(b"1234"))


def test_nesting_beyond_the_bound_is_malformed():
    node = ["l"]
    for _ in range(MAX_DEPTH + 2):
        node = ["l", node]
    with pytest.raises(Malformed):
        wire.unpack(node, Body(b""))


def test_bytes_left_over_are_malformed():
    with pytest.raises(Malformed):
        Body(b"1").finish()


def test_a_bool_made_of_other_bytes_is_a_bool():
    got = wire.unpack(["x", "bool", [3]], Body(bytes([0, 2, 255])))

    assert got.tolist() == [False, True, True]
    assert got.view(torch.uint8).tolist() == [0, 1, 1]


def test_text_can_be_shown_and_written():
    got = wire.unpack("a\ud800b", Body(b""))

    assert got.encode("utf-8") == b"a?b"
    assert wire.words("\x1b[31mred\x00\ud800" + "x" * 50, 12) == "�[31mred��xx"


def test_large_ints_beyond_the_bound_of_a_key_are_text():
    assert across([1 << 63, -(1 << 63), (1 << 64) - 1, 1 << 64]) == [
        1 << 63,
        -(1 << 63),
        (1 << 64) - 1,
        1 << 64,
    ]


# ---- frames --------------------------------------------------------------------------------------


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    with near, far:
        yield near, Channel(far)


def soon():
    return time.monotonic() + 0.2


HOSTILE = {
    "a header that is too long": struct.pack(">II", wire.MAX_HEADER + 1, 0),
    "a body that is too long": struct.pack(">II", 2, wire.MAX_BODY + 1),
    "no JSON": struct.pack(">II", 4, 0) + b"nope",
    "not UTF-8": struct.pack(">II", 2, 0) + b"\xff\xfe",
    "no object": struct.pack(">II", 2, 0) + b"[]",
    "deep nesting": struct.pack(">II", 100_000, 0) + b"[" * 100_000,
    "many parts": struct.pack(">II", 1_000_002, 0) + b"[" + b"0," * 500_000 + b"]",
    "a long number": struct.pack(">II", 10_006, 0) + b'{"a":' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_frame_is_malformed(pair, name):
    near, channel = pair
    sender = threading.Thread(target=near.sendall, args=[HOSTILE[name]])
    sender.start()

    with pytest.raises(Malformed):
        channel.receive(time.monotonic() + 20)
    sender.join()


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data):
    near, far = socket.socketpair()
    with near, far:
        near.sendall(data)
        near.close()
        with pytest.raises((Malformed, Ended)):
            while True:
                Channel(far).receive(time.monotonic() + 5)


def test_a_frame_that_comes_in_drips_is_late(pair):
    near, channel = pair
    near.sendall(struct.pack(">II", 100, 0) + b"{")

    with pytest.raises(Late):
        channel.receive(soon())


def test_the_end_is_told_from_silence(pair):
    near, channel = pair
    with pytest.raises(Late):
        channel.receive(soon())
    near.close()
    with pytest.raises(Ended):
        channel.receive(soon())


def test_what_would_be_refused_is_not_sent():
    with pytest.raises(TooLarge):
        Message({}, [bytes(wire.MAX_BODY + 1)]).frame()
    with pytest.raises(TooLarge):
        Message({"v": [0] * (wire.MAX_MARKS + 1)}).frame()


def test_a_second_message_is_seen_waiting(pair):
    near, channel = pair
    assert not channel.anything_there()
    near.sendall(Message({}).frame() * 2)
    channel.receive(soon())
    assert channel.anything_there()
