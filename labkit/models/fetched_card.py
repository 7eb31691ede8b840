"""The card of a fetched model: where it comes from, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labkit.estimates import Estimate
from labkit.fetched import CHECKSUMS, MADE
from labkit.models.zoo import sha256_of
from labkit.whole_files import write_whole

CARD, README = "card.json", "README.md"
COMPARED = "compared"  # the key of a comparison with the original weights, or the other way round


def write_card(folder: Path, card: Mapping[str, Any], libraries: Iterable[str]) -> None:
    """Writes the card of what was made by these libraries. Raises OSError."""
    versions = {name: version(name) for name in libraries}
    _write(folder, {**card, "made": MADE, "versions": versions})


def add_comparison(folder: Path, compared: Mapping[str, Any]) -> None:
    """Puts a comparison into the card of a model that is there, in the place of an earlier one.

    The checksums of the card change with it, at once; those of all other files are left as they
    are, so that a damaged file stays one. Raises OSError.
    """
    _write(folder, {**json.loads((folder / CARD).read_text("utf-8")), COMPARED: compared})
    sums = json.loads((folder / CHECKSUMS).read_text("utf-8"))
    sums |= {name: sha256_of(folder / name) for name in (CARD, README)}
    write_whole(folder / CHECKSUMS, json.dumps(sums, indent=1) + "\n")


def comparison_lines(compared: Mapping[str, Any]) -> list[str]:
    """A comparison as it is printed: what was read, then each figure with its interval."""
    rows = [Estimate(**row) for row in compared["rows"]]
    return [f"Compared on {compared['texts']}:", *(f"- {row.name}: {row}" for row in rows)]


def _write(folder: Path, card: Mapping[str, Any]) -> None:
    write_whole(folder / CARD, json.dumps(card, indent=1) + "\n")
    told = {name: value for name, value in card.items() if name not in ("name", "note", COMPARED)}
    lines = [f"# {card['name']}", "", card["note"], "", *(f"- {k}: {v}" for k, v in told.items())]
    if COMPARED in card:
        heading, *figures = comparison_lines(card[COMPARED])
        lines += ["", heading, "", *figures]
    write_whole(folder / README, "\n".join(lines) + "\n")
