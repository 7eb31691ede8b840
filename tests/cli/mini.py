"""A small checkout with the real set-up code and pins of its own, installed from a local folder.

So the tests make real environments with the real pip, offline: the packages are wheels that are
written here.
"""

from __future__ import annotations

import base64
import ensurepip
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.paths import PACKAGE

SET_UP = (
    *("__init__", "children", "environment", "hashes", "installing", "locking", "machine"),
    *("pins", "screen", "streams", "trouble", "venv_folder", "writable"),
)
# A stand-in for a command: says which Python runs it, and that the packages are there.
COMMAND = """
import json, sys
def add_arguments(parser):
    parser.add_argument("word", nargs="?")
def main(args):
    import tinyone
    print(json.dumps({"prefix": sys.prefix, "word": args.word, "tiny": tinyone.NAME}))
    return 7
"""
PYPROJECT = """
[project]
dependencies = [{core}]
[project.optional-dependencies]
test = ["tinytest==1.0"]
[tool.labkit]
tools = ["pip=={pip}", "uv==0.0.1"]
first-imports = ["tinyone"]
"""
LOCK = """
tinyone==1.0  # via labkit (pyproject.toml)
tinytwo==2.0 ; sys_platform != 'nowhere'  # via tinyone
elsewhere==9.0 ; sys_platform == 'nowhere'  # via tinyone
tinytest==1.0  # via labkit (pyproject.toml)
"""


@dataclass(frozen=True)
class Checkout:
    """The small checkout at `root`, installing from the wheels in `house`."""

    root: Path
    house: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def site(self) -> Path:
        return next(self.venv.glob("lib/python*/site-packages"))

    def environment(self, **more: str) -> dict[str, str]:
        """Only the local folder is asked for packages, whatever this machine's pip is set to."""
        dropped = ("PYTHONPATH", "PIP_FIND_LINKS", "LABKIT_ENTERED", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        pip = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.house),
            "PIP_CONFIG_FILE": os.devnull,
        }
        path = os.pathsep.join([str(self.root / "bin"), "/usr/bin", "/bin"])
        return kept | pip | {"PATH": path, "LABKIT_DEVICE": "cpu"} | more

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """`python -m labkit ...` as a learner types it, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "labkit", *words],
            cwd=self.root,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The same, waited for."""
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def lock(self, *houses: Path) -> None:
        """Write requirements.lock: what the wheels of these folders are now, or of our own."""
        known: dict[str, str] = {}
        for wheel in sorted(
            path for house in houses or [self.house] for path in house.glob("*.whl")
        ):
            name, version, *_ = wheel.name.split("-")
            pin = f"{name}=={version.partition('+')[0]}"
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            known[pin] = f"{known.get(pin, pin)} \\\n    --hash=sha256:{digest}"
        (self.root / "requirements.lock").write_text("\n".join(known.values()) + "\n")

    def copy_to(self, root: Path) -> Checkout:
        """Another checkout in the same state."""
        shutil.copytree(self.root, root, symlinks=True, dirs_exist_ok=True)
        return Checkout(root, self.house)


def make_checkout(root: Path, house: Path, core: tuple[str, ...] = ("tinyone==1.0",)) -> Checkout:
    """Lay out the checkout and the wheels it installs."""
    cli = root / "labkit" / "cli"
    cli.mkdir(parents=True)
    for name in ("__init__", "__main__", "paths", "sharing", "variables", "whole_files"):
        shutil.copy(PACKAGE / f"{name}.py", root / "labkit")
    for name in SET_UP:
        shutil.copy(PACKAGE / "cli" / f"{name}.py", cli)
    (cli / "progress.py").write_text(COMMAND)
    (cli / "verify.py").write_text('EXTRA = "test"\n' + COMMAND)
    pins = ", ".join(f'"{pin}"' for pin in core)
    (root / "pyproject.toml").write_text(PYPROJECT.format(core=pins, pip=ensurepip.version()))
    (root / "constraints.txt").write_text(LOCK)
    house.mkdir(exist_ok=True)
    write_wheel(house, "tinyone", "1.0", {"tinyone/__init__.py": "NAME = 'one'"}, ["tinytwo==2.0"])
    write_wheel(house, "tinytwo", "2.0", {"tinytwo/__init__.py": ""})
    write_wheel(house, "tinytest", "1.0", {"tinytest/__init__.py": ""})
    checkout = Checkout(root, house)
    checkout.lock()
    return checkout


def write_wheel(
    house: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    requires: list[str] | None = None,
    scripts: str = "",
) -> Path:
    """A pure-Python wheel."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires or [])
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{info}/entry_points.txt": f"[console_scripts]\n{scripts}\n"} if scripts else {}),
    }
    record = "".join(f"{path},{_hash(text)},{len(text)}\n" for path, text in contents.items())
    path = house / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in contents.items():
            wheel.writestr(file, text)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
