"""The jail around a learner's code: layers, each used where this machine has it.

    namespaces  own processes, files, network, users; made by root or by a normal user
    own user    a user id for each child, where the grader is root
    limits      memory, processor time, files, processes
    Landlock    reads libraries, writes its own empty folder, no more
    cgroup      memory and processes of a child counted as one, where we may divide our own group
    seccomp     no new processes or programs, no sockets, nothing that computing does not need

What is missing is found by trying it (probe.py), and written with every mark.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Isolation:
    """What a probe found; it is written with every mark."""

    level: str
    hostile_ready: bool
    missing: tuple[str, ...]
