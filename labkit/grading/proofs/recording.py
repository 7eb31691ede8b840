"""An answer that computes nothing: a table of what the reference has returned to a check.

Anybody can make one in a lesson, where the check and its seed are known. It must earn nothing where
marks are given under a seed that nobody knows: every check has to ask for something that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from labkit.grading.answers.values import CALLABLES, copy_arguments, copy_value
from labkit.grading.checks.challenge import Challenge
from labkit.grading.checks.checking import run_cases
from labkit.grading.transports.transport import Arguments, InProcess, Raised, Reply, Returned
from labkit.grading.transports.wire import pack

Function = Callable[..., Any]


class Recorded(ValueError):
    """What the table raises where the reference has raised anything."""


def recorded_table(challenge: Challenge, reference: Function, seeds: Iterable[int]) -> Function:
    """A function that knows the reference's replies under these seeds; to all else it says None."""
    replies: dict[str, Reply] = {}
    for seed in seeds:
        for case in run_cases(challenge, InProcess({challenge.name: reference}), seed):
            replies[key_of(case.arguments)] = case.reply

    def table(*arguments: Any) -> Any:
        reply = replies.get(key_of(copy_arguments(arguments)))
        if isinstance(reply, Raised):
            raise Recorded(reply.text)
        return copy_value(reply.value) if isinstance(reply, Returned) else None

    return table


def key_of(arguments: Arguments) -> str:
    """Arguments as one string; two functions given in the same place count as the same."""
    blobs: list[bytes] = []
    functions = [item for item in arguments if type(item) in CALLABLES]
    nodes = [pack(item, blobs, functions) for item in arguments]
    return f"{nodes} {blobs}"
