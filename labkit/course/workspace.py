"""The learner's folder: their copies of the lessons, never written over once they edited them.

A copy is given without outputs: the learner predicts first, and measures then. A marker file in
the folder remembers which version of each lesson was given. A copy whose cells are still those that
were given is replaced by a newer version; an edited one stays, and the new version is put beside
it. To start a lesson afresh, delete or rename the copy.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from labkit.paths import PACKAGE, WORK_MARKER, in_checkout
from labkit.variables import OFFLINE, SHARING
from labkit.whole_files import write_whole


@dataclass(frozen=True)
class Laid:
    """What became of one lesson: "new", "updated", "kept" or "beside", and the copy written."""

    name: str
    what: str
    copy: Path | None = None

    def __str__(self) -> str:
        return {
            "new": f"{self.name} is new.",
            "updated": f"{self.name} was replaced by its new version; you had not edited it.",
            "kept": f"{self.name} is as you left it.",
            "beside": f"{self.name} has a new version, put beside yours as "
            f"{self.copy.name if self.copy else ''}. Yours is untouched.",
        }[self.what]


def lay_out(notebooks: Iterable[Path], work: Path, today: date | None = None) -> list[Laid]:
    """Bring the learner's folder up to date with these lesson notebooks; returns what was done."""
    work.mkdir(parents=True, exist_ok=True)
    given = read_given(work)
    laid = [lay(path, work, given, today or date.today()) for path in sorted(notebooks)]
    write_given(work, given)
    return laid


def lay(lesson: Path, work: Path, given: dict[str, str], today: date) -> Laid:
    """One lesson. `given` maps names to the digest of the version last given, and is updated."""
    name, copy = lesson.name, work / lesson.name
    newest, last = digest(lesson), given.get(name)
    mine = digest(copy) if copy.exists() else None
    given[name] = newest
    if mine is None:
        return Laid(name, "new", write_copy(lesson, copy))
    if newest in (mine, last):
        return Laid(name, "kept")
    if mine == last:
        return Laid(name, "updated", write_copy(lesson, copy))
    return Laid(name, "beside", write_copy(lesson, free_name(copy, today)))


def digest(notebook: Path) -> str:
    """Identifies what the cells say. Running a notebook changes its outputs, not its digest."""
    data = notebook.read_bytes()
    try:
        cells = [
            (cell["cell_type"], source_of(cell["source"])) for cell in json.loads(data)["cells"]
        ]
    except (ValueError, KeyError, TypeError):  # damaged: whatever it is, it is not what was given
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def source_of(source: str | list[str]) -> str:
    """A cell's source; notebooks keep it as one string or as a list of lines."""
    return source if isinstance(source, str) else "".join(source)


def free_name(copy: Path, today: date) -> Path:
    """`05_temperature.new-2026-11-20.ipynb`, or with a number where that is taken."""
    stem = f"{copy.stem}.new-{today.isoformat()}"
    names = [f"{stem}{copy.suffix}", *(f"{stem}-{n}{copy.suffix}" for n in range(2, 1000))]
    return next(copy.with_name(name) for name in names if not copy.with_name(name).exists())


def fresh(lesson: Path) -> bytes:
    """A lesson without outputs: whoever is to predict a number must not see it measured."""
    data = lesson.read_bytes()
    try:
        notebook = json.loads(data)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
    except (ValueError, KeyError, TypeError):  # damaged: given as it is, JupyterLab will say so
        return data
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def write_copy(lesson: Path, copy: Path) -> Path:
    """A cut-off start leaves the old copy or the new one, never half; OSError if it can't write."""
    write_whole(copy, fresh(lesson))
    return copy


def read_given(work: Path) -> dict[str, str]:
    """Name → digest of the version given. An unreadable record counts as none: nothing is lost."""
    try:
        given = json.loads((work / WORK_MARKER).read_text(encoding="utf-8"))["given"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return (
        {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
    )


def write_given(work: Path, given: dict[str, str]) -> None:
    """The marker file: it makes the folder a work folder, and remembers what was given."""
    about = "labkit's record of the lesson versions in this folder"
    write_whole(work / WORK_MARKER, json.dumps({"about": about, "given": given}, indent=1))


def trust(notebooks: Iterable[Path]) -> None:
    """Sign notebooks as Jupyter does, so that the widgets saved in them are shown on opening."""
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in notebooks:
        notary.sign(nbformat.read(path, as_version=4))


def untouched(lessons: Iterable[Path], work: Path) -> list[Path]:
    """The copies that are byte for byte what the course gave: only these are ours to sign."""
    copies = [(lesson, work / lesson.name) for lesson in lessons]
    return [c for lesson, c in copies if c.exists() and c.read_bytes() == fresh(lesson)]


def kernel_environment(work: Path) -> dict[str, str]:
    """What must be in the environment before a kernel imports torch; the user's own words win."""
    wanted = SHARING if names_hub_model() else SHARING | OFFLINE
    env = {name: os.environ.get(name, value) for name, value in wanted.items()}
    env["LABKIT_WORK"] = str(work)
    if in_checkout():
        paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return env


def names_hub_model() -> bool:
    """True if LABKIT_MODEL asks for a model of the hub, such as "owner/name"."""
    return "/" in os.environ.get("LABKIT_MODEL", "")
