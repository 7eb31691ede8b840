"""Proofs that hold are kept under a hash of all that they depend on, and need not be run again.

The hash covers the reference with what it needs, the challenge module and every module of labkit
that it imports, the whole grading package, the models' checksums, and the versions of Python and
the libraries underneath. Where one byte of these differs, the proofs are run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

from labkit import paths
from labkit.grading import fingerprints
from labkit.grading.proofs.verify import Proof
from labkit.whole_files import write_whole


def default_folder() -> Path | None:
    """A folder of its own in a checkout, which git ignores; an installed labkit keeps nothing."""
    return paths.PACKAGE.parent / ".verify_cache" if paths.in_checkout() else None


def key_of(challenge_module: Path, *words: str) -> str:
    """The hash of a challenge module's file with all below it, the versions, and these words."""
    grading = Path(__file__).parents[1].rglob("*.py")
    files = files_behind([challenge_module, *grading])
    code = fingerprints.of_files(files, Path(challenge_module.anchor))
    return fingerprints.of_text(code, *fingerprints.versions(), *words)


def files_behind(modules: Iterable[Path]) -> set[Path]:
    """Modules' files and those of all that they import of labkit; with models, their checksums."""
    files: set[Path] = set()
    waiting = list(modules)
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += filter(None, map(file_of, imported_by(file)))
    if any(paths.PACKAGE / "models" in file.parents for file in files):
        files.update((paths.PACKAGE / "models").rglob("checksums.json"))
    return files


def file_of(module: str) -> Path | None:
    """The file of a module below labkit; None for what is none, such as a function of one."""
    package, *parts = module.split(".")
    if package != "labkit" or not parts:  # labkit itself offers the whole course, to learners
        return None
    place = paths.PACKAGE.joinpath(*parts)
    return next(filter(Path.is_file, [place / "__init__.py", place.with_suffix(".py")]), None)


@cache
def imported_by(file: Path) -> tuple[str, ...]:
    """The full names that a module imports, anywhere in it. labkit has no relative imports."""
    return tuple(imported_names(ast.parse(file.read_text("utf-8"))))


def imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def load(file: Path, key: str) -> list[Proof] | None:
    """The proofs kept in a file under this key; None where there are none, or not these."""
    try:
        kept = json.loads(file.read_text("utf-8"))
        return [Proof(**row) for row in kept["proofs"]] if kept["key"] == key else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def save(file: Path, key: str, proofs: Sequence[Proof]) -> None:
    """Keep proofs, if all of them hold; a folder that can't be written costs the next run."""
    if not all(proof.holds for proof in proofs):
        return
    text = json.dumps({"key": key, "proofs": [asdict(proof) for proof in proofs]}, indent=1)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
