"""Fills the environment with the locked packages, by pip or uv, and says how far it is.

The lock names every package, so nothing is resolved, and every file is compared with its hashes.
torch has several builds: which one it is decides whether gigabytes of CUDA come along. Standard
library only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.cli import machine
from labkit.cli.children import Children
from labkit.cli.hashes import Hashes
from labkit.cli.pins import Locked, Pins, closure, normalise, read_lock, split
from labkit.cli.screen import Screen, megabytes
from labkit.cli.trouble import SetupError, changed_file, disk_full, installer_failed, tail
from labkit.cli.venv_folder import CUDA_BYTES, PIP, Seen, VenvFolder
from labkit.whole_files import write_whole

RAW_PROGRESS = (24, 1)  # the first pip with `--progress-bar raw`


@dataclass(frozen=True)
class Found:
    """A torch that pip can have, e.g. "torch==2.13.0+cpu"."""

    pin: str
    brings_cuda: bool


class Installer:
    """One environment and what is to be in it."""

    def __init__(
        self,
        folder: Path,
        pins: Pins,
        hashes: Hashes,
        screen: Screen,
        handles: tuple[int, ...] = (),
    ) -> None:
        self.pins = pins
        self.hashes = hashes
        self.screen = screen
        self.children = Children(handles)
        self.venv = VenvFolder(folder, screen, self.children, pins.tool("pip"), hashes)
        self.uv = shutil.which("uv")
        self.seen = Seen(folder, {}, [])

    def fill(self, wanted: Sequence[str]) -> Path:
        """Install what the environment lacks of `wanted` and its needs; returns site-packages."""
        lines = locked_for(self.pins.lock, wanted)
        self.seen = self.venv.ensure([line.marker for line in lines])
        locked = [line for line, holds in zip(lines, self.seen.holds, strict=True) if holds]
        if missing := self.missing(locked):
            self.hashes.require(missing)
            self.update_pip()
            if "torch" in (split(pin)[0] for pin in missing):
                self.install_torch()
            self.install_exactly(self.missing(locked))
            if still := self.missing(locked):
                raise SetupError(f"These packages did not arrive: {', '.join(still)}. Start again.")
            self.import_once()
        return self.seen.site

    def missing(self, locked: Iterable[Locked]) -> list[str]:
        """The pins that the environment lacks, or has at another version; CUDA's packages only
        where the torch that is installed asks for them."""
        cuda = torch_needs_cuda(self.seen.site)
        versions = self.seen.versions
        return [
            line.pin
            for line in locked
            if versions.get(line.name) != line.version and (cuda or not line.for_cuda)
        ]

    def refresh(self) -> None:
        """After an installation."""
        self.seen = self.venv.ensure([])

    # ---- the steps -----------------------------------------------------------------------------

    def update_pip(self) -> None:
        """The pinned pip: its reports and its progress lines are the ones read here."""
        pin = self.pins.tool("pip")
        if self.seen.versions.get("pip") == split(pin)[1]:
            return
        self.screen.step("Getting the installer")
        self.add_tool(pin)
        self.refresh()

    def add_tool(self, pin: str) -> None:
        """A tool that the set-up works with, by pip."""
        (arguments,) = self.hashes.arguments(self.venv.path, [pin])
        answer = self.children.run([self.venv.python, *PIP, "install", "--no-compile", *arguments])
        if answer.returncode != 0:
            raise installer_failed(answer.stdout, self.venv.path)

    def install_torch(self) -> None:
        """torch first, in the build that suits this machine."""
        cpu = machine.wants_cpu_build()
        torch = next(pin for pin in self.pins.core if split(pin)[0] == "torch")
        self.screen.step(f"Installing {torch}" + (" (CPU build)" if cpu else ""))
        if self.uv and self.uv_torch(torch, cpu):
            return
        found = self.torch_from_pip(torch) if cpu else Found(torch, False)
        if found.brings_cuda:
            if not self.uv and self.fetch_uv() and self.uv_torch(torch, cpu):
                return
            self.announce_cuda()
        for arguments in self.hashes.arguments(self.venv.path, [found.pin]):
            self.pip(["install", *arguments], total=None)

    def announce_cuda(self) -> None:
        """No way to the CPU build: say what is coming, if there is room for it."""
        if machine.free_bytes(self.venv.path) < CUDA_BYTES:
            raise disk_full(self.venv.path, CUDA_BYTES)
        self.screen.step(
            "  No CPU build of torch can be had from here, so the CUDA build comes: about 3 GB to\n"
            "  download, 8 GB on disk. It runs on the CPU as well; a lesson takes about 1 GB more\n"
            "  memory then. Ctrl-C stops it."
        )

    def torch_from_pip(self, torch: str) -> Found:
        """The build that pip finds, read from its metadata: nothing is installed yet, and with
        hashes pip would fetch all of it to compare, and would take a build whose index tells its
        hash before one whose file has to be read."""
        report = self.venv.path / "torch-report.json"
        options = ["--dry-run", "--no-deps", "--ignore-installed", "--report", str(report)]
        answer = self.children.run([self.venv.python, *PIP, "install", *options, torch])
        if answer.returncode != 0:
            raise installer_failed(answer.stdout, self.venv.path)
        try:
            return in_report(json.loads(report.read_text(encoding="utf-8")))
        finally:
            report.unlink()

    def fetch_uv(self) -> bool:
        """uv knows where the CPU builds are; True if pip can bring it."""
        try:
            self.add_tool(self.pins.tool("uv"))
        except SetupError:
            return False
        self.uv = str(self.venv.python.with_name("uv.exe" if os.name == "nt" else "uv"))
        return True

    def uv_torch(self, torch: str, cpu: bool) -> bool:
        """Ask uv for the build that suits this machine; False if it can't be had that way.

        uv compares a build with hashes only where the build is named. Which one suits a GPU only
        uv can tell, and the lock has the hashes of one of them, the registry's: others come where
        the user has allowed a torch that is not compared, with what they need.
        """
        if self.hashes.allows_any(torch):
            backend = ["--torch-backend", "cpu" if cpu else "auto"]
            done = self.uv_pip(["install", *backend, *self.constraints(), torch])
        elif cpu:
            (arguments,) = self.hashes.arguments(self.venv.path, [f"{torch}+cpu"])
            done = self.uv_pip(["install", "--torch-backend", "cpu", *arguments])
        else:
            return False
        if not done:
            self.screen.done("  uv can't get it; pip is tried instead.")
        return done

    def install_exactly(self, missing: Sequence[str]) -> None:
        """Everything else, as locked, without resolving: by uv where it is, else by pip."""
        if not missing:
            return
        self.screen.step(f"Installing {len(missing)} packages")
        for arguments in self.hashes.arguments(self.venv.path, missing):
            command = ["install", *arguments]
            if not (self.uv and self.uv_pip(command, missing)):
                self.pip(command, total=len(missing), names=missing)

    def import_once(self) -> None:
        """Import what lessons use: proof that it works here, and its bytecode is kept for later.

        Only a part of the files is ever imported, so this is quicker than compiling them all.
        """
        modules = [name for name in self.pins.first_imports if self.has(name)]
        if not modules:
            return
        self.screen.step("Starting the packages for the first time")
        began = time.monotonic()

        def show(line: str) -> None:
            self.screen.status(f"  {time.monotonic() - began:.0f} s so far")

        program = "\n".join(f"import {name}" for name in modules)
        code, output = self.children.watch([self.venv.python, "-I", "-c", program], show)
        if code != 0:
            self.screen.done("  failed")
            raise SetupError(
                f"The packages are installed, but do not start on this machine:\n{tail(output)}"
            )
        self.screen.done(f"  done in {time.monotonic() - began:.0f} s")

    def has(self, module: str) -> bool:
        """True if the package of this module is in the environment."""
        return (self.seen.site / module.partition(".")[0]).is_dir()

    # ---- pip and uv ----------------------------------------------------------------------------

    def constraints(self) -> list[str]:
        """The lock as pip and uv read it."""
        path = self.venv.path / "constraints.txt"
        write_whole(path, self.pins.lock)
        return ["--constraint", str(path)]

    def pip(self, arguments: Sequence[str], total: int | None, names: Iterable[str] = ()) -> None:
        """Run pip with its progress on our screen; a SetupError says why it failed."""
        progress = PipProgress(total)
        expected = {split(name)[0] for name in names}

        def show(line: str) -> None:
            progress.read(line)
            arrived = self.count_installed(expected) if progress.installing and expected else None
            self.screen.status(progress.text(arrived))

        bar = "raw" if numbers(self.seen.versions["pip"]) >= RAW_PROGRESS else "off"
        options = ["--no-compile", "--progress-bar", bar, "--disable-pip-version-check"]
        command = [self.venv.python, *PIP, *arguments, *options]
        code, output = self.children.watch(command, show)
        if code != 0:
            self.screen.done("  failed")
            raise installer_failed(output, self.venv.path)
        seconds = time.monotonic() - progress.began
        self.screen.done(f"  done in {seconds:.0f} s, {megabytes(progress.downloaded)} downloaded")
        self.refresh()

    def uv_pip(self, arguments: Sequence[str], names: Iterable[str] = ()) -> bool:
        """Run `uv pip` with its last line and the count of packages on our screen."""
        began = time.monotonic()
        expected = {split(name)[0] for name in names}
        last = ["uv"]

        def show(line: str) -> None:
            if line.strip() and not line.startswith((" +", " -", " ~")):
                last[0] = line.strip()
            count = f"{self.count_installed(expected)} of {len(expected)}  " if expected else ""
            self.screen.status(f"  {count}{last[0]}")

        command = [str(self.uv), "pip", *arguments, "--python", str(self.venv.python)]
        code, output = self.children.watch(command, show)
        if code == 0:
            self.screen.done(f"  done in {time.monotonic() - began:.0f} s with uv")
            self.refresh()
        elif changed := changed_file(output):
            self.screen.done("  failed")
            raise changed
        return code == 0

    def count_installed(self, names: set[str]) -> int:
        """How many of these have arrived in the environment."""
        folders = (path.name for path in self.seen.site.glob("*.dist-info"))
        return len(names & {normalise(folder.split("-")[0]) for folder in folders})


class PipProgress:
    """Reads pip's lines: which package it is at, and how many bytes have come."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.seen = 0
        self.name = ""
        self.file = (0, 0)
        self.finished_bytes = 0
        self.installing = False
        self.began = time.monotonic()

    @property
    def downloaded(self) -> int:
        return self.finished_bytes + self.file[0]

    def read(self, line: str) -> None:
        """Take in one line of pip's output."""
        if found := re.match(r"(?:Collecting|Processing) (\S+)", line):
            self.seen += 1
            self.name = package_name(found[1])
        elif found := re.match(r"Progress (\d+) of (\d+)", line):
            now = (int(found[1]), int(found[2]))
            if now[0] < self.file[0] or now[1] != self.file[1]:
                self.finished_bytes += self.file[0]
            self.file = now
        elif line.startswith("Installing collected packages"):
            self.installing = True

    def text(self, arrived: int | None = None) -> str:
        """The status line."""
        count = f" of {self.total}" if self.total else ""
        if self.installing and arrived is None:
            return f"  unpacking ({time.monotonic() - self.began:.0f} s so far)"
        if self.installing:
            return f"  unpacking {arrived}{count}"
        at, size = self.file
        part = f"  {megabytes(at)} of {megabytes(size)}" if at < size else ""
        so_far = megabytes(self.downloaded)
        return f"  fetching {self.seen}{count}  {self.name}{part}  ({so_far} so far)"


def package_name(word: str) -> str:
    """`"torch==2.13.0"` or `"/a/folder/torch-2.13.0+cpu-cp311.whl"` → "torch"."""
    return re.split(r"[=<>~!(;\[]|-\d", word.rpartition("/")[2])[0]


def locked_for(lock: str, wanted: Sequence[str]) -> tuple[Locked, ...]:
    """The lines of the lock that `wanted` needs."""
    lines = closure(read_lock(lock), wanted)
    pins = {(line.name, line.version) for line in lines}
    if uncovered := [pin for pin in wanted if split(pin) not in pins]:
        raise SetupError(
            f"constraints.txt does not lock {', '.join(uncovered)} as pyproject.toml asks.\n"
            "Its first lines say how to renew it."
        )
    return lines


def in_report(report: dict[str, Any]) -> Found:
    """The one package of pip's report on an installation."""
    (item,) = report["install"]
    about = item["metadata"]
    pin = f"{about['name']}=={about['version']}"
    return Found(pin, brings_cuda(about.get("requires_dist", [])))


def brings_cuda(needs: Iterable[str]) -> bool:
    """True if a torch that requires this asks for CUDA packages."""
    return any(re.match(r"(nvidia|cuda)-", need) and "extra ==" not in need for need in needs)


def torch_needs_cuda(site: Path) -> bool:
    """True if the torch in site-packages asks for the CUDA packages of the lock. Those of another
    CUDA, which a build such as 2.13.0+cu126 needs, came with it."""
    for info in site.glob("torch-*.dist-info"):
        lines = (info / "METADATA").read_text(encoding="utf-8").splitlines()
        needs = [line.removeprefix("Requires-Dist: ") for line in lines]
        return "+" not in info.name and brings_cuda(needs)
    return False


def numbers(version: str) -> tuple[int, ...]:
    """`"26.3"` → (26, 3)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
