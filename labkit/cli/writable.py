"""The folders that must be writable: which are not, why, and what to do.

Standard library only; Jupyter is asked for its folders where it is installed.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.paths import work_dir


@dataclass(frozen=True)
class Place:
    """A folder that something writes to: `variable` names another, `keeps` says what lies in it.

    vital   JupyterLab does not open without it; without the others it opens, with less comfort
    """

    name: str
    path: Path
    variable: str
    keeps: str
    vital: bool = True

    def problem(self) -> str:
        """Why nothing can be written there, and what to do; "" where all is well."""
        why = why_not_writable(self.path)
        return self.blocked(why) if why else ""

    def blocked(self, why: str) -> str:
        """That it can't be written, and the setting that helps."""
        name = self.variable.lower().removeprefix("labkit_").removesuffix("_dir").replace("_", "-")
        other = shlex.quote(str(better_place(f"labkit-{name}")))
        return (
            f"The {self.name} {self.path} can't be written: {why}. It keeps {self.keeps}.\n"
            f"Name another place for it:  {self.variable}={other} python3 -m labkit lab"
        )


def places(work: Path) -> Iterator[Place]:
    """Where the course and the programs that show it write; Jupyter's only where it is there."""
    yield Place("work folder", work, "LABKIT_WORK", "your copies of the lessons and your progress")
    try:
        from jupyter_core import paths as jupyter
    except ImportError:
        return
    data, runtime = Path(jupyter.jupyter_data_dir()), Path(jupyter.jupyter_runtime_dir())
    yield Place("data folder of Jupyter", data, "JUPYTER_DATA_DIR", "which notebooks are trusted")
    if not runtime.is_relative_to(data):
        keeps = "how to reach its server and kernels"
        yield Place("runtime folder of Jupyter", runtime, "JUPYTER_RUNTIME_DIR", keeps)
    config = Path(jupyter.jupyter_config_dir())
    yield Place(
        "settings folder of Jupyter", config, "JUPYTER_CONFIG_DIR", "its theme", vital=False
    )
    yield Place("cache of the hub", hub_cache(), "HF_HOME", "models of the hub", vital=False)


def hub_cache() -> Path:
    """Where models of the hub are kept, as its client has it."""
    if named := os.environ.get("HF_HOME"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache, "huggingface")


def why_not_writable(folder: Path) -> str:
    """Why nothing can be written to a folder, or to what it will be made in; "" where it can.

    It is tried: permissions alone don't tell (read-only disks, quotas).
    """
    try:
        with tempfile.TemporaryFile(dir=nearest_existing(folder)) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def nearest_existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists and may be looked at."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))


def better_place(name: str) -> Path:
    """A folder of this name that can be made: at home, else among the learner's own work, else
    here, else among temporary files."""
    likely = (Path(os.path.expanduser("~")), work_dir(), Path.cwd())
    last = Path(tempfile.gettempdir())
    return next((p for p in likely if p.is_absolute() and not why_not_writable(p)), last) / name
