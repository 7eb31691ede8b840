"""Which packages the course needs, at which versions: read from pyproject.toml and constraints.txt.

In an installed wheel the same pins are read from the package's own metadata. Standard library only.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from labkit.paths import PACKAGE, in_checkout

CUDA_FAMILIES = ("cuda-", "nvidia-", "triton")
_FOR_PYTHON = re.compile(r"python_version (<|>=) ['\"]3\.(\d+)['\"]")
_LOCKED = re.compile(r"(?P<pin>[\w.-]+==[^\s;]+)(?: ; (?P<marker>[^#]+?))?\s*# via (?P<via>.+)")


@dataclass(frozen=True)
class Pins:
    """What pyproject.toml declares, e.g. core = ("torch==2.13.0", ...)."""

    core: tuple[str, ...]
    extras: dict[str, tuple[str, ...]]
    tools: tuple[str, ...] = ()
    first_imports: tuple[str, ...] = ()
    lock: str = ""

    def wanted(self, extras: Iterable[str] = ()) -> tuple[str, ...]:
        """The pins of the core and of these extras."""
        return self.core + tuple(pin for extra in sorted(extras) for pin in self.extras[extra])

    def tool(self, name: str) -> str:
        """The pin of a tool that the set-up works with."""
        return next(pin for pin in self.tools if split(pin)[0] == name)

    def fingerprint(self, python_version: str) -> str:
        """Changes when a pin, the lock or the Python of the environment changes."""
        text = repr((self.core, sorted(self.extras.items()), self.lock, python_version))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Locked:
    """One line of the lock: a pin, the machines it is for, and who asks for it."""

    pin: str
    marker: str
    via: frozenset[str]

    @property
    def name(self) -> str:
        return split(self.pin)[0]

    @property
    def version(self) -> str:
        return split(self.pin)[1]

    @property
    def for_cuda(self) -> bool:
        """Only a CUDA build of torch needs it."""
        return self.name.startswith(CUDA_FAMILIES)


def declared() -> Pins:
    """The pins of this checkout, or those written into the installed package."""
    return from_checkout(PACKAGE.parent) if in_checkout() else from_metadata()


def from_checkout(root: Path) -> Pins:
    """Pins of the checkout at `root`, with its lock."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    extras = {
        name: for_this_python(pins) for name, pins in project["optional-dependencies"].items()
    }
    lock = (root / "constraints.txt").read_text(encoding="utf-8")
    own = settings["tool"]["labkit"]
    core = for_this_python(project["dependencies"])
    return Pins(core, extras, tuple(own["tools"]), tuple(own["first-imports"]), lock)


def from_metadata() -> Pins:
    """Pins of the installed package; the lock is not shipped in a wheel."""
    core: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in metadata.requires("labkit") or ():
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        (extras.setdefault(extra[1], []) if extra else core).extend(for_this_python([line]))
    return Pins(tuple(core), {name: tuple(pins) for name, pins in extras.items()})


def for_this_python(lines: Iterable[str]) -> tuple[str, ...]:
    """The pins, without their markers, of those lines whose `python_version < '3.13'` or
    `python_version >= '3.13'` holds here, or that ask for no Python; other markers are not read."""
    kept = []
    for line in lines:
        pin, _, marker = line.partition(";")
        asked = _FOR_PYTHON.search(marker)
        older = asked is not None and sys.version_info[:2] < (3, int(asked[2]))
        if asked is None or older == (asked[1] == "<"):
            kept.append(pin.strip())
    return tuple(kept)


def normalise(name: str) -> str:
    """A package's name as registries compare it: lower case, runs of -_. are one dash."""
    return re.sub(r"[-_.]+", "-", name).lower()


def split(pin: str) -> tuple[str, str]:
    """`"PyYAML==6.0.3"` → `("pyyaml", "6.0.3")`."""
    name, _, version = pin.partition("==")
    return normalise(name.strip()), version.strip()


def installed_version(name: str) -> str | None:
    """The version that this interpreter has, less a local part such as `+cpu`; None if absent."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def unmet(
    wanted: Iterable[str], version_of: Callable[[str], str | None] = installed_version
) -> dict[str, str | None]:
    """The pins that don't hold here, each with the version found instead (None: not installed)."""
    found = {pin: version_of(split(pin)[0]) for pin in wanted}
    return {pin: version for pin, version in found.items() if version != split(pin)[1]}


def read_lock(text: str) -> tuple[Locked, ...]:
    """The lines of constraints.txt."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    matches = [_LOCKED.fullmatch(line) for line in lines]
    bad = [line for line, match in zip(lines, matches, strict=True) if match is None]
    if bad:
        raise ValueError(f"constraints.txt: expected `name==version  # via ...`, found {bad[0]!r}")
    return tuple(
        Locked(
            m["pin"], (m["marker"] or "").strip(), frozenset(map(normalise, m["via"].split(", ")))
        )
        for m in matches
        if m is not None
    )


def closure(lock: Iterable[Locked], wanted: Iterable[str]) -> tuple[Locked, ...]:
    """The lines of the lock that `wanted` needs, directly or through others."""
    lines = tuple(lock)
    reached = {split(pin)[0] for pin in wanted}
    grew = True
    while grew:
        more = {line.name for line in lines if line.via & reached} - reached
        reached |= more
        grew = bool(more)
    return tuple(line for line in lines if line.name in reached)


def python_version() -> str:
    """This interpreter's version as fingerprints use it, e.g. "3.11"."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
