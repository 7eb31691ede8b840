"""Ways to start the process that children come from: a copy of this one, or a new interpreter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from labkit import forking
from labkit.paths import PACKAGE
from labkit.variables import GRADING, PUBLIC

ROOT = str(PACKAGE.parent)  # where `import labkit` finds this one


class ZygoteError(RuntimeError):
    """The warm process could not be started."""


def can_fork() -> bool:
    """Whether a copy of this process will do: warm, one thread, and no challenge in its memory.

    And PYTHONHASHSEED=0: a learner's sets are walked through in the same order every time.
    """
    if sys.flags.hash_randomization or forking.threads() != 1 or "torch" not in sys.modules:
        return False
    return not any(
        name.startswith(("labkit.challenges", "labkit_solutions")) for name in sys.modules
    )


class ForkedZygote:
    """A copy of this process."""

    def __init__(
        self, ours: socket.socket, theirs: socket.socket, imports: Sequence[str], trusted: bool
    ) -> None:
        from labkit.grading.transports import zygote

        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ours.close()
                zygote.main(theirs.detach(), imports, trusted)
            finally:
                os._exit(1)

    def end(self) -> None:
        """It ends by itself when its control socket closes; others may hold that too."""
        end_process(self.pid)


class FreshZygote:
    """A new interpreter, with a clean environment."""

    def __init__(self, theirs: socket.socket, imports: Sequence[str], trusted: bool) -> None:
        given = f"{theirs.fileno()}, {list(imports)!r}, {trusted!r}"
        self.process = subprocess.Popen(
            python(f"from labkit.grading.transports import zygote; zygote.main({given})"),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=public_environment(),
            start_new_session=True,
        )

    def end(self) -> None:
        with suppress(OSError):
            self.process.kill() if self.process.poll() is None else None
        self.process.wait()


def end_process(pid: int) -> None:
    """Wait for a child of ours, a little; then kill it."""
    give_up = time.monotonic() + 5
    with suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > give_up:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)


def python(code: str) -> list[str]:
    """The command that runs code in a new interpreter, which finds this labkit and no other.

    To be given a clean environment: then nothing is imported from a folder that is not Python's.
    """
    found = f"import sys; sys.path.insert(0, {ROOT!r}); import labkit; del sys.path[0]"
    return [sys.executable, "-P", "-c", f"{found}; {code}"]


def public_environment() -> dict[str, str]:
    """What a new interpreter gets to know of this process's environment: nothing secret."""
    return {name: os.environ[name] for name in PUBLIC if name in os.environ} | GRADING
