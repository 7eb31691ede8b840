"""The course's home: where you are, what is next, and the map of the field with your progress.

JupyterLab shows it (labkit/jupyter); everything on it comes from the lessons' headers, the progress
log and what lies in the folders. It is made in Jupyter's server: nothing here imports torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from labkit import fetched, paths
from labkit.course.catalog import Lesson, lessons
from labkit.course.field import Entry, field_map
from labkit.course.progress import ProgressLog
from labkit.course.rendering import render
from labkit.course.standing import Standing, standing_in

WEIGHTS = paths.PACKAGE / "models" / "weights"


@dataclass(frozen=True)
class Files:
    """Jupyter's files: the folder that it shows, and the address below which it answers."""

    root: Path
    base_url: str = "/"

    def path_of(self, notebook: Path) -> str | None:
        """A notebook's path below the root; None where it isn't there or lies elsewhere."""
        root, notebook = self.root.resolve(), notebook.resolve()
        if not notebook.is_file() or not notebook.is_relative_to(root):
            return None
        return notebook.relative_to(root).as_posix()

    def link_to(self, path: str) -> str:
        return f"{self.base_url}lab/tree/{quote(path)}"


def home_page(log: ProgressLog, files: Files) -> str:
    """The home as HTML: one section with its style sheet, to be put into a page."""
    entries = [home_entry(lesson, log, files) for lesson in lessons()]
    last = last_entry(entries)
    return render(
        "home.html",
        entries=entries,
        areas=field_map(entries),
        last=last,
        next=next_entry(entries, last),
        fetches=fetches(entries),
        real=[m for m in fetched.MODELS.values() if m.is_offered and not m.is_there],
        work=log.path.parent,
    )


def home_entry(lesson: Lesson, log: ProgressLog, files: Files) -> Entry:
    """A lesson with its link into the learner's folder and with their progress."""
    path = files.path_of(log.path.parent / lesson.notebook.name)
    return Entry(
        lesson.number,
        lesson.title,
        lesson,
        standing_in(lesson, log),
        path,
        files.link_to(path) if path else None,
        missing_models(lesson.models),
    )


def last_entry(entries: Iterable[Entry]) -> Entry | None:
    """The lesson that was opened last."""
    opened = [(time, entry) for entry in entries if (time := last_opened(entry.standing))]
    return max(opened, key=lambda pair: pair[0])[1] if opened else None


def last_opened(standing: Standing | None) -> str | None:
    return standing.last_opened if standing else None


def next_entry(entries: Sequence[Entry], last: Entry | None) -> Entry | None:
    """The first lesson that isn't done, from the one opened last on, then from the beginning."""
    here = entries.index(last) if last else 0
    ahead = (*entries[here:], *entries[:here])
    return next((entry for entry in ahead if entry.state != "done"), None)


def missing_models(names: Iterable[str]) -> tuple[str, ...]:
    """Those of a lesson's models that this machine doesn't have yet; `$LABKIT_MODEL` takes the
    place of `base`, as in load_model."""
    chosen = os.environ.get("LABKIT_MODEL") or "base"
    wanted = [chosen if name == "base" else name for name in names]
    return tuple(name for name in wanted if not is_here(name))


def is_here(model: str) -> bool:
    """True if a model's files are here: bundled, fetched, a folder, or in the cache of the hub."""
    if model in fetched.MODELS:
        return fetched.MODELS[model].is_there
    if (Path(model).expanduser() / "config.json").is_file():
        return True
    if "/" in model:
        from huggingface_hub import try_to_load_from_cache

        return isinstance(try_to_load_from_cache(model, "config.json"), str)
    folder = WEIGHTS / model
    try:
        files = json.loads((folder / "checksums.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return all((folder / file).is_file() for file in files)


def fetches(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """How to fetch each missing model: (model, command)."""
    missing = dict.fromkeys(model for entry in entries for model in entry.missing)
    return [(model, fetch_command(model)) for model in missing]


def fetch_command(model: str) -> str:
    """The command that fetches a model: from the hub, by labkit, or with labkit, which has it
    bundled."""
    if model in fetched.MODELS:
        return fetched.MODELS[model].command
    if "/" in model:
        return f"hf download {model}"
    if paths.in_checkout():
        return f"git checkout -- labkit/models/weights/{model}"
    return "pip install --force-reinstall --no-deps labkit"
