"""Models that are fetched once and kept outside the clone: their names, and where they lie.

Bottom of the house: nothing is loaded here, so that `doctor` and the home page may ask as well.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

CACHE = "LABKIT_CACHE"  # the environment variable that names another folder
CHECKSUMS = "checksums.json"  # written last: where it is, the model is whole
MADE = 1  # the version of what `models/dequantizing.py` writes; another one is made anew


@dataclass(frozen=True)
class Fetched:
    """A model that others made; what it takes to fetch, to keep, and to work with, in MB."""

    name: str
    summary: str
    download: int
    disk: int
    memory: int

    @property
    def command(self) -> str:
        """What fetches it."""
        return f"python3 -m labkit models fetch {self.name}"

    @property
    def folder(self) -> Path:
        """Where it lies, or will."""
        return cache_dir() / self.name

    @property
    def gguf(self) -> Path:
        """The file that it was made from, for llama.cpp."""
        return self.folder.with_suffix(".gguf")

    @property
    def is_there(self) -> bool:
        """Whether it is there, whole and made by this version of the course."""
        return (self.folder / CHECKSUMS).is_file() and self.card().get("made") == MADE

    def card(self) -> dict[str, Any]:
        """Where it comes from; {} where nothing readable is there."""
        try:
            card = json.loads((self.folder / "card.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return card if isinstance(card, dict) else {}


MODELS = {
    model.name: model
    for model in (
        Fetched(
            "smollm2", "a real model of 135 million weights, a lesson shown again", 93, 370, 1300
        ),
    )
}


def cache_dir() -> Path:
    """The folder of fetched models: `$LABKIT_CACHE`, or the course's place in the user's cache."""
    named = os.environ.get(CACHE)
    return Path(named).expanduser().absolute() if named else user_cache_path("labkit") / "models"
