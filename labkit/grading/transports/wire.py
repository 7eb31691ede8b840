"""Messages between the grader and the process that holds a learner's code.

A message is a frame: two lengths, a JSON header, and the raw bytes of the tensors in it. Only exact
types cross (see values.py), never pickle. Whoever reads trusts no byte of it: lengths, nesting and
counts are bounded before anything is built, and all that is not as it must be is `Malformed`.
"""

from __future__ import annotations

import json
import math
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from labkit.grading.answers.values import (
    DTYPES,
    MAX_DEPTH,
    MAX_DIMENSIONS,
    MAX_ELEMENTS,
    MAX_ITEMS,
    MAX_KEY_BITS,
    MAX_TEXT,
    Foreign,
    dtype_name,
    volume,
)

LENGTHS = struct.Struct(">II")
MAX_HEADER = 4 << 20
MAX_BODY = 20 << 20  # one tensor of the largest size in complex128, and a little
MAX_MARKS = 250_000  # commas and brackets of a header: bounds what json.loads may build
CHUNK = 1 << 20

NAMED_DTYPES = {dtype_name(dtype): dtype for dtype in DTYPES}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Malformed(Exception):
    """What came is not a message of ours."""


class TooLarge(Exception):
    """A value has more bytes than one message may carry."""


class Ended(Exception):
    """The other side is gone."""


class Late(Exception):
    """Nothing whole came in time."""


# ---- values ------------------------------------------------------------------------------------


def pack(value: Any, blobs: list[bytes], handles: Sequence[Any] = ()) -> Any:
    """A value as JSON; the bytes of its tensors are added to blobs. It must be a copy (values.py).

    What is in `handles` (callables) crosses as its number there.
    """
    kind = type(value)
    if value is None or kind in (bool, float, str):
        return value
    if kind is int:
        return value if value.bit_length() < MAX_KEY_BITS else ["i", hex(value)]
    if kind is torch.Tensor:
        return pack_tensor(value, blobs)
    if kind in (list, tuple):
        return [kind.__name__[0], *(pack(item, blobs, handles) for item in value)]
    if kind is dict:
        flat = [part for item in value.items() for part in item]
        return ["d", *(pack(part, blobs, handles) for part in flat)]
    if kind is Foreign:
        return ["f", value.what]
    return ["h", next(i for i, known in enumerate(handles) if known is value)]


def pack_tensor(tensor: torch.Tensor, blobs: list[bytes]) -> list[Any]:
    """Type and shape; its bytes go apart."""
    name = dtype_name(tensor.dtype)
    if tensor.device.type != "cpu":
        return ["f", f"a {name} tensor on {tensor.device.type}, which can't be handed over"]
    if tensor.numel():
        flat = tensor.resolve_conj().resolve_neg().reshape(-1)
        blobs.append(flat.view(torch.uint8).numpy().tobytes())
    return ["x", name, list(tensor.shape)]


class Body:
    """The bytes of a message's tensors, each taken once and in order."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = memoryview(data)
        self.at = 0

    def take(self, size: int) -> bytearray:
        if size > len(self.data) - self.at:
            raise Malformed("a tensor with fewer bytes than its shape needs")
        self.at += size
        return bytearray(self.data[self.at - size : self.at])

    def finish(self) -> None:
        if self.at != len(self.data):
            raise Malformed("bytes that belong to no tensor")


def unpack(
    node: Any, body: Body, depth: int = 0, handle: Callable[[int], Any] | None = None
) -> Any:
    """The value of a JSON node, of exact types within the bounds; Malformed for all else."""
    kind = type(node)
    if node is None or kind in (bool, float):
        return node
    if kind is int:
        return small_int(node)
    if kind is str:
        return text(node)
    if kind is not list or not node or type(node[0]) is not str:
        raise Malformed("a value without its kind")
    tag, parts = node[0], node[1:]
    if tag in ("l", "t", "d"):
        return unpack_container(tag, parts, body, depth, handle)
    if tag == "x":
        return unpack_tensor(parts, body)
    if tag == "h" and handle is not None and len(parts) == 1 and type(parts[0]) is int:
        return handle(parts[0])
    return unpack_word(tag, parts)


def unpack_word(tag: str, parts: list[Any]) -> Any:
    """A large int, or the name of what did not cross."""
    if len(parts) != 1 or type(parts[0]) is not str:
        raise Malformed("a value of an unknown kind")
    if tag == "i" and re.fullmatch(r"-?0x[0-9a-f]{1,1100}", parts[0]):
        return int(parts[0], 16)
    if tag == "f":
        return Foreign(words(parts[0], 300))
    raise Malformed("a value of an unknown kind")


def unpack_container(
    tag: str, parts: list[Any], body: Body, depth: int, handle: Callable[[int], Any] | None
) -> Any:
    """A list, a tuple, or a dict with plain keys."""
    if depth > MAX_DEPTH or len(parts) > MAX_ITEMS * (2 if tag == "d" else 1):
        raise Malformed("a value larger or deeper than may cross")
    items = [unpack(part, body, depth + 1, handle) for part in parts]
    if tag == "l":
        return items
    if tag == "t":
        return tuple(items)
    if len(items) % 2 or any(type(key) not in (str, int, float, bool) for key in items[::2]):
        raise Malformed("a dict with a key that may not cross")
    if any(type(key) is int and key.bit_length() >= MAX_KEY_BITS for key in items[::2]):
        raise Malformed("a dict with a key that may not cross")
    return dict(zip(items[::2], items[1::2], strict=True))


def unpack_tensor(parts: list[Any], body: Body) -> torch.Tensor:
    """A tensor of its own memory. A bool's bytes are made 0 or 1: torch trusts them to be."""
    if len(parts) != 2 or type(parts[0]) is not str or parts[0] not in NAMED_DTYPES:
        raise Malformed("a tensor of an unknown type")
    dtype, shape = NAMED_DTYPES[parts[0]], parts[1]
    if type(shape) is not list or len(shape) > MAX_DIMENSIONS:
        raise Malformed("a tensor without a shape")
    if any(type(size) is not int or not 0 <= size < 1 << 40 for size in shape):
        raise Malformed("a tensor without a shape")
    if volume(shape) > MAX_ELEMENTS:
        raise Malformed("a tensor larger than may cross")
    elements = math.prod(shape)
    if not elements:
        return torch.empty(shape, dtype=dtype)
    data = body.take(elements * dtype.itemsize)
    if dtype is torch.bool:
        return torch.frombuffer(data, dtype=torch.uint8).ne(0).reshape(shape)
    return torch.frombuffer(data, dtype=dtype).reshape(shape)


def small_int(node: int) -> int:
    """An int that JSON may carry as such."""
    if node.bit_length() >= MAX_KEY_BITS:
        raise Malformed("an int beyond 64 bits that is not written as one")
    return node


def text(node: str) -> str:
    """A string within the bounds that can be written to a file."""
    if len(node) > MAX_TEXT:
        raise Malformed("a string longer than may cross")
    return node if node.isascii() else node.encode("utf-8", "replace").decode("utf-8")


def words(node: Any, limit: int) -> str:
    """Text for people: one that a terminal or a page can show, cut to its limit."""
    if type(node) is not str:
        raise Malformed("no text where there must be some")
    return CONTROL.sub("�", node[:limit])


# ---- frames ------------------------------------------------------------------------------------


@dataclass
class Message:
    """A header and the bytes of the tensors in it."""

    header: dict[str, Any]
    blobs: list[bytes] = field(default_factory=list)

    def frame(self) -> bytes:
        """As it crosses; TooLarge beyond the bounds that the other side keeps."""
        head = json.dumps(self.header, separators=(",", ":")).encode("ascii")
        size = sum(map(len, self.blobs))
        if size > MAX_BODY or len(head) > MAX_HEADER or marks(head) > MAX_MARKS:
            raise TooLarge
        return b"".join([LENGTHS.pack(len(head), size), head, *self.blobs])


def marks(head: bytes | bytearray) -> int:
    """How many values a header can hold at most."""
    return head.count(b",") + head.count(b"[") + head.count(b"{")


def read_header(head: bytearray) -> dict[str, Any]:
    """A JSON object, or Malformed."""
    if marks(head) > MAX_MARKS:
        raise Malformed("a message with more parts than may cross")
    try:
        header = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise Malformed("a message that is not JSON") from error
    if type(header) is not dict:
        raise Malformed("a message that is not an object")
    return header


class Channel:
    """One end of a socket that carries messages."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.poll: Any = None
        if hasattr(select, "poll"):
            self.poll = select.poll()
            self.poll.register(connection, select.POLLIN)

    def send(self, message: Message, deadline: float | None = None) -> None:
        """Send the whole message. A deadline is a value of time.monotonic()."""
        frame = message.frame()
        try:
            self.connection.settimeout(left_until(deadline))
            self.connection.sendall(frame)
        except TimeoutError as error:
            raise Late from error
        except OSError as error:
            raise Ended from error

    def receive(self, deadline: float | None = None) -> tuple[dict[str, Any], Body]:
        """The next message."""
        head, body = LENGTHS.unpack(self.read(LENGTHS.size, deadline))
        if head > MAX_HEADER or body > MAX_BODY:
            raise Malformed("a message longer than may cross")
        header = read_header(self.read(head, deadline))
        return header, Body(self.read(body, deadline) if body else b"")

    def read(self, size: int, deadline: float | None) -> bytearray:
        """Exactly this many bytes; memory grows only with what has really come."""
        data = bytearray()
        while len(data) < size:
            try:
                self.connection.settimeout(left_until(deadline))
                part = self.connection.recv(min(size - len(data), CHUNK))
            except TimeoutError as error:
                raise Late from error
            except OSError as error:
                raise Ended from error
            if not part:
                raise Ended
            data += part
        return data

    def anything_there(self) -> bool:
        """Whether bytes (or the end) can be read at once."""
        if self.poll is not None:
            return bool(self.poll.poll(0))
        return bool(select.select([self.connection], [], [], 0)[0])

    def wait(self, deadline: float) -> bool:
        """Whether something can be read before the deadline."""
        seconds = left_until(deadline) or 0.0
        if self.poll is not None:
            return bool(self.poll.poll(1000 * seconds))
        return bool(select.select([self.connection], [], [], seconds)[0])

    def close(self) -> None:
        self.connection.close()


def left_until(deadline: float | None) -> float | None:
    """Seconds until a deadline, a little more than none: 0 would mean "do not wait"."""
    return None if deadline is None else max(deadline - time.monotonic(), 1e-4)
