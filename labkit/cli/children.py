"""Runs pip, uv and the environment's Python as children, quietly or with their lines read.

Standard library only.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable, Sequence

Command = Sequence[object]  # words; a path stands for itself


class Children:
    """`handles` are open files that children keep too: the lock of the set-up."""

    def __init__(self, handles: tuple[int, ...] = ()) -> None:
        self.handles = handles

    def run(self, command: Command, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a short command to its end; stdout and stderr come back together."""
        return subprocess.run(
            [str(word) for word in command],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment_of_installers(),
            pass_fds=self.handles,
        )

    def watch(self, command: Command, show: Callable[[str], None]) -> tuple[int, str]:
        """Run a long command; `show` gets each line, and "" twice a second while none comes."""
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment_of_installers(),
            pass_fds=self.handles,
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_pump, args=(child, lines), daemon=True).start()
        output: list[str] = []
        try:
            while (line := _next(lines)) is not None:
                output.append(line)
                show(line)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        return child.wait(), "\n".join(filter(None, output))


def environment_of_installers() -> dict[str, str]:
    """The caller's environment, less what would send packages elsewhere or keep no bytecode."""
    unwanted = {
        *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"),
        *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONDONTWRITEBYTECODE"),
    }
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"PIP_USER": "0", "PIP_NO_COLOR": "1", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def _pump(child: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert child.stdout is not None
    with child.stdout as stdout:
        for line in stdout:
            lines.put(line.rstrip() or " ")
    lines.put(None)


def _next(lines: queue.Queue[str | None]) -> str | None:
    """The next line, "" when none came for half a second, None at the end."""
    try:
        return lines.get(timeout=0.5)
    except queue.Empty:
        return ""
