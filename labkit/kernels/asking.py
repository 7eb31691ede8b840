"""A kernel from a zygote, with the manners of subprocess.Popen, as Jupyter knows it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.kernels.orders import MAX_ORDER, Cold, Order

PATIENCE_SECONDS = 10.0
NEWS_BYTES = 1 << 12


class ForkedKernel:
    """A kernel that another process has forked. It ends when this object, or its process, does."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line
        line.settimeout(None)
        weakref.finalize(self, line.close)

    def poll(self) -> int | None:
        """None while it runs, else how it ended: an exit code, or a negative signal number."""
        if self.returncode is None:
            try:
                self._hear(socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended; then its process id is given up. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self._hear()
            except TimeoutError:
                raise subprocess.TimeoutExpired(f"kernel {self.pid}", timeout or 0) from None
        self._line.close()
        assert self.returncode is not None
        return self.returncode

    def _hear(self, flags: int = 0) -> None:
        data = self._line.recv(NEWS_BYTES, flags)
        # The zygote's end is the kernel's: both are told by silence.
        self.returncode = int(json.loads(data)["status"]) if data else -signal.SIGKILL

    def send_signal(self, number: int) -> None:
        """Until it is waited for, its process id stays its own."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def ask(door: Path, order: Order, stdout: Any = None, stderr: Any = None) -> ForkedKernel:
    """A kernel from the zygote that listens there; `stdout` and `stderr` as for Popen.

    Raises Cold, with the reason, where there is none to be had.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.settimeout(PATIENCE_SECONDS)
    try:
        return ForkedKernel(order_on(line, door, order, stdout, stderr), line)
    except OSError as error:
        line.close()
        raise Cold(f"there is no warm process ({error})") from error
    except Cold:
        line.close()
        raise


def order_on(line: socket.socket, door: Path, order: Order, stdout: Any, stderr: Any) -> int:
    data = order.encode()
    if len(data) > MAX_ORDER:
        raise Cold(f"the order has {len(data)} bytes, more than {MAX_ORDER}")
    line.connect(str(door))
    with descriptors(stdout, stderr) as streams:
        socket.send_fds(line, [data], streams)
    answer = json.loads(line.recv(NEWS_BYTES) or b'{"cold": "the warm process ended"}')
    if "pid" not in answer:
        raise Cold(answer["cold"])
    return int(answer["pid"])


@contextmanager
def descriptors(stdout: Any, stderr: Any) -> Iterator[list[int]]:
    """The file descriptors that Popen's arguments mean."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        output = descriptor(stdout, 1, null)
        yield [output, output if stderr == subprocess.STDOUT else descriptor(stderr, 2, null)]
    finally:
        os.close(null)


def descriptor(given: Any, inherited: int, null: int) -> int:
    if given is None:
        return inherited
    if given == subprocess.DEVNULL:
        return null
    if given == subprocess.PIPE:
        raise Cold("a pipe was asked for its output")
    return given if isinstance(given, int) else int(given.fileno())
