"""Say what this machine has and what of the course will run on it.

Looks at the Python and its packages, cores, memory, disk, GPU, the model weights and the work
folder. Changes nothing. The exit code is 0 if the lessons will run, else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from labkit import paths
from labkit.cli import environment, machine, writable
from labkit.cli.pins import Pins, declared, unmet

BARE = True
LESSON_BYTES = 1_500_000_000  # the most a lesson may take (DESIGN: 1.5 GB)
CUDA_EXTRA = "0.6 to 1.3"  # gigabytes: lesson 00 took 2,305 MB with it, 993 MB without
MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


@dataclass(frozen=True)
class Finding:
    """One thing checked. "bad": the lessons won't run; "note": something works less well."""

    topic: str
    state: Literal["ok", "note", "bad"]
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to print."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def main(args: argparse.Namespace) -> int:
    """Look, in the course's environment where there is one, and print what was found."""
    folder, pins = environment.venv_dir(), declared()
    in_its_own = environment.inside(folder) or not paths.in_checkout()
    if not in_its_own and environment.stamped(folder, pins, set()):
        words = ["doctor", *(["--json"] if args.json else [])]
        environment.continue_in(environment.python_in(folder), words)
    gpus = machine.nvidia_gpus()
    findings = [*about_machine(gpus), *about_python(pins, gpus), *about_folders()]
    well = all(finding.state != "bad" for finding in findings)
    if args.json:
        print(json.dumps({"ok": well, "findings": list(map(asdict, findings))}, indent=1))
    else:
        print(in_words(findings, well))
    return 0 if well else 1


def in_words(findings: list[Finding], well: bool) -> str:
    """The findings, one per line, and the verdict."""
    width = max(len(finding.topic) for finding in findings)
    lines = [f"{MARKS[f.state]} {f.topic:<{width}}  {f.text}" for f in findings]
    verdict = (
        "The lessons will run here:  python3 -m labkit lab"
        if well
        else "Something keeps the lessons from running: see the lines marked BAD."
    )
    return "\n".join([*lines, "", verdict])


def about_machine(gpus: list[str]) -> Iterator[Finding]:
    """Processor, memory, GPU."""
    count = machine.cores()
    text = f"{count} CPU cores, {machine.description()}"
    slow = "; lessons are measured on two, expect twice the time" if count < 2 else ""
    yield Finding("processor", "note" if slow else "ok", text + slow)
    yield from about_instructions(machine.instructions())
    yield memory(machine.memory_bytes())
    none = "no NVIDIA GPU; every lesson is made for the CPU"
    yield Finding("GPU", "ok", ", ".join(gpus) if gpus else none)


def about_instructions(names: frozenset[str]) -> Iterator[Finding]:
    """How older x86 processors affect lessons; nothing where the instructions are unknown."""
    if not names:
        return
    if "avx2" not in names:
        text = "no AVX2: the lessons were never tried on such a processor, and will be slow"
        yield Finding("instructions", "note", text)
    elif not names & {"avx512_vnni", "avx_vnni"}:
        text = (
            "AVX2 without VNNI: sums of int8 products are cut off at 16 bits, so lesson 12 keeps "
            "weights at 7 (ONNX Runtime's reduce_range)"
        )
        yield Finding("instructions", "ok", text)
    else:
        yield Finding("instructions", "ok", "AVX2 and VNNI: sums of int8 products are exact")


def memory(total: int | None) -> Finding:
    """A lesson takes up to 1.5 GB, the browser and JupyterLab as much again."""
    if total is None:
        return Finding("memory", "note", "unknown on this system; a lesson takes up to 1.5 GB")
    text = f"{total / 1e9:.1f} GB; a lesson takes up to {LESSON_BYTES / 1e9:.1f} GB"
    if total < LESSON_BYTES * 1.2:
        return Finding("memory", "bad", f"{text}: too little")
    enough = total > LESSON_BYTES * 2.5
    return Finding("memory", "ok" if enough else "note", text + ("" if enough else ": tight"))


def about_python(pins: Pins, gpus: list[str]) -> Iterator[Finding]:
    """The interpreter, its packages, and the weights that only they can check."""
    yield Finding("Python", "ok", f"{platform.python_version()} ({sys.executable})")
    faults = unmet(pins.core)
    lacking = [pin for pin, found in faults.items() if found is None]
    if lacking:
        yield Finding("packages", "bad" if not paths.in_checkout() else "note", how_to_get(lacking))
        return
    others = [f"{pin} (here {found})" for pin, found in faults.items()]
    if others:
        text = f"other versions than the course was tested with: {', '.join(others)}"
        yield Finding("packages", "note", text)
    else:
        yield Finding("packages", "ok", f"all {len(pins.core)} at the versions tested")
    yield from about_torch(gpus)
    yield from about_weights()
    yield from about_fetched()


def about_torch(gpus: list[str]) -> Iterator[Finding]:
    """Which build it is; a CUDA build costs memory where no GPU is used."""
    import torch

    cuda, here = torch.version.cuda, torch.__version__.partition("+")[0]
    used = gpus and os.environ.get("LABKIT_DEVICE", "") != "cpu"
    if cuda and not used:
        install = f"uv pip install --python {sys.executable} --torch-backend cpu --reinstall"
        text = (
            f"the build for CUDA {cuda}, and no GPU is used: a lesson takes {CUDA_EXTRA} GB more "
            "memory than with the CPU build. Where that can be had, this brings it: "
            f"`{install} torch=={here}`"
        )
        yield Finding("torch", "note", text)
    elif cuda and not torch.cuda.is_available():
        text = (
            f"the build for CUDA {cuda}, but it can't use the GPU, as with an older driver. Renew "
            "the driver, or remove the environment and let uv choose another build: "
            "`python3 -m labkit environment --unverified torch`"
        )
        yield Finding("torch", "note", text)
    else:
        yield Finding("torch", "ok", f"the build for CUDA {cuda}" if cuda else "the CPU build")


def how_to_get(lacking: list[str]) -> str:
    """How to install the packages that are missing."""
    if paths.in_checkout():
        return "not installed yet; `python3 -m labkit environment` (or lab, or test) does it"
    return f"missing: {', '.join(lacking)}; install them with pip"


def about_weights() -> Iterator[Finding]:
    """Each bundled model's files against their checksums."""
    from labkit.models import zoo

    names = zoo.available_models()
    if not names:
        yield Finding("models", "bad", "no bundled weights are here; get them from the repository")
    yield from map(checked, names)


def about_fetched() -> Iterator[Finding]:
    """The models that nothing needs: whether they are here, and whole."""
    from labkit.fetched import MODELS

    for name, model in MODELS.items():
        if model.is_there:
            yield checked(name)
        elif model.is_offered:
            text = f"not fetched: {model.summary}. {model.command}"
            yield Finding(f"model {name}", "note", text)


def checked(name: str) -> Finding:
    """A model's files against their checksums."""
    from labkit.models import zoo

    try:
        zoo.verify_files(zoo.folder_of(name))
    except (zoo.ModelUnavailable, OSError) as error:
        return Finding(f"model {name}", "bad", str(error))
    return Finding(f"model {name}", "ok", "every file has its checksum")


def about_folders() -> Iterator[Finding]:
    """Disk space, folders that can be written, and the lessons that are there."""
    work = paths.work_dir()
    free = machine.free_bytes(work)
    state: Literal["ok", "bad"] = "ok" if free > 200_000_000 else "bad"
    yield Finding("disk", state, f"{free / 1e9:.1f} GB free for {work}")
    yield from about_writing(work)
    lessons = paths.lesson_files(paths.lessons_dir(), ".ipynb")
    text = f"{len(lessons)} in {paths.lessons_dir()}"
    yield Finding("lessons", "ok" if lessons else "bad", text)
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    text = browser or "no Chromium: you need it for the browser tests only"
    yield Finding("browser tests", "ok" if browser else "note", text)


def about_writing(work: Path) -> Iterator[Finding]:
    """Each folder that the course or Jupyter writes to; the others only where they can't be."""
    for place in writable.places(work):
        if why := place.problem():
            text = why.replace("\n", " ")
            yield Finding(place.name, "bad" if place.vital else "note", text)
        elif place.vital:
            yield Finding(place.name, "ok", f"{place.path} can be written")
