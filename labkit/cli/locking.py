"""Makes requirements.lock: the pins of constraints.txt and the set-up's own tools, each with the
sha256 of every file that the package registry lists for it, whatever system or Python it is for.

torch's CPU builds lie in an index of their own, which only uv knows; their hashes stand with those
of torch. Where that index is out of reach, those that the lock has for this torch stay. Standard
library only.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from labkit.cli.hashes import LOCK_FILE, of_checkout, read_hashes
from labkit.cli.pins import Pins, read_lock, split
from labkit.cli.trouble import SetupError, tail
from labkit.whole_files import write_whole

HEADER = """\
# Made from constraints.txt by `python3 -m labkit environment --lock`: every file of every package,
# as `pip install --require-hashes` reads it. The set-up installs nothing that has no hash here.
"""
OLDEST = "3.11"  # what older Pythons need is left out
COMPILE = ("pip", "compile", "--no-deps", "--generate-hashes", "--no-header", "--no-annotate")


def write_lock(root: Path, pins: Pins, venv: Path) -> str:
    """Write requirements.lock of the checkout at `root`; returns what came of it, in words."""
    uv = find_uv(venv, pins)
    wanted = wanted_lines(pins)
    found = read_hashes(compiled(uv, wanted, ["--universal", "--python-version", OLDEST]))
    torch = next((split(pin) for pin in pins.core if split(pin)[0] == "torch"), None)
    said = ""
    if torch:
        builds = cpu_builds(uv, torch[1])
        kept = () if builds else of_checkout(root).of("==".join(torch))
        found[torch] = tuple(sorted({*found[torch], *builds, *kept}))
        if not builds:
            said = " The index of torch's CPU builds is out of reach: " + (
                "their hashes stay as they were." if kept else "their hashes are not in it."
            )
    write_whole(root / LOCK_FILE, HEADER + "".join(entry(line, found) for line in wanted))
    count = sum(map(len, found.values()))
    return f"{LOCK_FILE} has {count} hashes of {len(found)} packages.{said}"


def find_uv(venv: Path, pins: Pins) -> str:
    """The uv of this machine, or of the environment."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(venv / "bin"))
    if uv is None:
        raise SetupError(f"The lock is made by uv:  python3 -m pip install {pins.tool('uv')}")
    return uv


def wanted_lines(pins: Pins) -> list[str]:
    """The pins of constraints.txt, with their markers, and the tools."""
    locked = [
        f"{line.pin} ; {line.marker}" if line.marker else line.pin for line in read_lock(pins.lock)
    ]
    return sorted([*locked, *pins.tools])


def compiled(uv: str, lines: Sequence[str], options: Sequence[str]) -> str:
    """The same requirements with their hashes, by `uv pip compile`."""
    command = [uv, *COMPILE, *options, "-"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True)
    if done.returncode != 0:
        raise SetupError(f"uv could not find the files of all packages:\n{tail(done.stderr)}")
    return done.stdout


def cpu_builds(uv: str, version: str) -> tuple[str, ...]:
    """The hashes of torch's CPU builds; none where their index can't be reached."""
    platform = ["--python-platform", "x86_64-manylinux_2_28", "--torch-backend", "cpu"]
    try:
        text = compiled(uv, [f"torch=={version}+cpu"], platform)
    except SetupError:
        return ()
    return read_hashes(text)["torch", f"{version}+cpu"]


def entry(line: str, found: dict[tuple[str, str], tuple[str, ...]]) -> str:
    """A package in the lock: its requirement, and a line for each hash."""
    hashes = (f"    --hash=sha256:{one}" for one in found[split(line.partition(" ;")[0])])
    return " \\\n".join([line, *hashes]) + "\n"
