"""Seconds of `import labkit`, and of a lesson's first line, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys

from labkit import paths
from tests.benchmarks.figures import Figure, median_of, show

RUNS = 10
TIMED = "import time; begun = time.perf_counter(); {statement}; print(time.perf_counter() - begun)"


def measure() -> list[Figure]:
    """The median of ten for each; the files are in the system's cache after the first."""
    return [
        median_of("import labkit", "s", seconds("import labkit"), budget=0.3),
        median_of("from labkit import Lab", "s", seconds("from labkit import Lab")),
    ]


def seconds(statement: str) -> list[float]:
    """One fresh interpreter per run, which times itself."""
    command = [sys.executable, "-c", TIMED.format(statement=statement)]
    here = paths.PACKAGE.parent
    done = (subprocess.run(command, capture_output=True, cwd=here, check=True) for _ in range(RUNS))
    return [float(run.stdout) for run in done]


if __name__ == "__main__":
    show(measure)
