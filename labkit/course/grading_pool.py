"""A few grading workers on this machine, each a process with a pipe.

On Linux all are forked from one warm process, which costs neither time nor memory; elsewhere, and
for one that is lost on the way, a worker is started afresh.
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
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from labkit.course.grading_worker import (
    WARM,
    Grader,
    Reply,
    Settings,
    command,
    serve,
    warm_up,
)
from labkit.grading.launching import clean_environment
from labkit.grading.remote import Zygote, ZygoteError, can_fork

PATIENCE = 600.0  # seconds for one submission; every question has a limit of its own far below
GOODBYE = 10.0


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


class Forked:
    """A forked process by its number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended = False

    def kill(self) -> None:
        if not self.ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        if not self.ended:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self.ended = True


@dataclass
class Worker:
    """A grading process; `hello` is what it said first: the isolation level and its package."""

    process: Process
    reader: BinaryIO
    writer: BinaryIO
    hello: Reply

    def ask(self, job: Job) -> Reply:
        """The reply to one job; a fault where the process ends, or takes longer than any may."""
        alarm = self.alarm(PATIENCE)
        try:
            header = {"file": job.file, "size": len(job.data), "seed": job.seed}
            self.writer.write(json.dumps(header).encode() + b"\n" + job.data)
            self.writer.flush()
            return self.listen()
        except (Lost, OSError, ValueError) as error:
            return {"fault": f"the grading process ended ({error})"}
        finally:
            alarm.cancel()

    def meet(self) -> None:
        """Wait until the process is ready; ZygoteError where it can't be."""
        self.hello = self.listen()
        if "failed" in self.hello:
            raise ZygoteError(self.hello["failed"])

    def alarm(self, seconds: float) -> threading.Timer:
        """Ends the process after this time, unless it is cancelled."""
        alarm = threading.Timer(seconds, self.process.kill)
        alarm.daemon = True
        alarm.start()
        return alarm

    def listen(self) -> Reply:
        """The next line that the process says."""
        line = self.reader.readline()
        if not line.endswith(b"\n"):
            raise Lost("its pipe is closed")
        reply: Reply = json.loads(line)
        return reply

    def close(self) -> None:
        """Let the process end by itself, as it does when its pipe is closed; not for ever."""
        alarm = self.alarm(GOODBYE)
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
        command(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment()
    )
    assert process.stdin and process.stdout
    return Worker(process, process.stdout, process.stdin, {})  # type: ignore[arg-type]


def begin_forked(settings: Settings, zygote: Zygote, others: Iterable[Worker]) -> Worker:
    """A worker forked from this process, which is warm."""
    down, up = os.pipe(), os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        for handle in (down[1], up[0]):
            os.close(handle)
        pipes = os.fdopen(down[0], "rb"), os.fdopen(up[1], "wb")
        be_worker(*pipes, Grader(settings, zygote), others)
    os.close(down[0])
    os.close(up[1])
    return Worker(Forked(pid), os.fdopen(up[0], "rb"), os.fdopen(down[1], "wb"), {})


def be_worker(reader: BinaryIO, writer: BinaryIO, grader: Grader, others: Iterable[Worker]) -> None:
    """The forked process's whole life; it must not hold the ends of the others' pipes."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
        for other in others:
            os.close(other.reader.fileno())
            os.close(other.writer.fileno())
        serve(reader, writer, grader)
        code = 0
    except BaseException as error:
        print(f"A grading worker ended: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(code)


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

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.zygote: Zygote | None = None
        self.workers: list[Worker] = []
        self.replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.ended = False

    def start(self, count: int) -> None:
        """This many workers, ready to grade.

        Forked ones share one zygote, which is forked before them: nothing that this process gets
        to know later (who handed in, what marks they have) is in its memory.
        """
        warm_up()
        if can_fork():
            self.zygote = Zygote(trusted=self.settings.trusted, imports=WARM)
            for _ in range(count):
                self.workers.append(begin_forked(self.settings, self.zygote, self.workers))
            self.meet()
        else:
            self.start_fresh(count)

    def start_fresh(self, count: int) -> None:
        """Workers from nothing, where this process can't be forked."""
        self.workers += [begin_fresh(self.settings) for _ in range(count)]
        self.meet()

    def meet(self) -> None:
        """Wait until every worker has said hello."""
        for worker in self.workers:
            worker.meet()

    @property
    def hello(self) -> Reply:
        """What every worker said first."""
        return self.workers[0].hello

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
            if "fault" not in reply or self.ended:
                break
            self.replace(number)
        return reply

    def replace(self, number: int) -> None:
        """A new worker in the place of one that is lost; other threads run, so none is forked."""
        self.workers[number].kill()
        self.workers[number] = begin_fresh(self.settings)
        self.workers[number].meet()

    def end(self, *, at_once: bool) -> None:
        """End every worker, then their zygote."""
        self.ended = True
        for worker in self.workers:
            worker.kill() if at_once else worker.close()
        if self.zygote:
            self.zygote.close()
