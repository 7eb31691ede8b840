"""The folder of the environment: made, looked into, given a pip. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.cli import machine
from labkit.cli.children import Children
from labkit.cli.hashes import Hashes
from labkit.cli.pins import normalise
from labkit.cli.screen import Screen
from labkit.cli.trouble import SetupError, disk_full, not_writable
from labkit.whole_files import write_whole

STAMP = "labkit.json"
PIP = ("-P", "-m", "pip")  # and nothing is imported from the current folder
CPU_BYTES = 2_500_000_000  # the whole environment, test tools too, and what the download needs
CUDA_BYTES = 9_000_000_000

# Run by the environment's own Python. Prints where packages go, which are complete, and which of
# the markers it is given hold there (by pip's own copy of `packaging`). What an interrupted
# set-up left half done loses its .dist-info, so that it is installed again.
INSPECT = """
import json, shutil, sys, sysconfig
from importlib.metadata import distributions
from pip._vendor.packaging.markers import Marker

def complete(dist):
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
    if complete(dist):
        found[dist.metadata["Name"]] = dist.version
    elif folder.name.endswith(".dist-info"):
        shutil.rmtree(folder, ignore_errors=True)
holds = [not marker or Marker(marker).evaluate() for marker in json.load(sys.stdin)]
print(json.dumps({"site": site, "found": found, "holds": holds}))
"""


@dataclass(frozen=True)
class Seen:
    """What was found in the environment."""

    site: Path
    versions: dict[str, str]  # by normalised name, less a local part such as +cpu
    holds: list[bool]


class VenvFolder:
    """The environment at `path`; `pip_pin` is the pip it gets where Python brings none."""

    def __init__(
        self, path: Path, screen: Screen, children: Children, pip_pin: str, hashes: Hashes
    ) -> None:
        self.path = path
        self.screen = screen
        self.children = children
        self.pip_pin = pip_pin
        self.hashes = hashes

    @property
    def python(self) -> Path:
        return python_in(self.path)

    def ensure(self, markers: Sequence[str]) -> Seen:
        """Make the environment if it is not there or does not work; returns what is in it."""
        seen = self.inspect(markers)
        if seen is None:
            self.make()
            seen = self.inspect(markers)
        if seen is None:
            raise SetupError(f"The environment in {self.path} does not work. Remove it, try again.")
        return seen

    def inspect(self, markers: Sequence[str] = ()) -> Seen | None:
        """What is in the environment; None if its Python does not run or has no pip."""
        if not self.python.exists():
            return None
        answer = self.children.run([self.python, "-I", "-c", INSPECT], json.dumps(list(markers)))
        if answer.returncode != 0:
            return None
        said = json.loads(answer.stdout.splitlines()[-1])
        versions = {normalise(name): v.partition("+")[0] for name, v in said["found"].items()}
        return Seen(Path(said["site"]), versions, said["holds"])

    def make(self) -> None:
        """Make the environment anew; a folder that is not ours is never removed."""
        stamp = self.path / STAMP
        try:
            if self.path.exists() and not stamp.exists() and any(self.path.iterdir()):
                self.add_pip()
                return
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(stamp, "{}")
        except OSError as error:
            raise not_writable(self.path, error) from error
        self.check_room()
        self.screen.step(f"Making the environment in {self.path}")
        self.create()

    def add_pip(self) -> None:
        """For an environment that labkit did not make: all that may be missing is pip."""
        if not (self.python.exists() and self.bring_pip()):
            raise SetupError(
                f"{self.path} is there, but it is not an environment that works, and labkit did\n"
                "not make it. Rename or remove it, then run the same command again."
            )

    def check_room(self) -> None:
        """Fail now rather than after minutes of downloading."""
        cpu = machine.wants_cpu_build() or sys.platform != "linux"
        needed = CPU_BYTES if cpu else CUDA_BYTES
        if machine.free_bytes(self.path) < needed:
            raise disk_full(self.path, needed)

    def create(self) -> None:
        """`python -m venv`; where Debian left out ensurepip, pip comes another way."""
        made = self.children.run([sys.executable, "-P", "-m", "venv", self.path])
        if made.returncode == 0:
            return
        if "No space left" in made.stdout:
            raise disk_full(self.path)
        bare = self.children.run([sys.executable, "-P", "-m", "venv", "--without-pip", self.path])
        if bare.returncode == 0 and self.bring_pip():
            return
        raise SetupError(
            f"This Python ({sys.executable}) can't make virtual environments:\n"
            f"{made.stdout.strip()}\n"
            "On Debian and Ubuntu the module comes with:  sudo apt install python3-venv\n"
            "Then run the same command again."
        )

    def bring_pip(self) -> bool:
        """Give the environment a pip, from whatever this machine has one from."""
        return any(self.children.run(way).returncode == 0 and self.inspect() for way in self.ways())

    def ways(self) -> Iterator[list[str | Path]]:
        """Python's own copy of pip, then the pinned one by another pip or by uv."""
        yield [self.python, "-P", "-m", "ensurepip", "--default-pip"]
        (pip,) = self.hashes.arguments(self.path, [self.pip_pin])
        yield [sys.executable, *PIP, "--python", self.python, "install", "--no-compile", *pip]
        if uv := shutil.which("uv"):
            yield [uv, "pip", "install", "--python", self.python, *pip]


def python_in(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
