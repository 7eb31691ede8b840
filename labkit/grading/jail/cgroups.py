"""cgroup v2: one child's memory and processes counted by the kernel as one, where we may divide.

What limits of a process can't say: memory that a file in the work folder or a pipe takes counts,
and where it ends the kernel ends this child. A group with processes in it can't be divided, but for
the root group: so this serves where the grader runs in that, as in a small virtual machine. No
process is ever moved out of the way for it.
See https://docs.kernel.org/admin-guide/cgroup-v2.html.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

CONTROLLERS = ("memory", "pids")
BESIDE = 512 << 20  # bytes for its copies of the zygote's pages, and what the kernel keeps for it


def own_folder() -> Path | None:
    """The folder of this process's group; None where there is no cgroup v2."""
    with suppress(OSError, StopIteration):
        groups = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
        inside = next(line for line in groups if line.startswith("0::")).removeprefix("0::/")
        mounts = Path("/proc/self/mounts").read_text("utf-8").splitlines()
        root = next(line.split()[1] for line in mounts if line.split()[2] == "cgroup2")
        return Path(root) / inside
    return None


def divisible(folder: Path | None) -> bool:
    """Whether groups with limits can be made in it, as far as can be told by looking."""
    if folder is None or not os.access(folder, os.W_OK):
        return False
    with suppress(OSError):
        return set(CONTROLLERS) <= set((folder / "cgroup.controllers").read_text().split())
    return False


class Groups:
    """A group for each child in one folder, which stays open: a jail has no way to it."""

    def __init__(self, folder: Path | None) -> None:
        if folder is None:
            raise OSError("there is no cgroup v2")
        self.name = f"labkit-{secrets.token_hex(4)}"
        self.folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        wanted = " ".join(f"+{name}" for name in CONTROLLERS)
        self.write("cgroup.subtree_control", wanted)  # EBUSY where processes are in it

    def make(self, number: int, limits: Mapping[str, float]) -> None:
        """The group of a child that is to be forked."""
        group = self.group(number)
        os.mkdir(group, dir_fd=self.folder)
        try:
            self.limit(group, limits)
        except OSError:
            self.remove(number)
            raise

    def limit(self, group: str, limits: Mapping[str, float]) -> None:
        """What the processes of a group may take together."""
        memory = (int(limits["memory_mb"] + 2 * limits["file_mb"]) << 20) + BESIDE
        self.write(f"{group}/memory.max", str(memory))
        self.write(f"{group}/pids.max", str(int(limits["processes"])))
        with suppress(OSError):  # where there is no swap there is no such file
            self.write(f"{group}/memory.swap.max", "0")

    def join(self, number: int) -> None:
        """This process into its group."""
        self.write(f"{self.group(number)}/cgroup.procs", "0")

    def remove(self, number: int) -> None:
        """A child's group after its end, with what may be left in it."""
        group = self.group(number)
        with suppress(OSError):
            self.write(f"{group}/cgroup.kill", "1")
        with suppress(OSError):
            os.rmdir(group, dir_fd=self.folder)

    def group(self, number: int) -> str:
        return f"{self.name}-{number}"

    def write(self, path: str, text: str) -> None:
        """One word to the kernel."""
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self.folder)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)
