"""Every claim of every lesson, with older processors' instructions and with this one's, on one
thread and on all: how much of its tolerance each has left where it has least.

A claim that keeps less than a quarter is a matter of luck on the next machine: its tolerance or its
experiment must change. That others run the lessons on another processor, this can't replace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

from labkit import paths
from labkit.course.catalog import lessons
from tests.benchmarks.figures import Figure, show

LEAST = 0.25  # of its tolerance
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
ONE = {"OMP_NUM_THREADS": "1"}
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "AVX2, one thread": AVX2 | ONE,
    "AVX2": AVX2,
    "one thread": ONE,
    "as it is": {},
}


def measure() -> list[Figure]:
    """The smallest margin of each claim, the narrowest first."""
    margins: dict[str, dict[str, float]] = {}
    for lesson in lessons():
        for setting, variables in SETTINGS.items():
            for name, margin in margins_of(lesson.id, variables):
                margins.setdefault(f"{lesson.number} {name}", {})[setting] = margin
    found = [figure(claim, at) for claim, at in margins.items()]
    return sorted(found, key=lambda each: each.value)


def figure(claim: str, at: Mapping[str, float]) -> Figure:
    """Where a claim has least."""
    setting = min(at, key=at.__getitem__)
    runs = tuple(round(margin, 3) for margin in at.values())
    return Figure(f"{claim} ({setting})", round(at[setting], 3), "", runs=runs, least=LEAST)


def margins_of(lesson: str, variables: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    """Each claim with the part of its tolerance that is left; below 0 it does not hold."""
    command = [sys.executable, "-m", "labkit", "run", lesson, "--json"]
    env = os.environ | dict(variables)
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=paths.PACKAGE.parent, env=env
    )
    if not done.stdout:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    print(
        f"{lesson}: {json.loads(done.stdout)['seconds']:.0f} s {dict(variables)}", file=sys.stderr
    )
    for claim in json.loads(done.stdout)["claims"]:
        yield claim["name"], margin(**claim)


def margin(value: float, around: float, within: float, **_: object) -> float:
    """1 in the middle, 0 at the edge."""
    off = abs(value - around)
    return 1 - off / within if within else float(off == 0)


if __name__ == "__main__":
    show(measure)
