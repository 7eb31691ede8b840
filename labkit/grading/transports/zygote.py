"""The warm process from which children are forked: has the heavy packages, and nothing of value.

It is forked from the grader before any challenge is imported, or started as a fresh interpreter.
For each order on its control socket it forks one child into the jail and keeps it: kills it when
the grader hangs up, and tells how it ended.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labkit import forking
from labkit.forking import Child, Children
from labkit.grading.jail.layers import Jail, LayerFailed
from labkit.grading.jail.probe import find_plan, isolation_of
from labkit.grading.transports.child import live
from labkit.grading.transports.wire import Channel, Message
from labkit.variables import GRADING, PUBLIC

MAX_ORDER = 1 << 16
M_ARENA_MAX = -8
# What takes seconds or milliseconds when a child is the first to ask for it.
NEEDED = (
    "IPython.core.inputtransformer2",
    "matplotlib.pyplot",
    "numpy.random",
    "torch._dynamo",  # the first step of any optimizer asks for it, and torch.func and testing
)


class JailedChild(Child):
    """A child in the jail."""

    def reap(self) -> int:
        """Take its exit status."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        return os.waitstatus_to_exitcode(status)

    def known_as(self) -> int | None:
        """Its process id as the grader sees it, who may live in another namespace."""
        with suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/self/fdinfo/{self.pidfd}").read_text("utf-8").splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
        return None


class Keeper:
    """Forks children on order, and keeps them until they are gone."""

    def __init__(self, control: socket.socket, jail: Jail) -> None:
        self.control = control
        self.jail = jail
        self.children = Children[JailedChild]()
        self.children.listen(control)

    def serve(self) -> None:
        """Until the grader is gone."""
        while True:
            for number in self.children.ready():
                if number == self.control.fileno():
                    if not self.take_order():
                        return
                elif child := self.children.by_number.get(number):
                    self.attend(number, child)

    def take_order(self) -> bool:
        """One order: limits as JSON, and two sockets. False when there will be no more."""
        data, numbers, _, _ = socket.recv_fds(self.control, MAX_ORDER, 2)
        sockets = [socket.socket(fileno=number) for number in numbers]
        if len(sockets) == 2:
            self.start(json.loads(data), *sockets)
        return bool(data)

    def start(self, limits: dict[str, Any], data: socket.socket, life: socket.socket) -> None:
        """Fork a child for an order."""
        try:
            pid = self.jail.fork(limits)
        except (OSError, LayerFailed) as error:
            why = f"no process could be started ({error})"
            with suppress(OSError):
                life.send(json.dumps({"failed": why}).encode())
            data.close()
            life.close()
            return
        if pid == 0:
            become_child(self.jail, data, limits)
        data.close()
        child = JailedChild(pid, os.pidfd_open(pid), life)
        self.children.add(child)
        child.tell(pid=child.known_as())

    def attend(self, number: int, child: JailedChild) -> None:
        """The child has ended, or the grader has let go of it."""
        if number != child.pidfd:
            child.kill()
        self.children.forget(child.pidfd, child.line.fileno())
        status = child.reap()
        self.jail.sweep(child.pid, {each.pid for each in self.children})
        child.tell(status=status)
        child.line.close()

    def close(self) -> None:
        """Nothing is left behind."""
        for child in self.children:
            self.attend(child.line.fileno(), child)


def become_child(jail: Jail, data: socket.socket, limits: dict[str, Any]) -> None:
    """In the forked process: into the jail, then live there. Never returns."""
    channel = Channel(data)
    try:
        jail.enter(data.fileno(), limits)
        live(channel, limits["output_kb"], jail.plan.level)
    except BaseException as error:
        with suppress(BaseException):
            channel.send(Message({"kind": "fatal", "text": f"{type(error).__name__}: {error}"}))
    finally:
        os._exit(1)


def main(number: int, imports: Sequence[str], trusted: bool) -> None:
    """The zygote's life, in a process of its own; its control socket is this file descriptor."""
    control = socket.socket(fileno=number)
    try:
        quiet(keep=number)
        forget()
        warm_up(imports)
        plan, missing = find_plan()
        jail = Jail(plan)
        jail.prepare(number)
        keeper = Keeper(control, jail)
        isolation = isolation_of(plan, missing, trusted)
        control.send(json.dumps({"isolation": asdict(isolation)}).encode())
        try:
            keeper.serve()
        finally:
            keeper.close()
    except BaseException as error:
        with suppress(BaseException):
            control.send(json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(0)


def warm_up(imports: Sequence[str]) -> None:
    """Import what children would, on one thread: what has threads can't be forked."""
    forking.warm_up((*imports, *NEEDED))
    import torch

    torch.set_num_threads(1)
    with suppress(AttributeError):  # a thread's own heap would take 64 MB of a child's memory
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def quiet(keep: int) -> None:
    """Nothing to read, nowhere to write; Ctrl-C is the grader's to handle.

    What was open leads to /dev/null now, and keeps its number: some object of a copied grader may
    still close that, when another file would have got it.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for number in {0, 1, 2, *map(int, os.listdir("/proc/self/fd"))} - {keep, null}:
        with suppress(OSError):  # the listing's own is gone
            os.fstat(number) if number > 2 else None
            os.dup2(null, number)
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def forget() -> None:
    """What a copy of the grader knows from its command line and environment, secrets maybe."""
    for name in [name for name in os.environ if name not in (*PUBLIC, *GRADING)]:
        del os.environ[name]
    os.environ["MPLBACKEND"] = "agg"  # read when matplotlib is imported
    sys.argv[:] = sys.orig_argv[:] = ["labkit-zygote"]
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    for start, end in (fields[45:47], fields[47:49]):  # arguments, environment (see proc(5))
        if 0 < int(start) < int(end):
            ctypes.memset(int(start), 0, int(end) - int(start))
