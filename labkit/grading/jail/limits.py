"""Limits of a child that the kernel keeps: memory, processor time, files, processes."""

from __future__ import annotations

import resource
from collections.abc import Mapping

MAX_OPEN_FILES = 64
MAX_QUESTIONS = 100  # processor time of one child is for this many, at most


def set_limits(limits: Mapping[str, float]) -> None:
    """Memory is what the process has already (torch reserves much) and its own share on top."""
    room = address_space() + (int(limits["memory_mb"]) << 20)
    lower(resource.RLIMIT_AS, room)
    lower(resource.RLIMIT_FSIZE, int(limits["file_mb"]) << 20)
    lower(resource.RLIMIT_CPU, int(limits["seconds"] * MAX_QUESTIONS) + 10)
    lower(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_MEMLOCK, 0)
    lower(resource.RLIMIT_MSGQUEUE, 0)


def limit_processes(most: int) -> None:
    """Of this user; only where the child has a user of its own to count by."""
    lower(resource.RLIMIT_NPROC, most)


def lower(kind: int, most: int) -> None:
    """Set a limit for good; never above what there was."""
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def address_space() -> int:
    """Bytes of address space that this process has."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
