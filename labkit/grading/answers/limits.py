"""Runs a learner's call with a time limit, and gives the kernel back when it never ends.

The call runs on a thread of its own while the caller waits. When its time is up an exception is
raised inside it, again and again, since code may swallow one; a thread that no exception reaches
(it sleeps, or sits in C code) is left behind. No signals: works on any thread and any system.
"""

from __future__ import annotations

import contextvars
import ctypes
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from labkit.grading.answers.lines import Line, running_line

PATIENCE = 2.0  # seconds that a thread gets to end after its time is up
TRIES = 5  # of raising it, this far apart in seconds, before it is raised as often as can be
BETWEEN_TRIES = 0.05


class TimeLimitReached(BaseException):
    """Raised inside the learner's code; no Exception, so that `except Exception` lets it pass."""


class TimeUp(Exception):
    """The call was cut: where it was, and whether its thread has ended."""

    def __init__(self, line: Line | None, ended: bool) -> None:
        super().__init__("time is up")
        self.line = line
        self.ended = ended


class Worker:
    """One thread for the calls of one check."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.serve, name="labkit-check", daemon=True)
        self.thread._invoke_excepthook = lambda _: None  # type: ignore[attr-defined]  # see serve
        self.thread.start()

    def serve(self) -> None:
        """Do jobs until None comes, or TimeLimitReached. That ends the thread without a word: one
        more of them may land anywhere on the way out, and by then nobody listens."""
        with suppress(TimeLimitReached):
            while (job := self.jobs.get()) is not None:
                self.results.put(job())

    def run(self, job: Callable[[], Any], seconds: float) -> Any:
        """The job's result; TimeUp when it takes longer. The job itself must not raise."""
        self.jobs.put(in_this_context(job))
        try:
            return self.results.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            line = running_line(self.thread.ident)
            raise TimeUp(line, ended=self.end()) from None
        except KeyboardInterrupt:  # the learner pressed stop
            self.end()
            raise

    def end(self) -> bool:
        """Raise inside the thread until it ends; False when it will not."""
        for _ in range(TRIES):
            raise_in_thread(self.thread.ident)
            self.thread.join(BETWEEN_TRIES)
            if not self.thread.is_alive():
                return True
        raise_at_every_step(self.thread)
        if self.thread.is_alive():
            take_pending_exception()
        return not self.thread.is_alive()

    def close(self) -> None:
        """Let the thread go once it has nothing left to do."""
        self.jobs.put(None)


def raise_at_every_step(thread: threading.Thread) -> None:
    """For `while True: try: … except: pass`, which swallows an exception wherever it stands in the
    try block: with both threads taking turns at every step, one soon lands on the way round."""
    give_up = time.monotonic() + PATIENCE
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        while thread.is_alive() and time.monotonic() < give_up:
            raise_in_thread(thread.ident)
            thread.join(1e-5)
    finally:
        sys.setswitchinterval(before)


def take_pending_exception() -> None:
    """Have another thread take a TimeLimitReached, after one that sleeps has not taken its own.

    Python 3.11 keeps one flag for all threads until somebody takes the exception, and a traced
    function (a debugger, coverage, LineFinder) spins for ever at its first line while it is up.
    """
    taker = Worker()
    taker.jobs.put(sleep_forever)
    taker.end()


def sleep_forever() -> None:
    while True:
        time.sleep(0.001)


def in_this_context(job: Callable[[], Any]) -> Callable[[], Any]:
    """The job with the caller's context variables: a notebook's output finds its cell by them."""
    context = contextvars.copy_context()
    return lambda: context.run(job)


def raise_in_thread(thread_id: int | None) -> None:
    """Have TimeLimitReached raised in a thread at its next step in Python code."""
    if thread_id is not None:
        exception = ctypes.py_object(TimeLimitReached)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), exception)
