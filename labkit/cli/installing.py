"""Fills a virtual environment with the locked packages, by pip or uv, and says how far it is.

The lock names every package, so nothing is resolved but torch: its builds (CPU or CUDA) differ in
what they need. A half-installed package, left by a set-up that was cut off, is found by its RECORD
and installed again. Standard library only.
"""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from labkit.cli import machine
from labkit.cli.pins import Locked, Pins, closure, normalise, read_lock, split
from labkit.cli.screen import Screen, megabytes
from labkit.cli.trouble import SetupError, disk_full, installer_failed, not_writable, tail

CPU_BYTES = 2_500_000_000  # the whole environment, test tools too, and what the download needs
CUDA_BYTES = 9_000_000_000
STAMP = "labkit.json"
RAW_PROGRESS = (24, 1)  # the first pip with `--progress-bar raw`

# Run by the environment's own Python. Prints what is whole, and where packages go. What a cut-off
# installation left half done is forgotten (its .dist-info removed), so that it is installed again.
INSPECT = """
import json, shutil, sysconfig
from importlib.metadata import distributions

def whole(dist):
    files = dist.files
    if not files or dist.read_text("INSTALLER") is None:
        return False
    try:
        return all(f.size is None or f.locate().stat().st_size == f.size for f in files)
    except OSError:
        return False

site = sysconfig.get_path("purelib")
found = {}
for dist in list(distributions(path=[site])):
    folder = dist._path
    if whole(dist):
        found[dist.metadata["Name"]] = dist.version
    elif folder.name.endswith(".dist-info"):
        shutil.rmtree(folder, ignore_errors=True)
print(json.dumps({"site": site, "found": found}))
"""
# The lock speaks of every platform; pip's own copy of `packaging` says which lines apply here.
MARKERS = """
import json, sys
from pip._vendor.packaging.markers import Marker
print(json.dumps([not marker or Marker(marker).evaluate() for marker in json.load(sys.stdin)]))
"""


class Installer:
    """One environment folder and what is to be in it."""

    def __init__(self, folder: Path, pins: Pins, screen: Screen) -> None:
        self.folder = folder
        self.pins = pins
        self.screen = screen
        self.site = folder
        self.uv = shutil.which("uv")
        self.handles: tuple[int, ...] = ()  # open files a child keeps too: the set-up lock

    @property
    def python(self) -> Path:
        return python_in(self.folder)

    def fill(self, wanted: Sequence[str]) -> None:
        """Make the environment if need be and install what it lacks of `wanted` and its needs."""
        if not self.sound():
            self.make()
        locked = self.applicable(self.locked_for(wanted))
        missing = self.missing(locked)
        if not missing:
            return
        self.update_pip()
        if "torch" in (split(pin)[0] for pin in missing):
            self.install_torch()
            missing = self.missing(locked)
        self.install_exactly(missing)
        self.start_once()
        if still := self.missing(locked):
            raise SetupError(f"These packages did not arrive: {', '.join(still)}. Start again.")

    # ---- the folder ----------------------------------------------------------------------------

    def sound(self) -> bool:
        """True if the environment's Python runs and has pip."""
        if not self.python.exists():
            return False
        return self.quietly([self.python, "-m", "pip", "--version"]).returncode == 0

    def make(self) -> None:
        """Make the environment anew; only a folder that is ours is removed first."""
        stamp = self.folder / STAMP
        try:
            if self.folder.exists() and not stamp.exists() and any(self.folder.iterdir()):
                self.give_pip_to_a_strangers_folder()
                return
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            stamp.write_text("{}", encoding="utf-8")
        except OSError as error:
            raise not_writable(self.folder, error) from error
        self.check_room()
        self.screen.step(f"Making the environment in {self.folder}")
        self.create()

    def give_pip_to_a_strangers_folder(self) -> None:
        """An environment that labkit did not make is never removed; it may lack only pip."""
        if not (self.python.exists() and self.bring_pip()):
            raise SetupError(
                f"{self.folder} is there, but it is not an environment that works, and labkit did\n"
                "not make it. Rename or remove it, then run the same command again."
            )

    def check_room(self) -> None:
        """Refuse early what would fail after minutes."""
        needed = CPU_BYTES if machine.wants_cpu_build() or sys.platform == "darwin" else CUDA_BYTES
        if machine.free_bytes(self.folder) < needed:
            raise disk_full(self.folder, needed)

    def create(self) -> None:
        """`python -m venv`; where Debian left out ensurepip, pip comes another way."""
        made = self.quietly([sys.executable, "-m", "venv", self.folder])
        if made.returncode == 0:
            return
        if "No space left" in made.stdout:
            raise disk_full(self.folder)
        bare = self.quietly([sys.executable, "-m", "venv", "--without-pip", self.folder])
        if bare.returncode != 0 and self.uv:
            bare = self.quietly(
                [self.uv, "venv", "--allow-existing", "-p", sys.executable, self.folder]
            )
        if bare.returncode == 0 and self.bring_pip():
            return
        minor = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(
            f"This Python ({sys.executable}) can't make virtual environments:\n"
            f"{made.stdout.strip()}\n"
            "On Debian and Ubuntu the module comes with:  "
            f"sudo apt install python3-venv   (or python{minor}-venv)\n"
            "Then run the same command again. With uv on PATH it works without."
        )

    def bring_pip(self) -> bool:
        """Give the environment a pip, from whatever this machine has one from."""
        tool = next(pin for pin in self.pins.tools if pin.startswith("pip=="))
        ways: list[list[str | Path]] = [
            [self.python, "-m", "ensurepip", "--default-pip"],
            [sys.executable, "-m", "pip", "--python", self.python, "install", tool],
        ]
        if self.uv:
            ways.append([self.uv, "pip", "install", "--python", self.python, tool])
        return any(self.quietly(way).returncode == 0 and self.sound() for way in ways)

    # ---- what is there and what is missing -----------------------------------------------------

    def locked_for(self, wanted: Sequence[str]) -> tuple[Locked, ...]:
        """The lines of the lock that `wanted` needs."""
        lines = closure(read_lock(self.pins.lock), wanted)
        pins = {split(line.pin) for line in lines}
        if uncovered := [pin for pin in wanted if split(pin) not in pins]:
            raise SetupError(
                f"constraints.txt does not lock {', '.join(uncovered)} as pyproject.toml asks.\n"
                "Its first lines say how to renew it."
            )
        return lines

    def applicable(self, lines: tuple[Locked, ...]) -> dict[str, str]:
        """Name → version of the lines that are for this machine."""
        asked = json.dumps([line.marker for line in lines])
        answer = self.quietly([self.python, "-I", "-c", MARKERS], asked)
        if answer.returncode != 0:
            raise SetupError(
                f"The environment's pip is damaged. Remove {self.folder} and start again."
            )
        applies = json.loads(answer.stdout)
        return dict(split(line.pin) for line, here in zip(lines, applies, strict=True) if here)

    def missing(self, locked: dict[str, str]) -> list[str]:
        """The pins that the environment lacks or has at another version or only half."""
        answer = self.quietly([self.python, "-I", "-c", INSPECT])
        if answer.returncode != 0:
            raise SetupError(f"The environment can't be read:\n{answer.stdout}")
        seen = json.loads(answer.stdout.splitlines()[-1])
        self.site = Path(seen["site"])
        found = {
            normalise(name): version.partition("+")[0] for name, version in seen["found"].items()
        }
        return [
            f"{name}=={version}" for name, version in locked.items() if found.get(name) != version
        ]

    # ---- installing ----------------------------------------------------------------------------

    def update_pip(self) -> None:
        """The pinned pip: its reports and its progress lines are the ones read here."""
        pin = next(pin for pin in self.pins.tools if pin.startswith("pip=="))
        if self.pip_version() == numbers(split(pin)[1]):
            return
        self.screen.step("Getting the installer")
        answer = self.quietly([self.python, "-m", "pip", "install", "--no-compile", pin])
        if answer.returncode != 0:
            raise installer_failed(answer.stdout, self.folder)

    def pip_version(self) -> tuple[int, ...]:
        """Of the environment's pip, e.g. (26, 3)."""
        return numbers(self.quietly([self.python, "-m", "pip", "--version"]).stdout.split()[1])

    def install_torch(self) -> None:
        """torch first: which build it is decides whether gigabytes of CUDA come along."""
        cpu = machine.wants_cpu_build()
        torch = next(pin for pin in self.pins.core if split(pin)[0] == "torch")
        self.screen.step(f"Installing {torch}" + (" (CPU build)" if cpu else ""))
        if self.uv and self.uv_torch(torch, cpu):
            return
        if (
            cpu
            and self.would_bring_cuda(torch)
            and (self.uv or not self.torch_by_fetched_uv(torch))
        ):
            self.screen.step(
                "  No CPU build of torch can be had from here, so the CUDA build comes: about\n"
                "  3 GB to download, 8 GB on disk. It runs on the CPU as well. Ctrl-C stops it."
            )
            if machine.free_bytes(self.folder) < CUDA_BYTES:
                raise disk_full(self.folder, CUDA_BYTES)
        self.pip(["install", *self.constraints(), torch], total=None)

    def uv_torch(self, torch: str, cpu: bool) -> bool:
        """Ask uv for the build that suits this machine; False if it can't be had that way."""
        backend: list[str] = (
            [] if sys.platform == "darwin" else ["--torch-backend", "cpu" if cpu else "auto"]
        )
        code, _ = self.uv_run(["install", *backend, *self.constraints(), torch])
        if code != 0:
            self.screen.done("  uv can't get it; pip is tried instead.")
        return code == 0

    def torch_by_fetched_uv(self, torch: str) -> bool:
        """pip found only a CUDA build: fetch uv, which knows where the CPU builds are."""
        tool = next(pin for pin in self.pins.tools if pin.startswith("uv=="))
        if self.quietly([self.python, "-m", "pip", "install", tool]).returncode != 0:
            return False
        self.uv = str(self.python.with_name("uv.exe" if os.name == "nt" else "uv"))
        return self.uv_torch(torch, cpu=True)

    def would_bring_cuda(self, torch: str) -> bool:
        """True if the torch that pip finds asks for CUDA packages (read from its metadata)."""
        report = self.folder / "torch-report.json"
        command: list[str | Path] = [
            "install",
            "--dry-run",
            "--no-deps",
            "--ignore-installed",
            "--report",
            report,
            torch,
        ]
        answer = self.quietly([self.python, "-m", "pip", *command])
        if answer.returncode != 0:
            raise installer_failed(answer.stdout, self.folder)
        try:
            return brings_cuda(json.loads(report.read_text(encoding="utf-8")))
        finally:
            report.unlink()

    def install_exactly(self, missing: Sequence[str]) -> None:
        """Everything else, as locked, without resolving: uv where it is, else pip."""
        if not missing:
            return
        self.screen.step(f"Installing {len(missing)} packages")
        if self.uv and self.uv_run(["install", "--no-deps", *missing], missing)[0] == 0:
            return
        self.pip(["install", "--no-deps", *missing], total=len(missing), names=missing)

    def start_once(self) -> None:
        """Import what lessons use: proof that it works here, and its bytecode is kept for later.

        Only a part of the files is ever imported, so this is quicker than compiling them all.
        """
        modules = [name for name in self.pins.first_imports if self.has(name)]
        if not modules:
            return
        self.screen.step("Starting the packages for the first time")
        began = time.monotonic()

        def show(line: str | None) -> None:
            self.screen.status(f"  {time.monotonic() - began:.0f} s so far")

        program = "\n".join(f"import {name}" for name in modules)
        code, output = self.watched([self.python, "-I", "-c", program], show)
        if code != 0:
            self.screen.done("  failed")
            raise SetupError(
                f"The packages are installed, but do not start on this machine:\n{tail(output)}"
            )
        self.screen.done(f"  done in {time.monotonic() - began:.0f} s")

    def has(self, module: str) -> bool:
        """True if the package of this module is in the environment."""
        return (self.site / module.partition(".")[0]).is_dir()

    def constraints(self) -> list[str]:
        """The lock as pip and uv read it."""
        path = self.folder / "constraints.txt"
        path.write_text(self.pins.lock, encoding="utf-8")
        return ["--constraint", str(path)]

    def pip(self, arguments: Sequence[str], total: int | None, names: Iterable[str] = ()) -> None:
        """Run pip with its progress on our screen; a SetupError says why it failed."""
        progress = PipProgress(total)
        expected = {split(name)[0] for name in names}

        def show(line: str | None) -> None:
            if line is not None:
                progress.read(line)
            arrived = self.count_installed(expected) if progress.installing and expected else None
            self.screen.status(progress.text(arrived))

        bar = "raw" if self.pip_version() >= RAW_PROGRESS else "off"
        options = ["--no-compile", "--progress-bar", bar, "--disable-pip-version-check"]
        code, output = self.watched([self.python, "-m", "pip", *arguments, *options], show)
        if code != 0:
            self.screen.done("  failed")
            raise installer_failed(output, self.folder)
        seconds = time.monotonic() - progress.began
        self.screen.done(f"  done in {seconds:.0f} s, {megabytes(progress.downloaded)} downloaded")

    def uv_run(self, arguments: Sequence[str], names: Iterable[str] = ()) -> tuple[int, str]:
        """Run `uv pip` with its last line and the count of packages on our screen."""
        began = time.monotonic()
        expected = {split(name)[0] for name in names}
        last = ["uv"]

        def show(line: str | None) -> None:
            if line and not line.startswith((" +", " -", " ~")):
                last[0] = line.strip()
            count = f"{self.count_installed(expected)} of {len(expected)}  " if expected else ""
            self.screen.status(f"  {count}{last[0]}")

        command = [str(self.uv), "pip", *arguments, "--python", str(self.python)]
        code, output = self.watched(command, show)
        if code == 0:
            self.screen.done(f"  done in {time.monotonic() - began:.0f} s with uv")
        return code, output

    def count_installed(self, names: set[str]) -> int:
        """How many of these have arrived in the environment."""
        folders = (path.name for path in self.site.glob("*.dist-info"))
        return len(names & {normalise(folder.split("-")[0]) for folder in folders})

    # ---- children ------------------------------------------------------------------------------

    def quietly(
        self, command: Sequence[str | Path], text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a short command; stdout and stderr come back together."""
        return subprocess.run(
            [str(word) for word in command],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=installer_environment(),
            pass_fds=self.handles,
        )

    def watched(
        self, command: Sequence[str | Path], show: Callable[[str | None], None]
    ) -> tuple[int, str]:
        """Run a long command; `show` gets each line, and None twice a second while none comes."""
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=installer_environment(),
            pass_fds=self.handles,
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_pump, args=(child, lines), daemon=True).start()
        output: list[str] = []
        try:
            while (line := _next(lines)) is not None:
                output.append(line)
                show(line or None)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        return child.wait(), "\n".join(filter(None, output))


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
            self.name = re.split(r"[=<>(]", found[1].rsplit("/")[-1])[0].removesuffix(".whl")[:40]
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


def brings_cuda(report: dict[str, list[dict[str, dict[str, list[str]]]]]) -> bool:
    """True if pip's report on torch names CUDA packages among what it requires here."""
    needs = [
        need for item in report["install"] for need in item["metadata"].get("requires_dist", [])
    ]
    return any(re.match(r"(nvidia|cuda)-", need) and "extra ==" not in need for need in needs)


def numbers(version: str) -> tuple[int, ...]:
    """`"26.3"` → (26, 3)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def python_in(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def installer_environment() -> dict[str, str]:
    """The caller's environment, less what would send packages elsewhere or keep no bytecode."""
    unwanted = {
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
    }
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"PIP_USER": "0", "PIP_NO_COLOR": "1", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def _pump(child: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        lines.put(line.rstrip() or " ")
    lines.put(None)


def _next(lines: queue.Queue[str | None]) -> str | None:
    """The next line, "" when none came for half a second, None at the end."""
    try:
        return lines.get(timeout=0.5)
    except queue.Empty:
        return ""
