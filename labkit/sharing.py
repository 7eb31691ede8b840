"""How a process of the course shares its machine: waiting threads yield, as many threads compute as
processors are free, and freed memory is kept for reuse. Standard library and psutil.

`python -m tests.benchmarks sharing` measures what this gains.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

from labkit.variables import SHARING

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of mallopt(3)
NEVER = 2**31 - 1
AHEAD = 64 * 2**20
MOMENT = 0.3  # seconds: the system counts in hundredths


def prepare_process() -> None:
    """All of it, for this process; the user's own settings win."""
    for name, value in SHARING.items():
        os.environ.setdefault(name, value)
    if not any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        keep_memory()


def keep_memory() -> bool:
    """Reuse large blocks instead of returning them to the system, which clears memory before it
    hands it out again: a fifth of a lesson's time on a busy machine. True if that worked: it takes
    glibc (mallopt)."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    wanted = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, AHEAD))
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in wanted)


class Load:
    """How much of this process's processors others use, from when the object is made."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.busy = busy_seconds()
        self.own = time.process_time()

    def others(self) -> float:
        """Processors that others would keep busy, on average; looks for a moment at least.

        Where they have used one, this process sleeps for a moment: while it computes they may get
        less than they ask for.
        """
        time.sleep(max(0.0, MOMENT - (time.monotonic() - self.began)))
        used = self.used()
        if round(used) == 0:
            return used
        asleep = Load()
        time.sleep(MOMENT)
        return asleep.used()

    def used(self) -> float:
        """Processors that others have had so far, on average."""
        seconds = busy_seconds() - self.busy - (time.process_time() - self.own)
        return max(0.0, seconds / (time.monotonic() - self.began))


def busy_seconds() -> float:
    """Of all processors that this process may use, since the machine began."""
    import psutil

    each = psutil.cpu_times(percpu=True)
    mine = [each[number] for number in processors() if number < len(each)]
    return sum(t.user + t.system + getattr(t, "nice", 0.0) for t in mine)


def processors() -> list[int]:
    """The numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def threads_beside(others: float, most: int) -> int:
    """How many threads compute soonest: one for each free processor; where none is free, `most`, as
    each thread gets its share."""
    free = len(processors()) - round(others)
    return min(most, free) if free >= 1 else most
