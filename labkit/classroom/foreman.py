"""The warm process from which a pool's zygote and workers are forked, cheap in time and memory.

It is started afresh and told what is no secret: no hand-in, no learner, no reference answer was
ever in its memory, and so none is in a child's.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from labkit.classroom.replies import Failed, Started
from labkit.classroom.settings import Settings
from labkit.classroom.worker import WARM, Grader, send, serve, warm_up
from labkit.grading.transports.launching import ZygoteError, can_fork, python
from labkit.grading.transports.remote import Zygote

Pipes = tuple[int, int]  # a worker's ends: where jobs come from, and where replies go


def main(settings: Settings, pipes: Sequence[Pipes]) -> None:
    """Fork a zygote, and a worker for each pair of pipes; then see them off.

    Where this process can't be forked it ends, and the pipes with it.
    """
    os.dup2(2, 1)
    warm_up()
    if not can_fork():
        return
    try:
        zygote = Zygote(trusted=settings.trusted, imports=WARM)
    except ZygoteError as error:
        for _, writer in pipes:
            with os.fdopen(writer, "wb") as file:
                send(file, Failed(str(error)))
        return
    workers = [fork_worker(settings, zygote, own, pipes) for own in pipes]
    close(pipes)
    become_small([*workers, *zygote.processes()])


def become_small(children: Sequence[int]) -> None:
    """Become a process that needs little memory: wait for the end of standard input, then for
    these, which are its children still."""
    code = (
        "from labkit.grading.transports.launching import end_process; sys.stdin.buffer.read(); "
        f"[end_process(pid) for pid in {list(children)}]"
    )
    command = python(code)
    os.execv(command[0], command)


def fork_worker(settings: Settings, zygote: Zygote, own: Pipes, every: Sequence[Pipes]) -> int:
    """A worker's process id. It must not hold the ends of the others' pipes."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            close([pipes for pipes in every if pipes != own])
            be_worker(settings, zygote, own)
            code = 0
        except BaseException as error:
            print(f"A grading worker ended: {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    return pid


def be_worker(settings: Settings, zygote: Zygote, own: Pipes) -> None:
    """The forked process's whole life; first it says who it is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks ends it
    reader, writer = os.fdopen(own[0], "rb"), os.fdopen(own[1], "wb")
    send(writer, Started(os.getpid()))
    serve(reader, writer, Grader(settings, zygote))


def close(pipes: Sequence[Pipes]) -> None:
    """Let go of these ends."""
    for ends in pipes:
        for end in ends:
            os.close(end)
