"""What a child may read: Python, its packages, the system's libraries, and labkit's own tools.

Never the challenges, solutions, questions or tests, wherever labkit is installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from labkit import paths

SYSTEM = (
    "/usr",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PROC = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat")
LIBRARIES = ("lib", "lib64")  # beside them may lie settings of pip or Jupyter, with passwords
FOR_LEARNERS = ("__init__.py", "paths.py", "instruments", "models")
PACKAGE_FOLDERS = ("site-packages", "dist-packages")
WORK = "/jail/work"  # the child's own, empty and gone with it


@cache
def readable() -> tuple[str, ...]:
    """Files and folders that a child may read, those that lie in another left out.

    Found once, by the zygote: in the jail there is less to see.
    """
    packages = [path for path in sys.path if os.path.basename(path) in PACKAGE_FOLDERS]
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    python = [f"{prefix}/{name}" for prefix in prefixes for name in LIBRARIES] + packages
    ours = [str(paths.PACKAGE / name) for name in FOR_LEARNERS]
    real = [os.path.realpath(path) for path in python]
    return (*outermost([*SYSTEM, *python, *real], hidden()), *ours)


def hidden() -> list[str]:
    """Folders of which nothing is to be seen but what readable() names: labkit's own."""
    roots = {str(paths.PACKAGE), str(paths.course_root())}
    if paths.in_checkout():
        roots.add(str(paths.PACKAGE.parent))
    return sorted(roots)


def outermost(roots: Iterable[str], fences: Iterable[str]) -> list[str]:
    """Existing paths in order, without those that another covers (unless a fence lies between)."""
    kept: list[str] = []
    for path in sorted({str(Path(root)) for root in roots if os.path.exists(root)}):
        above = [root for root in kept if is_inside(path, root)]
        fenced = any(is_inside(path, fence) for fence in fences)
        if not above or fenced:
            kept.append(path)
    return kept


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def around(root: str, holes: Iterable[str]) -> tuple[list[str], list[str]]:
    """A folder without its holes: the paths that make it up, and the folders that were opened up.

    For Landlock, whose rules can't be taken back further down.
    """
    inside = [hole for hole in holes if is_inside(hole, root)]
    if not inside:
        return [root], []
    if root in inside or not os.path.isdir(root) or os.path.islink(root):
        return [], []
    whole: list[str] = []
    opened = [root]
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        below, further = around(entry.path, inside)
        whole += below
        opened += further
    return whole, opened
