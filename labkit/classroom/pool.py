"""A few grading workers on this machine, each a process with a pipe.

On Linux all are forked from one warm process (foreman.py); elsewhere, and for one that is
lost on the way, a worker is started afresh. This process, which knows who has handed in, is never
forked, and has no need of torch.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import BinaryIO, Protocol

from labkit.classroom.replies import (
    Failed,
    Fault,
    Hello,
    Reply,
    Request,
    hello_from,
    line_of,
    reply_from,
    start_from,
)
from labkit.classroom.settings import Settings
from labkit.grading.transports.launching import ZygoteError, public_environment, python

LINUX = sys.platform.startswith("linux")
PATIENCE = 600.0  # seconds for one submission; every question has a limit of its own far below
END_SECONDS = 10.0  # for a process to end by itself


@dataclass(frozen=True)
class Job:
    """One submission to grade: the key it is kept under, its file's name, its bytes, and the seed
    of what is drawn to check it. Workers learn the seed with the job: their zygote never does."""

    key: str
    file: str
    data: bytes
    seed: int


class Lost(Exception):
    """A worker ended before it answered."""


class Process(Protocol):
    """What both kinds of worker process can do."""

    def kill(self) -> None: ...

    def wait(self) -> object: ...


class ForkedWorker:
    """A process that the foreman has forked; it has ended when its end of the pipe is closed."""

    def __init__(self, reader: BinaryIO) -> None:
        self.reader = reader
        self.pid: int | None = None  # the foreman keeps it from being another's

    def kill(self) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        while self.reader.read(1 << 16):
            pass


@dataclass
class Worker:
    """A grading process."""

    process: Process
    reader: BinaryIO
    writer: BinaryIO

    def ask(self, job: Job) -> Reply:
        """The reply to one job; a fault where the process ends, or takes longer than any may."""
        alarm = self.alarm(PATIENCE)
        try:
            self.writer.write(line_of(Request(job.file, len(job.data), job.seed)) + job.data)
            self.writer.flush()
            return reply_from(self.line())
        except (Lost, OSError, ValueError) as error:
            return Fault(f"the grading process ended ({error})")
        finally:
            alarm.cancel()

    def meet(self) -> Hello:
        """What it says once it is ready; ZygoteError where it can't be."""
        said = hello_from(self.line())
        if isinstance(said, Failed):
            raise ZygoteError(said.failed)
        return said

    def alarm(self, seconds: float) -> threading.Timer:
        """Ends the process after this time, unless it is cancelled."""
        alarm = threading.Timer(seconds, self.process.kill)
        alarm.daemon = True
        alarm.start()
        return alarm

    def line(self) -> bytes:
        """The next line that the process says; Lost where there is none."""
        line = self.reader.readline()
        if not line.endswith(b"\n"):
            raise Lost("its pipe is closed")
        return line

    def close(self) -> None:
        """Let the process end by itself, as it does when its pipe is closed; not for ever."""
        alarm = self.alarm(END_SECONDS)
        with suppress(OSError):
            self.writer.close()
        self.process.wait()
        self.reader.close()
        alarm.cancel()

    def kill(self) -> None:
        """End the process now; whatever it forked sees the end of its own pipe."""
        self.process.kill()
        self.close()


# Starting


def begin_fresh(settings: Settings) -> Worker:
    """A worker from nothing; it says hello once it is ready."""
    process = subprocess.Popen(
        command(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=public_environment()
    )
    assert process.stdin and process.stdout
    return Worker(process, process.stdout, process.stdin)  # type: ignore[arg-type]


def command(settings: Settings) -> list[str]:
    """The command line that starts a worker afresh."""
    code = "from labkit.classroom.worker import main; main(sys.argv[1:])"
    return [*python(code), json.dumps(asdict(settings))]


class Foreman:
    """The warm process, and the workers that it forks. It ends when its standard input does."""

    def __init__(self, settings: Settings, count: int) -> None:
        down, up = ([os.pipe() for _ in range(count)] for _ in range(2))
        theirs = [(job[0], reply[1]) for job, reply in zip(down, up, strict=True)]
        self.process = subprocess.Popen(
            foreman_command(settings, theirs),
            stdin=subprocess.PIPE,
            env=public_environment(),
            pass_fds=[end for ends in theirs for end in ends],
            start_new_session=True,  # Ctrl-C is for the process that asks
        )
        for end in (end for ends in theirs for end in ends):
            os.close(end)
        pipes = zip(down, up, strict=True)
        self.workers = [forked_worker(job[1], reply[0]) for job, reply in pipes]

    def meet(self) -> None:
        """Learn which processes the workers are; Lost where none can be forked."""
        for worker in self.workers:
            said = start_from(worker.line())
            if isinstance(said, Failed):
                raise ZygoteError(said.failed)
            assert isinstance(worker.process, ForkedWorker)
            worker.process.pid = said.pid

    def close(self) -> None:
        """After its workers."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def foreman_command(settings: Settings, pipes: list[tuple[int, int]]) -> list[str]:
    """The command line that starts a foreman."""
    code = (
        "from labkit.classroom import foreman, settings; "
        f"foreman.main(settings.{settings!r}, {pipes!r})"
    )
    return python(code)


def forked_worker(writer: int, reader: int) -> Worker:
    """A worker at the other ends of these."""
    replies = os.fdopen(reader, "rb")
    return Worker(ForkedWorker(replies), replies, os.fdopen(writer, "wb"))


# Grading


@contextmanager
def pool(settings: Settings, count: int) -> Iterator[Pool]:
    """Workers that are gone when the block ends, however it ends."""
    workers = Pool(settings)
    try:
        workers.start(count)
        yield workers
    except BaseException:
        workers.end(at_once=True)
        raise
    workers.end(at_once=False)


class Pool:
    """Workers with a thread each, which hands jobs over and waits for the reply."""

    hello: Hello  # what every worker says first

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.foreman: Foreman | None = None
        self.workers: list[Worker] = []
        self.replies: queue.SimpleQueue[tuple[Job, Reply] | BaseException | None]
        self.replies = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.ended = False

    def start(self, count: int) -> None:
        """This many workers, ready to grade."""
        if LINUX:
            self.foreman = Foreman(self.settings, count)
            self.workers += self.foreman.workers
            try:
                self.foreman.meet()
                self.meet()
                return
            except Lost:  # something in this Python has threads, so that it can't be forked
                self.close_all(at_once=True)
                self.foreman, self.workers = None, []
        self.start_fresh(count)

    def start_fresh(self, count: int) -> None:
        """Workers from nothing, where this process can't be forked."""
        self.workers += [begin_fresh(self.settings) for _ in range(count)]
        self.meet()

    def meet(self) -> None:
        """Wait until every worker has said hello."""
        self.hello, *_ = [worker.meet() for worker in self.workers]

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Reply]]:
        """Every job with its reply, as they come."""
        source = iter(jobs)
        for number in range(len(self.workers)):
            threading.Thread(target=self.feed, args=(number, source), daemon=True).start()
        working = len(self.workers)
        while working:
            done = self.replies.get()
            if done is None:
                working -= 1
            elif isinstance(done, BaseException):
                raise done
            else:
                yield done

    def feed(self, number: int, source: Iterator[Job]) -> None:
        """One thread: the next job, its reply, until none is left."""
        try:
            while not self.ended and (job := self.next(source)) is not None:
                self.replies.put((job, self.ask(number, job)))
        except BaseException as error:  # a worker that can't be replaced, say: raised in `run`
            self.replies.put(error)
        finally:
            self.replies.put(None)

    def next(self, source: Iterator[Job]) -> Job | None:
        """The next job; notebooks are read only as workers get free."""
        with self.lock:
            return next(source, None)

    def ask(self, number: int, job: Job) -> Reply:
        """A worker's reply; after a fault the worker is replaced and the job tried once more."""
        for _ in range(2):
            reply = self.workers[number].ask(job)
            if not isinstance(reply, Fault) or self.ended:
                break
            self.replace(number)
        return reply

    def replace(self, number: int) -> None:
        """A new worker in the place of one that is lost."""
        self.workers[number].kill()
        self.workers[number] = begin_fresh(self.settings)
        self.workers[number].meet()

    def end(self, *, at_once: bool) -> None:
        """No more jobs."""
        self.ended = True
        self.close_all(at_once=at_once)

    def close_all(self, *, at_once: bool) -> None:
        """End every worker, then the foreman with their zygote."""
        for worker in self.workers:
            worker.kill() if at_once else worker.close()
        if self.foreman:
            self.foreman.close()
