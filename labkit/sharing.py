"""How a process of the course shares its machine: threads that wait give way, as many compute as
processors are free, and memory that it has used stays with it. Standard library and psutil.

`python -m tests.benchmarks sharing` measures what it is worth.
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
    """Everything that a process can do for itself; what the user has set wins."""
    for name, value in SHARING.items():
        os.environ.setdefault(name, value)
    if not any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        keep_memory()


def keep_memory() -> bool:
    """Large blocks come from memory that is kept, instead of from the system each time, which has
    to clear it first: a fifth of a lesson's time beside other work. Whether that could be had: it
    is glibc's (mallopt)."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    wanted = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, AHEAD))
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in wanted)


class Load:
    """What other processes use of this one's processors, from its making on."""

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
