"""Landlock: this process and all it starts may read these folders, write that one, and no more.

Needs no rights and no namespaces; see https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from labkit.grading.jail import linux

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_SPECIAL = (1 << 6) | (1 << 11) | (1 << 9) | (1 << 10)  # devices, sockets, pipes
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
READ = READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
TCP = 3  # bind and connect, since ABI 4
SCOPES = 3  # abstract Unix sockets and signals, since ABI 6
PATH_BENEATH = 1


def abi() -> int:
    """The version of Landlock here; 0 where there is none."""
    try:
        return linux.syscall("landlock", linux.SYS_LANDLOCK_CREATE, None, 0, 1)
    except OSError:
        return 0


def handled(version: int) -> int:
    """Every kind of access to files that a version knows: what no rule allows is refused."""
    every = (1 << 13) - 1
    return (
        every
        | (REFER * (version >= 2))
        | (TRUNCATE * (version >= 3))
        | (IOCTL_DEVICE * (version >= 5))
    )


def restrict(
    read: Iterable[str], devices: Iterable[str], work: str | None, names: Iterable[str] = ()
) -> None:
    """Shut this process in. `names` are folders whose entries may be listed, but not read."""
    version = abi()
    every = handled(version)
    ruleset = create(version, every)
    try:
        for path in read:
            allow(ruleset, path, READ & every)
        for path in devices:
            allow(ruleset, path, (READ_FILE | WRITE_FILE) & every)
        for path in names:
            allow(ruleset, path, READ_DIR)
        if work is not None:
            allow(ruleset, work, every & ~(EXECUTE | MAKE_SPECIAL | IOCTL_DEVICE))
        linux.syscall("landlock", linux.SYS_LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def create(version: int, every: int) -> int:
    """A ruleset that refuses all access to files, TCP, and signals to others."""
    net, scopes = TCP * (version >= 4), SCOPES * (version >= 6)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = ctypes.create_string_buffer(struct.pack("QQQ", every, net, scopes), 24)
    return linux.syscall("landlock", linux.SYS_LANDLOCK_CREATE, attributes, size, 0)


def allow(ruleset: int, path: str, access: int) -> None:
    """One rule; a path that is not there needs none."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, descriptor), 12)
        linux.syscall("landlock", linux.SYS_LANDLOCK_ADD, ruleset, PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
