"""What this machine has: cores, memory, disk, NVIDIA GPUs. Standard library only."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from labkit.cli.writable import nearest_existing
from labkit.sharing import processors


def nvidia_gpus() -> list[str]:
    """The names of the NVIDIA GPUs, as `nvidia-smi` gives them; [] without one."""
    tool = shutil.which("nvidia-smi") or "/usr/lib/wsl/lib/nvidia-smi"
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []


def wants_cpu_build() -> bool:
    """True where a CUDA build of torch would only cost gigabytes: Linux without an NVIDIA GPU."""
    if not sys.platform.startswith("linux"):
        return False
    return os.environ.get("LABKIT_DEVICE", "") == "cpu" or not nvidia_gpus()


def cores() -> int:
    """CPU cores that this process may use."""
    return len(processors())


def memory_bytes() -> int | None:
    """Physical memory, or None where only other packages could tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _windows_memory() if sys.platform == "win32" else None


def free_bytes(folder: Path) -> int:
    """Free room on the disk that holds the folder, or will hold it."""
    return shutil.disk_usage(nearest_existing(folder)).free


def description() -> str:
    """Operating system and processor, e.g. "Linux 6.1 on x86_64"."""
    return f"{platform.system()} {platform.release()} on {platform.machine()}"


def instructions() -> frozenset[str]:
    """What the processor can do, as Linux names it ("avx2"); empty where that is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return next(
        (frozenset(line.split()) for line in lines if line.startswith("flags")), frozenset()
    )


def _windows_memory() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in (
                "total",
                "free",
                "page",
                "page_free",
                "virtual",
                "virtual_free",
                "extended",
            )
        ]

    status = Status()
    status.length = ctypes.sizeof(Status)
    asked = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.total) if asked else None
