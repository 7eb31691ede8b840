"""What to say where a learner's folder or zip holds no notebook: what is there instead, and what to
ask for."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.classroom.intake.names import is_hidden
from labkit.classroom.intake.pieces import Piece, looks_like_notebook
from labkit.grading.plain_text import plain_line

SHOWN = 3  # names
LENGTH = 60  # of each
ASK = "Ask for the notebook as Jupyter saves it."


def telling(pieces: Sequence[Piece]) -> Piece:
    """The piece that tells most: a file before a hidden one before a folder."""
    return min(pieces, key=lambda piece: (not piece.file, piece.is_hidden, piece.parts))


def without_notebook(pieces: Sequence[Piece], place: str) -> str:
    """Why there is nothing to grade; `place` is "folder" or "zip"."""
    files = sorted({piece.file for piece in pieces if piece.file})
    shown = [file for file in files if not is_hidden(file)]
    if renamed := next(filter(looks_like_notebook, candidates(pieces)), None):
        return (
            f"There is no notebook (.ipynb) here, but {short(renamed.file)} is one by what it "
            f"holds: rename it to {short(proper(renamed.file))}, or have it handed in again."
        )
    if shown:
        nested = any(file.casefold().endswith(".zip") for file in shown) and place == "zip"
        note = " A zip in it is not opened." * nested
        return f"There is no notebook (.ipynb) in the {place}, only {listed(shown)}.{note} {ASK}"
    if files:
        return f"There is no notebook (.ipynb) in the {place}, only hidden {listed(files)}. {ASK}"
    return f"The {place} is empty. {ASK}"


def candidates(pieces: Sequence[Piece]) -> list[Piece]:
    """The first few files, those first whose name has .ipynb in it."""
    files = [piece for piece in pieces if piece.file and not piece.problem]
    return sorted(files, key=lambda piece: (".ipynb" not in piece.file, piece.parts))[:SHOWN]


def proper(file: str) -> str:
    """The name of a notebook that was called differently."""
    name = file.lstrip(".")
    at = name.casefold().find(".ipynb")
    return f"{name[:at] if at > 0 else name.rpartition('.')[0] or name or 'notebook'}.ipynb"


def listed(files: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(files) - SHOWN:,} more" if len(files) > SHOWN else ""
    return ", ".join(map(short, files[:SHOWN])) + more


def short(name: str) -> str:
    """A name as it can be shown in a sentence."""
    name = plain_line(name)
    return name if len(name) <= LENGTH else f"{name[: LENGTH - 1]}…"
