"""A whole lesson on SmolLM2-135M-Instruct, where it was fetched: every cell, in bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from labkit.course.catalog import find_lesson
from labkit.course.notebooks import to_notebook
from labkit.fetched import MODELS

LESSON, MOST_MB = "03_token_optimization", 3000  # the quickest; all: tests/benchmarks/real.py


@pytest.mark.slow
@pytest.mark.skipif(not MODELS["smollm2"].is_there, reason="smollm2 is not fetched")
def test_a_lesson_runs_to_its_end_on_the_real_model() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "run", LESSON, "--json"],
        env=os.environ | {"LABKIT_MODEL": "smollm2"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    cells = to_notebook(find_lesson(LESSON)).cells
    assert len(report["cells"]) == len([cell for cell in cells if cell.cell_type == "code"])
    assert report["claims"] and all(claim["holds"] is None for claim in report["claims"])
    assert report["peak_rss_mb"] < MOST_MB
