"""Messages of the grader's to a child, and a child's to the grader: those are not trusted.

Each function here returns something of exact type and bounded size, or raises Malformed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.grading.answers.lines import Line
from labkit.grading.answers.values import CALLABLES, copy_value
from labkit.grading.transports.transport import Arguments
from labkit.grading.transports.wire import Body, Malformed, Message, pack, unpack, words


def request(
    do: str, id: str, name: str, arguments: Arguments, seconds: float, more: Mapping[str, Any]
) -> Message:
    """A question for the child."""
    blobs: list[bytes] = []
    handles = [item for item in arguments if type(item) in CALLABLES]
    nodes = [pack(item, blobs, handles) for item in arguments]
    header = {"do": do, "id": id, "name": name, "seconds": seconds, "arguments": nodes}
    return Message(header | dict(more), blobs)


def serve_callback(header: Mapping[str, Any], body: Body, handles: Sequence[Any]) -> Message:
    """Call a function of the check's for the child."""
    number, nodes = header.get("handle"), header.get("arguments")
    if type(number) is not int or not 0 <= number < len(handles) or type(nodes) is not list:
        raise Malformed("a call of a function that it was not given")
    arguments = [guarded(unpack, node, body) for node in nodes]
    body.finish()
    blobs: list[bytes] = []
    try:
        value = pack(copy_value(handles[number](*arguments)), blobs)
        return Message({"value": value}, blobs)
    except Exception as error:
        return Message({"raised": type(error).__name__, "text": str(error)[:500]})


def arguments_from(nodes: Any, body: Body, sent: Arguments) -> Arguments:
    """The arguments as the call has left them; a callable is the one that was sent."""
    if nodes is None:
        return sent
    if type(nodes) is not list or len(nodes) != len(sent):
        raise Malformed("an answer with other arguments than were sent")
    handles = [item for item in sent if type(item) in CALLABLES]

    def known(number: int) -> Any:
        if not 0 <= number < len(handles):
            raise Malformed("a function that it was not given")
        return handles[number]

    return tuple(guarded(unpack, node, body, 0, known) for node in nodes)


def guarded(decode: Callable[..., Any], *arguments: Any) -> Any:
    """Decode; whatever goes wrong in that is the sender's fault."""
    try:
        return decode(*arguments)
    except Malformed:
        raise
    except Exception as error:
        raise Malformed("a value that can't be decoded") from error


def line_from(node: Any) -> Line | None:
    """A line of the learner's, or none."""
    if node is None:
        return None
    if type(node) is not list or len(node) != 2 or type(node[0]) is not int:
        raise Malformed("a line that is none")
    return Line(min(max(node[0], 0), 1_000_000), words(node[1], 200))


def words_list(node: Any, limit: int) -> tuple[str, ...]:
    """A list of short texts."""
    if type(node) is not list:
        raise Malformed("no list where there must be one")
    return tuple(words(item, 300) for item in node[:limit])
