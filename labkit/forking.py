"""What a warm process needs from which others are forked: a kernel's zygote, and a grader's.

Linux and the standard library only.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, TypeVar


@dataclass
class Child:
    """A forked process, and the connection of who asked for it: when they let go, it ends."""

    pid: int
    pidfd: int
    line: socket.socket

    def tell(self, **news: object) -> None:
        """News for who asked, if they are still there."""
        with suppress(OSError):
            self.line.send(json.dumps(news).encode())

    def kill(self) -> None:
        """End it now; until it is reaped, no other process has its number."""
        with suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)


AnyChild = TypeVar("AnyChild", bound=Child)


class Children(Generic[AnyChild]):
    """Children by either descriptor: a pidfd can be read when its child has ended, a line when who
    asked has let go."""

    def __init__(self) -> None:
        self.by_number: dict[int, AnyChild] = {}
        self.poll = select.poll()

    def listen(self, *sockets: socket.socket) -> None:
        """Wait for these as well."""
        for each in sockets:
            self.poll.register(each, select.POLLIN)

    def ready(self) -> list[int]:
        """Descriptors, of children and of others, with something to read; waits for the first."""
        return [number for number, _ in self.poll.poll()]

    def add(self, child: AnyChild) -> None:
        """Wait for this one."""
        for number in (child.pidfd, child.line.fileno()):
            self.by_number[number] = child
            self.poll.register(number, select.POLLIN)

    def forget(self, *numbers: int) -> None:
        """Wait for these descriptors no more."""
        for number in numbers:
            if self.by_number.pop(number, None):
                self.poll.unregister(number)

    def __iter__(self) -> Iterator[AnyChild]:
        """Each once."""
        return iter({child.pid: child for child in self.by_number.values()}.values())


def warm_up(names: Iterable[str]) -> None:
    """Import what forked processes will use, and share its memory with them for good."""
    for name in names:
        import_module(name)
    gc.collect()
    gc.freeze()


def threads() -> int:
    """How many this process has (with several it can't be forked); 0 where that is not told."""
    with suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return 0
