"""Names the exact state of the code that a mark rests on, by content and never by date."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from labkit.paths import PACKAGE

NUMBERS_COME_FROM = ("torch", "transformers", "numpy")


def of_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def of_text(*parts: str) -> str:
    """One fingerprint of several texts; where one ends and the next begins counts."""
    return of_bytes("".join(f"{len(part)}:{part}" for part in parts).encode())


def of_files(paths: Iterable[Path], root: Path) -> str:
    """The names below `root` and the contents of files, whatever order they come in."""
    named = sorted((path.relative_to(root).as_posix(), path) for path in paths)
    return of_text(*(part for name, path in named for part in (name, of_bytes(path.read_bytes()))))


@cache
def of_package() -> str:
    """labkit's code and the checksums of its weights, Python, and the libraries that compute."""
    code = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("checksums.json")]
    return of_text(of_files(code, PACKAGE), *versions())


def versions() -> Iterator[str]:
    """What the code runs on."""
    yield f"python {platform.python_version()} {platform.machine()}"
    for library in NUMBERS_COME_FROM:
        yield f"{library} {found(library)}"


def found(package: str) -> str:
    """The version that is installed, "" where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
