"""The few calls to the Linux kernel that Python does not offer, by ctypes."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

NEWNS, NEWUTS, NEWIPC, NEWUSER = 0x0002_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000
NEWPID, NEWNET = 0x2000_0000, 0x4000_0000

NOSUID, NODEV, NOEXEC, RDONLY, REMOUNT, BIND = 2, 4, 8, 1, 32, 4096
REC, PRIVATE, DETACH = 16384, 1 << 18, 2

# The same numbers on every processor since they were added (Linux 5.2 to 5.13).
SYS_MOUNT_SETATTR = 442
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 444, 445, 446
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38

CAPABILITY_VERSION_3 = 0x2008_0522
AT_RECURSIVE, AT_EMPTY_PATH = 0x8000, 0x1000

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def checked(result: int, what: str) -> int:
    """A call's result; OSError with the kernel's reason where it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(what: str, number: int, *arguments: object) -> int:
    """A system call by number."""
    given = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    return checked(libc.syscall(ctypes.c_long(number), *given), what)


def number_of(table: dict[str, int]) -> int:
    """A system call's number on this processor."""
    try:
        return table[platform.machine()]
    except KeyError:
        raise OSError(f"no system call numbers for {platform.machine()}") from None


def prctl(option: int, value: int | ctypes.Array | object = 0, more: object = 0) -> None:
    def long(item: object) -> object:
        return ctypes.c_ulong(item) if isinstance(item, int) else item

    zero = ctypes.c_ulong(0)
    checked(libc.prctl(option, long(value), long(more), zero, zero), f"prctl {option}")


def unshare(flags: int) -> None:
    checked(libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    checked(libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    kind_bytes = kind.encode() if kind else None
    data = options.encode() or None
    result = libc.mount(
        os.fsencode(source), os.fsencode(target), kind_bytes, ctypes.c_ulong(flags), data
    )
    checked(result, f"mount {kind or ''} on {target}")


def unmount(target: str) -> None:
    checked(libc.umount2(os.fsencode(target), DETACH), f"umount {target}")


def make_read_only(target: str) -> None:
    """A mount and all below it: read-only, no devices, no set-user-id programs."""
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", RDONLY | NOSUID | NODEV, 0, 0, 0))
    path = ctypes.c_char_p(os.fsencode(target))
    syscall("mount_setattr", SYS_MOUNT_SETATTR, -100, path, AT_RECURSIVE, attributes, 32)


def pivot_into(root: str) -> None:
    """Make a mount the root directory; nothing of the old one stays reachable."""
    os.chdir(root)
    here = ctypes.c_char_p(b".")
    syscall("pivot_root", number_of(SYS_PIVOT_ROOT), here, here)
    unmount(".")
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up every capability of this process for good."""
    header = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(24)
    syscall("capset", number_of(SYS_CAPSET), header, nothing)
