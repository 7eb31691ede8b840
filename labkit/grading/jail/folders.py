"""What a child may read: Python, its packages, the system's libraries.

Nothing of labkit, of this one or of another on the machine: no challenges, solutions, questions or
tests. All paths here are real ones, without symbolic links on the way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from labkit import paths

SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/share/fonts",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
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
PACKAGE_FOLDERS = ("site-packages", "dist-packages")
WORK = "/jail/work"  # the child's own, empty and gone with it


def asked_for() -> list[str]:
    """Files and folders that a child may read, as they are called here."""
    packages = [path for path in sys.path if os.path.basename(path) in PACKAGE_FOLDERS]
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    python = [f"{prefix}/{name}" for prefix in prefixes for name in LIBRARIES]
    # In some environments the modules are links to where they lie once for all.
    modules = [os.path.dirname(os.path.realpath(os.__file__))]
    return [path for path in (*SYSTEM, *python, *packages, *modules) if os.path.exists(path)]


@cache
def readable() -> tuple[str, ...]:
    """Where that lies, what another covers left out.

    Found once, by the zygote: in the jail there is less to see.
    """
    return tuple(outermost(map(os.path.realpath, asked_for()), hidden()))


@cache
def aliases() -> dict[str, str]:
    """Other names of what is readable, by symbolic links, with what they stand for."""
    real = {path: os.path.realpath(path) for path in asked_for()}
    return {path: there for path, there in real.items() if path != there}


@cache
def hidden() -> tuple[str, ...]:
    """Folders of which nothing is to be seen, but what readable() names in them: every labkit's."""
    roots = {str(paths.PACKAGE), str(paths.course_root())}
    for folder in importable():
        package = os.path.realpath(f"{folder}/labkit")
        if any(os.path.isdir(f"{package}/{name}") for name in ("challenges", "_course")):
            roots.add(package)
    for package in [root for root in roots if os.path.basename(root) == "labkit"]:
        if os.path.isfile(f"{os.path.dirname(package)}/pyproject.toml"):
            roots.add(os.path.dirname(package))  # a clone
    return tuple(sorted(roots))


def importable() -> Iterator[str]:
    """Every folder from which some Python that a child may read imports."""
    yield from (path for path in sys.path if path)
    for root in map(os.path.realpath, asked_for()):
        inside = [found for name in PACKAGE_FOLDERS for found in Path(root).glob(f"python*/{name}")]
        for folder in (Path(root), *inside):
            yield str(folder)
            yield from named_in_pth(folder)


def named_in_pth(folder: Path) -> Iterator[str]:
    """Folders that are imported from because a .pth file in this one says so."""
    for file in folder.glob("*.pth"):
        with suppress(OSError):
            lines = file.read_text("utf-8", "replace").splitlines()
            yield from (str(folder / line.strip()) for line in lines if is_path(line))


def is_path(line: str) -> bool:
    """Whether a line of a .pth file names a folder."""
    return bool(line.strip()) and not line.startswith(("#", "import ", "import\t"))


def outermost(roots: Iterable[str], fences: Sequence[str] = ()) -> list[str]:
    """Paths in order, without those that another covers (unless a fence lies between)."""
    kept: list[str] = []
    for path in sorted(set(roots)):
        above = (root for root in kept if is_inside(path, root))
        if all(any(lies_between(fence, path, root) for fence in fences) for root in above):
            kept.append(path)
    return kept


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def lies_between(fence: str, path: str, root: str) -> bool:
    """Whether a fence below a root has this path in it."""
    return is_inside(path, fence) and is_inside(fence, root)


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
