"""The grader's hold on one child: a channel for questions, and a way to know how it ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, BinaryIO

from labkit.grading.transports.child import PATIENCE
from labkit.grading.transports.launching import public_environment, python
from labkit.grading.transports.wire import Body, Channel, Late

ENTER_SECONDS = 20.0  # for a child, until it stands in the jail
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
GRACE = 0.5  # a child reports by itself where its time ran out; if not, it is cut this much later


class Link:
    """The sockets of one child: questions and answers on one, its life on the other."""

    enter_seconds = ENTER_SECONDS

    def __init__(self, channel: Channel, life: socket.socket) -> None:
        self.channel = channel
        self.life = life
        self.pid: int | None = None
        self.files: dict[str, BinaryIO] = {}  # of the child in /proc: how long it ran, and waited
        self.before = (0.0, 0.0)  # what that was when the question began

    def news(self, seconds: float) -> dict[str, Any]:
        """What the zygote has to say of the child; nothing when it is silent or gone."""
        self.life.settimeout(seconds)
        with suppress(OSError, ValueError):
            return json.loads(self.life.recv(1 << 12) or "{}")
        return {}

    def meet(self) -> None:
        """Learn the child's process id."""
        said = self.news(ENTER_SECONDS)
        if "failed" in said:
            raise JailBroken(said["failed"])
        self.pid = said.get("pid")
        for name in ("stat", "schedstat"):
            with suppress(OSError):  # open, so that it is never another process of the same number
                self.files[name] = open(f"/proc/{self.pid}/{name}", "rb", buffering=0)  # noqa: SIM115

    def how_it_ended(self) -> int | None:
        """Its exit status, below 0 for a signal; None when it has not ended yet."""
        return self.news(1.0).get("status")

    def begin(self) -> None:
        """A question begins now."""
        self.before = (self.used(), self.waited())

    def own(self, passed: float) -> float:
        """How much counts of the seconds that have passed in this question: what the child has
        computed, or else all but its waits for a processor, which may be many times as long."""
        used, waited = self.used() - self.before[0], self.waited() - self.before[1]
        return max(used, passed - max(waited, 0.0), passed / PATIENCE)

    def used(self) -> float:
        """Processor seconds of all the child's threads."""
        fields = self.read("stat").rpartition(b")")[2].split()
        return sum(map(int, fields[11:13])) / TICKS

    def waited(self) -> float:
        """Seconds that the child stood ready without a processor."""
        fields = self.read("schedstat").split()
        return int(fields[1]) / 1e9 if len(fields) > 1 else 0.0

    def read(self, name: str) -> bytes:
        """A file of the child's in /proc; nothing where there is none, or no child any more."""
        if name in self.files:
            with suppress(OSError):
                return os.pread(self.files[name].fileno(), 1000, 0)
        return b""

    def close(self) -> None:
        """Let go: the zygote kills the child, and closes its end when that is gone."""
        self.channel.close()
        for file in self.files.values():
            file.close()
        with suppress(OSError):
            self.life.shutdown(socket.SHUT_WR)
        while self.news(5.0):
            pass
        self.life.close()


class JailBroken(Exception):
    """The child could not be started, or not be jailed: no fault of the learner's."""


class ColdLink(Link):
    """A child that is a new interpreter: where there is no zygote (macOS, Windows), and no jail."""

    enter_seconds = 9 * ENTER_SECONDS  # it imports torch first

    def __init__(self, output_kb: int) -> None:
        data, its_data = socket.socketpair()
        windows = sys.platform == "win32"
        way = "sys.stdin.buffer.read()" if windows else its_data.fileno()
        code = f"from labkit.grading.transports import child; child.cold({way}, {output_kb})"
        self.process = subprocess.Popen(
            python(code),
            pass_fds=() if windows else [its_data.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=public_environment(),
        )
        assert self.process.stdin is not None
        if windows:
            self.process.stdin.write(its_data.share(self.process.pid))  # type: ignore[attr-defined]
        self.process.stdin.close()
        its_data.close()
        super().__init__(Channel(data), data)

    def meet(self) -> None:
        self.pid = self.process.pid

    def how_it_ended(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(1.0)
        return None

    def close(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()


class Patience:
    """How long to wait for a child: the seconds that it may have of its own, whatever else has the
    processor meanwhile. `spent` of this question's have passed, and `own` of those counted."""

    def __init__(self, link: Link, seconds: float, spent: float = 0.0, own: float = 0.0) -> None:
        self.link = link
        self.spent, self.limit = spent, own + max(seconds, 0.0) + GRACE
        self.began = time.monotonic()
        self.deadline = self.began + max(seconds, 0.0) + GRACE
        self.last = self.began + PATIENCE * max(seconds, 0.0) + GRACE
        self.heard = False

    def receive(self) -> tuple[dict[str, Any], Body]:
        """The next message; Late when the patience is over.

        What is there is read even then, as this process may have waited itself; but only the first
        message: whoever never stops talking is late.
        """
        if self.heard and time.monotonic() > self.last:
            raise Late
        self.heard = True
        while not self.link.channel.wait(self.deadline):
            self.extend()
        return self.link.channel.receive(self.deadline + GRACE)

    def extend(self) -> None:
        """Give back what has not been the child's own time."""
        now = time.monotonic()
        left = self.limit - self.link.own(self.spent + now - self.began)
        more = min(left, self.last - now)
        if more < 0.05:
            raise Late
        self.deadline = now + more


def ending(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None:
        return "closed its connection to the grader"
    if status >= 0:
        return f"ended the process (exit {status})"
    if status == -signal.SIGKILL:
        return "was killed by signal 9 (SIGKILL), as a process is that takes too much memory"
    with suppress(ValueError):
        return f"was killed by signal {-status} ({signal.Signals(-status).name})"
    return f"was killed by signal {-status}"
