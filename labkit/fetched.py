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
MADE = 1  # the version of how the course writes a fetched model; another one is made anew


@dataclass(frozen=True)
class Fetched:
    """A model that others made; what it takes to fetch, to keep, and to work with, in MB.

    `original_of` is the model whose original weights these are: for who asks for them, while the
    other one is what the course offers.
    """

    name: str
    summary: str
    download: int
    disk: int
    memory: int
    original_of: str | None = None

    @property
    def is_offered(self) -> bool:
        """Whether the course offers to fetch it."""
        return self.original_of is None

    @property
    def command(self) -> str:
        """What fetches it."""
        asked = f"{self.original_of} --source hub" if self.original_of else self.name
        return f"python3 -m labkit models fetch {asked}"

    @property
    def folder(self) -> Path:
        """Where it lies, or will."""
        return cache_dir() / self.name

    @property
    def gguf(self) -> Path:
        """The file that it was made from, for llama.cpp."""
        return self.folder.with_suffix(".gguf")

    @property
    def arriving(self) -> Path:
        """The folder where the files of a hub arrive, until all are there."""
        return self.folder.with_suffix(".hub")

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
        Fetched("smollm2-original", "the original weights of smollm2", 273, 273, 1300, "smollm2"),
    )
}
ORIGINALS = {model.original_of: model for model in MODELS.values() if model.original_of}


def cache_dir() -> Path:
    """The folder of fetched models: `$LABKIT_CACHE`, or the course's place in the user's cache."""
    named = os.environ.get(CACHE)
    return Path(named).expanduser().absolute() if named else user_cache_path("labkit") / "models"
