"""ruff, ruff format and mypy say nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check", "--no-cache"], id="ruff check"),
        pytest.param(["ruff", "format", "--check", "--no-cache"], id="ruff format"),
        pytest.param(["mypy"], id="mypy"),
    ],
)
def test_tool_has_no_complaint(command: list[str], tmp_path: Path) -> None:
    cache = ["--cache-dir", str(tmp_path)] if command == ["mypy"] else []
    done = subprocess.run(
        [sys.executable, "-m", *command, *cache], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
