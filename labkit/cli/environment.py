"""Make or repair the environment of the course, and nothing else.

Every other command does the same by itself before it starts. The environment lies in .venv beside
the course (or where LABKIT_VENV says); a stamp in it says that it is complete, so that the next
start need not check it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from labkit.cli.hashes import of_checkout
from labkit.cli.installing import Installer
from labkit.cli.locking import write_lock
from labkit.cli.pins import Pins, declared, normalise, unmet
from labkit.cli.screen import Screen
from labkit.cli.trouble import SetupError, not_writable
from labkit.cli.venv_folder import STAMP, python_in
from labkit.paths import PACKAGE, in_checkout
from labkit.whole_files import write_whole

BARE = True
ENTERED = "LABKIT_ENTERED"
FOR_KERNELS = ("PYTHONPATH", "PYTHONSTARTUP")
FOR_PYTHON = (*FOR_KERNELS, "PYTHONHOME", "PYTHONUSERBASE", "PYTHONINSPECT")
HELD = "LABKIT_HELD_"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to make and how thoroughly."""
    parser.add_argument("--test", action="store_true", help="with the tools that the tests need")
    parser.add_argument(
        "--repair", action="store_true", help="check every file, even if all seems well"
    )
    parser.add_argument(
        "--unverified",
        nargs="+",
        default=[],
        metavar="PACKAGE",
        help="install these without comparing them with their hashes in requirements.lock",
    )
    parser.add_argument(
        "--lock",
        action="store_true",
        help="write requirements.lock anew from constraints.txt, and make no environment",
    )


def main(args: argparse.Namespace) -> int:
    """Make or repair the environment and say where it is, or write the lock."""
    if not in_checkout():
        raise SetupError(
            "labkit is installed in this Python, so there is no environment of its own to make.\n"
            "`labkit doctor` compares what is installed with what the course was tested with."
        )
    if args.lock:
        print(write_lock(PACKAGE.parent, declared(), venv_dir()))
        return 0
    unverified = map(normalise, args.unverified)
    python = prepare({"test"} if args.test else set(), args.repair, unverified)
    print(f"Python of the course: {python}")
    return 0


def enter(words: list[str], extra: str | None = None) -> None:
    """Return if this interpreter can run the course; else run `words` in one that can."""
    restore_settings()
    extras = {extra} if extra else set()
    if can_run_here(declared(), extras):
        return
    if not in_checkout():
        raise SetupError(lacking(declared(), extras))
    if os.environ.get(ENTERED) == str(os.getpid()):
        raise SetupError(f"{venv_dir()} was made but does not work. Remove it and start again.")
    continue_in(prepare(extras), words)


def can_run_here(pins: Pins, extras: set[str]) -> bool:
    """True if the running interpreter has what is needed: our environment, or as good a one."""
    if in_checkout() and inside(venv_dir()):
        return stamped(venv_dir(), pins, extras)
    faults = unmet(pins.wanted(extras))
    # Whoever installed the wheel chose the versions; only a missing package stops the course.
    return not faults if in_checkout() else None not in faults.values()


def lacking(pins: Pins, extras: set[str]) -> str:
    """What an installed labkit says when its Python lacks packages."""
    names = [pin for pin, found in unmet(pins.wanted(extras)).items() if found is None]
    return (
        f"This Python ({sys.executable}) lacks {', '.join(names)}.\n"
        f"Install with:  {sys.executable} -m pip install {' '.join(names)}"
    )


def venv_dir() -> Path:
    """Where the environment is or will be."""
    named = os.environ.get("LABKIT_VENV")
    return Path(named).expanduser().absolute() if named else PACKAGE.parent / ".venv"


def inside(folder: Path) -> bool:
    """True if the running interpreter is the one of this environment."""
    return Path(sys.prefix).resolve() == folder.resolve()


def stamped(folder: Path, pins: Pins, extras: set[str]) -> bool:
    """True if the environment was finished with these very pins and these extras."""
    stamp = read_stamp(folder)
    return (
        python_in(folder).exists()
        and stamp.get("pins") == pins.fingerprint(python_version(folder))
        and extras <= set(stamp.get("extras", ()))
    )


def prepare(extras: set[str], repair: bool = False, unverified: Iterable[str] = ()) -> Path:
    """Make sure that the environment is complete; returns its interpreter."""
    folder, pins = venv_dir(), declared()
    if stamped(folder, pins, extras) and not repair:
        return python_in(folder)
    screen = Screen()
    began = time.monotonic()
    with one_at_a_time(folder, screen) as handle:
        if stamped(folder, pins, extras) and not repair:
            return python_in(folder)
        extras = extras | set(read_stamp(folder).get("extras", ()))
        hashes = of_checkout(PACKAGE.parent, unverified)
        site = Installer(folder, pins, hashes, screen, handle).fill(pins.wanted(extras))
        link_checkout(site, folder)
        write_stamp(folder, pins, extras)
    screen.step(f"The environment is ready ({time.monotonic() - began:.0f} s).")
    return python_in(folder)


def link_checkout(site: Path, folder: Path) -> None:
    """A .pth file, so that kernels and scripts of the environment find labkit from any folder.

    The path is relative where it can be: the checkout may be moved.
    """
    root = PACKAGE.parent
    text = os.path.relpath(root, site) if folder.is_relative_to(root) else str(root)
    write_whole(site / "labkit.pth", text + "\n")


def read_stamp(folder: Path) -> dict[str, Any]:
    """What is known of the environment; {} for none, an unfinished or an unreadable one."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(folder: Path, pins: Pins, extras: set[str]) -> None:
    """The last step of a set-up; the stamp is complete or not there."""
    stamp = {"pins": pins.fingerprint(python_version(folder)), "extras": sorted(extras)}
    write_whole(folder / STAMP, json.dumps(stamp))


def python_version(folder: Path) -> str:
    """The Python of an environment, "3.11", read from its pyvenv.cfg."""
    try:
        lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    settings = dict(line.replace(" ", "").partition("=")[::2] for line in lines)
    version = settings.get("version") or settings.get("version_info") or ""
    return ".".join(version.split(".")[:2])


@contextlib.contextmanager
def one_at_a_time(folder: Path, screen: Screen) -> Iterator[tuple[int, ...]]:
    """One set-up at a time. The lock dies with its last holder, an orphaned pip among them."""
    path = folder.with_name(f"{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise not_writable(folder, error) from error
    with file:
        if not try_lock(file.fileno()):
            screen.step("Another set-up is at work on this environment; waiting for it.")
            while not try_lock(file.fileno()):
                time.sleep(0.5)
        yield () if sys.platform == "win32" else (file.fileno(),)  # no child there can hold it


def try_lock(handle: int) -> bool:
    """Whether the open file is locked for this process from now on; False where another has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # as POSIX says it, and as Windows does
        return False
    return True


def continue_in(python: Path, words: list[str]) -> None:
    """Run the same command with another interpreter, in place of this process where that exists.

    Nothing is imported from the current folder there, nor from where PYTHONPATH says.
    """
    command = [str(python), "-P", str(PACKAGE / "__main__.py"), *words]
    hide_settings()
    # Without kept bytecode torch and transformers are compiled at every start: half a minute.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.environ[ENTERED] = str(os.getpid())  # exec keeps the process id
    os.execv(command[0], command)


def hide_settings() -> None:
    """Remove the variables that would make an interpreter run other people's files."""
    for name in FOR_PYTHON:
        value = os.environ.pop(name, None)
        if value and name in FOR_KERNELS:
            os.environ[HELD + name] = value


def restore_settings() -> None:
    """Restore the learner's own settings for their kernels: this process started without them."""
    for name in FOR_KERNELS:
        value = os.environ.pop(HELD + name, None)
        if value:
            os.environ.setdefault(name, value)
