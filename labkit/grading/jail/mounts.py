"""A root directory of its own: only what a child may read is in it, and none of it can be written.

Built once, for the zygote; each child then gets a copy with an empty work folder and its own /proc.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.grading.jail import linux
from labkit.grading.jail.folders import (
    DEVICES,
    WORK,
    aliases,
    hidden,
    is_inside,
    outermost,
    readable,
)

MAX_FILES = 2_000
OURS = linux.NOSUID | linux.NODEV


@dataclass(frozen=True)
class Source:
    """A file or folder to show, held open before anything is mounted over it."""

    path: str
    descriptor: int

    def is_folder(self) -> bool:
        return stat.S_ISDIR(os.fstat(self.descriptor).st_mode)


def enter_new_root() -> None:
    """Move this process (in a mount namespace of its own) into a root made for children."""
    linux.mount("none", "/", None, linux.REC | linux.PRIVATE)
    root, sources, links = (
        tempfile.gettempdir(),
        opened([*readable(), *DEVICES, "/proc"]),
        aliases(),
    )
    linux.mount("tmpfs", root, "tmpfs", OURS, "size=1m,mode=0755")
    covered = [hole for source in sources for hole in show(root, source)]
    for path, there in sorted(links.items()):
        link(root + path, there)
    for hole in covered:
        linux.mount("none", root + hole, None, linux.REMOUNT | linux.BIND | linux.RDONLY | OURS)
    for source in sources:
        os.close(source.descriptor)
    os.makedirs(root + WORK)
    if not os.path.lexists(root + "/tmp"):
        os.symlink(WORK, root + "/tmp")
    linux.pivot_into(root)
    linux.mount("none", "/", None, linux.REMOUNT | linux.BIND | linux.RDONLY | OURS)


def opened(wanted: Iterable[str]) -> list[Source]:
    """All that is there of these, folders before what lies in them."""
    return [
        Source(path, os.open(path, os.O_PATH | os.O_CLOEXEC))
        for path in sorted(set(wanted))
        if os.path.exists(path)
    ]


def show(root: str, source: Source) -> list[str]:
    """Put a file or folder in the new root, at its own place; the holes covered up in it."""
    target = root + source.path
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(target):
        os.mkdir(target) if source.is_folder() else Path(target).touch()
    flags = linux.BIND | linux.REC
    linux.mount(f"/proc/self/fd/{source.descriptor}", target, None, flags)
    if source.path in (*DEVICES, "/proc"):
        return []
    linux.make_read_only(target)
    return cover(root, source.path)


def cover(root: str, path: str) -> list[str]:
    """Hide labkit's own folders where they lie in a folder that has just been shown.

    One that lies in another is hidden with that: in the empty folder over it there is no place.
    """
    holes = [hole for hole in hidden() if is_inside(hole, path) and hole != path]
    holes = [hole for hole in outermost(holes) if os.path.isdir(root + hole)]
    for hole in holes:
        linux.mount("tmpfs", root + hole, "tmpfs", OURS, "size=1m,mode=0755")
    return holes


def link(name: str, there: str) -> None:
    """Another name for what is shown, unless it is there with the folder around it."""
    if not os.path.lexists(name):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(there, name)


def own_folders(owner: int, group: int, megabytes: int) -> None:
    """In the child's own mount namespace: an empty work folder, and its own /proc."""
    quiet = OURS | linux.NOEXEC
    options = f"size={megabytes}m,nr_inodes={MAX_FILES},mode=0700,uid={owner},gid={group}"
    linux.mount("tmpfs", WORK, "tmpfs", quiet, options)
    try:
        linux.mount("proc", "/proc", "proc", quiet)  # the child still has its user map to write
    except OSError:  # where /proc is not whole (in some containers) none may be mounted anew
        linux.mount("tmpfs", "/proc", "tmpfs", quiet | linux.RDONLY, "size=4k")
