"""What to tell somebody whose set-up failed: the cause in one line, and a way on.

Reads what pip or uv printed. Standard library only.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from labkit.cli.writable import better_place, nearest_existing

DISK_FULL = re.compile(
    r"No space left on device|Errno 28|os error 28|not enough space on the disk", re.I
)
UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|NameResolutionError|name resolution|ProxyError|"
    r"Connection refused|Connection reset|Network is unreachable|SSLError|CERTIFICATE_VERIFY|"
    r"HTTP error|client error|error sending request|dns error|Failed to fetch|timed out",
    re.I,
)
NO_FILE = re.compile(
    r"No matching distribution found for (\S+)|there are no versions of (\S+)", re.I
)
CHANGED = re.compile(
    r"DO NOT MATCH THE HASHES.*\n\s+(?P<pip>\S+ from \S+)|Hash mismatch for `(?P<uv>[^`]+)`", re.I
)
KEPT = "What has been done so far is kept; the same command goes on from there."


class SetupError(Exception):
    """The environment can't be made; the message says why and what to do next."""


def disk_full(folder: Path, needed: int | None = None) -> SetupError:
    """Not enough room for the environment."""
    free = shutil.disk_usage(nearest_existing(folder)).free
    asked = f" and about {needed / 1e9:.1f} GB are needed" if needed else ""
    return SetupError(
        f"The disk is full: {free / 1e9:.1f} GB are free at {folder.parent}{asked}.\n"
        "Free some room (`python3 -m pip cache purge` often gives back gigabytes), or put the\n"
        f"environment on another disk:  LABKIT_VENV=/path/on/it python3 -m labkit lab\n{KEPT}"
    )


def not_writable(folder: Path, error: OSError) -> SetupError:
    """The checkout, or the folder that was named for the environment, can't be written to."""
    other = shlex.quote(str(better_place("labkit-venv")))
    return SetupError(
        f"The environment can't be made at {folder}: {error.strerror or error}.\n"
        "Copy the course to a folder of yours, or name another place for the environment:\n"
        f"  LABKIT_VENV={other} python3 -m labkit lab"
    )


def unhashed(pins: Sequence[str]) -> SetupError:
    """Nothing is known of these packages' files."""
    names = " ".join(pin.partition("==")[0] for pin in pins)
    return SetupError(
        f"requirements.lock has no hash of {', '.join(pins)}, so what comes can't be compared.\n"
        "If constraints.txt was changed:  python3 -m labkit environment --lock\n"
        f"To take them as they come:  python3 -m labkit environment --unverified {names}"
    )


def changed_file(output: str) -> SetupError | None:
    """pip or uv fetched a file that is not one of those in the lock; None if that is not it."""
    found = CHANGED.search(output)
    if found is None:
        return None
    file = found["pip"] or found["uv"]
    name = re.split(r"[=\s]", file)[0]
    return SetupError(
        f"This is not a file that the course was tested with, and it was not installed:\n  {file}\n"
        "Its sha256 is not in requirements.lock. Somebody may have changed it, or the registry\n"
        "that your pip is set to builds its own: `python3 -m pip config list` shows where it\n"
        "looks. If you know the file and trust it:\n"
        f"  python3 -m labkit environment --unverified {name}\n{KEPT}"
    )


def installer_failed(output: str, folder: Path) -> SetupError:
    """pip or uv gave up: name the cause that its output shows."""
    if changed := changed_file(output):
        return changed
    if DISK_FULL.search(output):
        return disk_full(folder)
    if line := first_line(UNREACHABLE, output):
        return SetupError(
            f"The package registry can't be reached:\n  {without_noise(line)}\n"
            "Look at your connection, VPN or proxy. pip's own settings hold here too: `python3 -m\n"
            f"pip config list` shows them, HTTPS_PROXY and PIP_INDEX_URL change them.\n{KEPT}"
        )
    if line := first_line(NO_FILE, output):
        return SetupError(
            f"No file that fits this machine and this Python was found:\n  {line}\n"
            "The course is for Python 3.11 to 3.14 on Linux (x86-64, ARM), macOS (ARM), Windows.\n"
            f"With another Python among these: remove {folder} and start again with it.\n"
            "If this one is among them, the package registry may be out of reach: try again later."
        )
    return SetupError(
        f"The packages could not be installed. The installer's last words:\n{tail(output)}\n{KEPT}"
    )


def first_line(pattern: re.Pattern[str], output: str) -> str | None:
    """The first line of the output that shows this trouble, cut to a readable length."""
    lines = (line.strip() for line in output.splitlines() if pattern.search(line))
    return next((line[:300] for line in lines), None)


def without_noise(line: str) -> str:
    """pip's warning less its counters and addresses of objects."""
    line = re.sub(r"^WARNING: Retrying \(.*\) after connection broken by ", "", line)
    return re.sub(r"<\S+ object at \w+>: ", "", line).strip("'\": ")


def tail(output: str, lines: int = 12) -> str:
    """The last lines, indented."""
    return "\n".join(f"  {line}" for line in output.strip().splitlines()[-lines:])
