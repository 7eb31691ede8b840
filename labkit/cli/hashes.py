"""The sha256 of every file that a pinned package may come in, read from requirements.lock, and the
words that make pip and uv compare what they fetch with it.

`labkit environment --lock` (locking.py) makes that file. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.cli.pins import split
from labkit.cli.trouble import unhashed
from labkit.whole_files import write_whole

LOCK_FILE = "requirements.lock"
FILE = "labkit-requirements.txt"  # in the environment: what pip and uv are given
_PIN = re.compile(r"([\w.-]+==[\w.!+-]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Hashes:
    """What is known of each pin's files; the packages that are to come without a comparison."""

    known: Mapping[tuple[str, str], tuple[str, ...]]
    unverified: frozenset[str] = frozenset()

    def of(self, pin: str) -> tuple[str, ...]:
        """The hashes of a pin's files; a build of it, as "torch==2.13.0+cpu", is one of them."""
        name, version = split(pin)
        return self.known.get((name, version.partition("+")[0]), ())

    def allows_any(self, pin: str) -> bool:
        """True if the user takes this package's files as they come."""
        return split(pin)[0] in self.unverified

    def require(self, pins: Iterable[str]) -> None:
        """A SetupError unless there is a hash of each, or the user has allowed it without."""
        if lacking := [pin for pin in pins if not (self.allows_any(pin) or self.of(pin))]:
            raise unhashed(lacking)

    def arguments(self, folder: Path, pins: Sequence[str]) -> list[list[str]]:
        """What to call `pip install` or `uv pip install` with, once or twice: for these pins and
        nothing else, each compared with its hashes, and those that come as they are."""
        self.require(pins)
        compared = [pin for pin in pins if not self.allows_any(pin)]
        taken = [pin for pin in pins if self.allows_any(pin)]
        path = folder / FILE
        write_whole(path, "".join(f"{' '.join([pin, *self.options(pin)])}\n" for pin in compared))
        checking = ["--no-deps", "--require-hashes", "--requirement", str(path)]
        return [checking] * bool(compared) + [["--no-deps", *taken]] * bool(taken)

    def options(self, pin: str) -> list[str]:
        """A pin's hashes as pip reads them in a file of requirements."""
        return [f"--hash=sha256:{one}" for one in self.of(pin)]


def of_checkout(root: Path, unverified: Iterable[str] = ()) -> Hashes:
    """The hashes in the lock of the checkout at `root`; none where it has no lock."""
    path = root / LOCK_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return Hashes(read_hashes(text), frozenset(unverified))


def read_hashes(text: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """A requirements file with hashes, by name and version."""
    text = re.sub(r"^#.*", "", text, flags=re.M).replace("\\\n", " ")
    found = {}
    for line in filter(str.strip, text.splitlines()):
        pin, hashes = _PIN.match(line), _HASH.findall(line)
        if pin is None or not hashes:
            raise ValueError(f"{LOCK_FILE}: expected `name==version --hash=…`, found {line!r}")
        found[split(pin[1])] = tuple(hashes)
    return found
