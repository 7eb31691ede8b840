"""The warm process: imports what kernels need, then forks one for each order.

It is started by nursery.py as `python -m labkit.kernels.zygote DESCRIPTOR FOLDER MODULE...`, where
the descriptor is its end of the owner's socket and the folder is private. Who asks for a kernel
keeps the connection: its end is the end of the kernel, and the owner's end is that of all.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labkit import forking
from labkit.forking import Child, Children
from labkit.kernels import DOOR, becoming, orders

PATIENCE_SECONDS = 5.0
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


@dataclass
class Kernel(Child):
    """A forked kernel. It is reaped when who asked for it lets go."""

    ended: bool = False

    def end(self) -> None:
        """It may not outlive who asked for it, nor its process id before they know."""
        if not self.ended:
            self.kill()
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.close()

    def close(self) -> None:
        os.close(self.pidfd)
        self.line.close()


class Zygote:
    """Forks kernels on order, until its owner is gone."""

    def __init__(self, owner: socket.socket, folder: Path, env: dict[str, str]) -> None:
        self.owner = owner
        self.folder = folder
        self.pid = os.getpid()
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.kernels = Children[Kernel]()
        self.env = env
        self.set_by_imports = {n: v for n, v in os.environ.items() if n not in env}
        self.loaded = list(sys.modules)
        self.installed = orders.installed_at()

    def open(self) -> None:
        """Listen; only this user can reach the folder, and only this user is answered."""
        self.door.bind(str(self.folder / DOOR))
        os.chmod(self.folder / DOOR, 0o600)
        self.door.listen(64)
        self.kernels.listen(self.owner, self.door)
        self.owner.send(json.dumps({"ready": self.pid}).encode())

    def serve(self) -> becoming.Task:
        """Until the owner is gone. Returns in each kernel, with its order."""
        while True:
            number, *_ = self.kernels.ready()  # one: it may change what the others mean
            if number == self.owner.fileno():
                self.end()
            elif number != self.door.fileno():
                self.attend(number, self.kernels.by_number[number])
            elif task := self.open_door():
                return task

    def open_door(self) -> becoming.Task | None:
        """Somebody asks for a kernel. None, but in the kernel."""
        line, _ = self.door.accept()
        line.settimeout(PATIENCE_SECONDS)
        try:
            order, streams = self.read(line)
            pid = os.fork()
        except (OSError, orders.Cold) as error:
            with suppress(OSError):
                line.send(json.dumps({"cold": str(error)}).encode())
            line.close()
            return None
        if pid == 0:
            self.leave()
            line.close()
            return becoming.Task(order, streams, self.set_by_imports, self.pid)
        close_all(streams)
        kernel = Kernel(pid, os.pidfd_open(pid), line)
        self.kernels.add(kernel)
        kernel.tell(pid=pid)
        return None

    def read(self, line: socket.socket) -> tuple[orders.Order, list[int]]:
        """An order that can be honoured, and where its kernel's output and errors go."""
        if user_of(line) != os.getuid():
            raise orders.Cold("this zygote is another user's")
        data, streams, _, _ = socket.recv_fds(line, orders.MAX_ORDER, 2)
        try:
            order = orders.decode(data)
            orders.check(order, self.env, self.loaded)
            if orders.installed_at() != self.installed:
                raise orders.Cold("packages were installed since the zygote started")
            if len(streams) != 2:
                raise orders.Cold("no places for output and errors came with the order")
        except orders.Cold:
            close_all(streams)
            raise
        return order, streams

    def attend(self, number: int, kernel: Kernel) -> None:
        """A kernel has ended, or who asked for it has let go."""
        if number == kernel.pidfd:
            self.kernels.forget(number)
            kernel.ended = True
            kernel.tell(status=status_of(number))
            return
        self.kernels.forget(kernel.pidfd, number)
        kernel.end()

    def leave(self) -> None:
        """In a kernel: nothing here is its own."""
        for kernel in self.kernels:
            kernel.close()
        self.owner.close()
        self.door.close()

    def end(self) -> None:
        """The owner is gone: nothing is left behind."""
        for kernel in self.kernels:
            kernel.end()
        with suppress(OSError):
            (self.folder / DOOR).unlink()
            self.folder.rmdir()
        os._exit(0)


def close_all(numbers: Sequence[int]) -> None:
    for number in numbers:
        os.close(number)


def user_of(line: socket.socket) -> int:
    """The user id of who is at the other end."""
    found = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", found)[1])


def status_of(pidfd: int) -> int:
    """How a child ended, as subprocess.Popen says it; it stays a zombie for now."""
    found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    assert found is not None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def warm_up(names: Sequence[str]) -> None:
    """Import what kernels would. Handlers of logs made now must write where sys.stderr is then."""
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when it is imported
    sys.stdout, sys.stderr = becoming.Current("stdout"), becoming.Current("stderr")
    forking.warm_up(names)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def check_gpu(names: Sequence[str]) -> None:
    """Importing peft looks at the GPU, and a driver that was looked at is of no use to a fork."""
    if "torch" not in names:
        return
    torch = importlib.import_module("torch")
    built = torch.version.cuda or torch.version.hip
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
    if built and not hidden and any(map(os.path.exists, GPU_DEVICES)):
        raise orders.Cold("there is a GPU, and a process that has looked at it can't be forked")


def check_threads() -> None:
    """What has threads can't be forked. Pools that know of forks end theirs at the first one."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    if (threads := forking.threads()) != 1:
        raise orders.Cold(f"importing left {threads} threads running, and only one can be forked")


def end_with(owner: socket.socket, watched: bool) -> None:
    """While it imports, this process has no eye for its owner: let SIGIO end it."""
    number = owner.fileno()
    fcntl.fcntl(number, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    fcntl.fcntl(number, fcntl.F_SETFL, flags | os.O_ASYNC if watched else flags & ~os.O_ASYNC)


def main() -> becoming.Task:
    """The zygote's life. Returns in each kernel, and only there."""
    number, folder, *names = sys.argv[1:]
    owner, env = socket.socket(fileno=int(number)), dict(os.environ)
    if not sys.flags.safe_path:
        del sys.path[0]
    try:
        end_with(owner, watched=True)
        check_gpu(names)
        warm_up(names)
        check_threads()
        end_with(owner, watched=False)
        zygote = Zygote(owner, Path(folder), env)
        zygote.open()
    except Exception as error:
        with suppress(OSError):
            owner.send(json.dumps({"failed": f"{error or type(error).__name__}"}).encode())
        os._exit(1)  # not even what it left running may hold it up
    return zygote.serve()


if __name__ == "__main__":
    becoming.become(main())
    runpy.run_module(orders.LAUNCHER, run_name="__main__", alter_sys=True)
