"""In a forked process: all that a fresh kernel has from its start, and nothing of the zygote.

After this, `ipykernel_launcher` runs in it as `python -m ipykernel_launcher` would.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from labkit.grading.jail import linux
from labkit.kernels.orders import Order


@dataclass(frozen=True)
class Task:
    """An order, descriptors for its output and errors, variables that imports set, its parent."""

    order: Order
    streams: list[int]
    variables: dict[str, str]
    zygote: int


class Current:
    """Writes to sys.stdout or sys.stderr as it is at that moment, in place of the one before."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _stream(self) -> Any:
        found = getattr(sys, self._name)
        return getattr(sys, f"__{self._name}__") if isinstance(found, Current) else found

    def write(self, text: str) -> int:
        return int(self._stream().write(text))

    def flush(self) -> None:
        self._stream().flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream(), name)


def become(task: Task) -> None:
    """Take the session, streams, environment, folder and arguments that were ordered."""
    leave_family(task.zygote)
    take_streams(*task.streams)
    os.environ.clear()
    os.environ.update(task.variables | task.order.env)
    os.chdir(task.order.cwd)
    forget_labkit()
    draw_seeds()
    take_arguments(task.order.command)


def leave_family(zygote: int) -> None:
    """A session of its own, to be interrupted as a whole; and no life after the zygote's."""
    os.setsid()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != zygote:  # it was gone before that call
        os._exit(1)


def take_streams(output: int, errors: int) -> None:
    """Nothing to read; output and errors go where Jupyter wants them."""
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (errors, 2)):
        os.dup2(source, target)
    for number in {null, output, errors} - {0, 1, 2}:
        os.close(number)


def forget_labkit() -> None:
    """The kernel imports labkit itself: it may have changed, and reads the kernel's settings."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "labkit"]:
        del sys.modules[name]


def draw_seeds() -> None:
    """What draws a seed when it is imported draws a new one; `random` does so by itself."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()
    if multiprocessing := sys.modules.get("multiprocessing"):
        multiprocessing.current_process().authkey = os.urandom(32)


def take_arguments(command: list[str]) -> None:
    """As after `python -m ipykernel_launcher`, which takes the folder off the path itself."""
    sys.orig_argv[:] = command
    sys.argv[:] = ["-m", *command[3:]]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())
