"""nbgrader and otter-grader on the same notebooks, each in an environment of its own.

The environments are made once, in the user's cache folder; torch is lent to them from this one.
nbgrader grades a class in one call, its cheapest way; otter grades a notebook per call.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.grading import processor_seconds, run
from tests.benchmarks.six import IMPORTS, answers

PINS = {"nbgrader": "nbgrader==0.9.6", "otter": "otter-grader==7.0.0"}
BATCH, SINGLE = 8, 3  # notebooks; they cost seconds each
ASKED = {
    "softmax": "assert torch.allclose(softmax(x), torch.softmax(x, 0))",
    "causal_mask": "assert causal_mask(5).equal(torch.ones(5, 5).tril().bool())",
    "top_k": "assert top_k([3, 1, 2], 2) == [3, 2]",
    "pair_counts": "assert pair_counts([1, 2, 1, 2]) == {'1,2': 2, '2,1': 1}",
    "warm_up": "assert abs(warm_up(5, 10, 0.1) - 0.06) < 1e-9",
    "lora_count": "assert lora_count(4, 5, 2) == 18",
}
INPUT = "import torch\nx = torch.randn(6)\n"
PAGE = {"nbformat": 4, "nbformat_minor": 5}
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
NBGRADER = """
c = get_config()
c.CourseDirectory.course_id = "six"
c.CourseDirectory.root = {root!r}
"""


def measure(folder: Path, ours: float) -> list[Figure]:
    """What a right notebook costs each, and how many of ours that is; `ours` in seconds."""
    batch = nbgrader(folder / "nbgrader")
    single = otter(folder / "otter")
    return [
        Figure("nbgrader, a class in one call", round(batch, 3), "s"),
        Figure("otter run, one at a time", round(single, 3), "s"),
        Figure("ours against nbgrader", round(batch / ours, 1), "x", least=40),
        Figure("ours against otter run", round(single / ours, 1), "x", least=120),
    ]


# ---- environments --------------------------------------------------------------------------------


def environment(name: str) -> Path:
    """The folder of a peer's programs; made at the first call."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "labkit-benchmarks" / PINS[name]
    made = folder / "made"
    if not made.exists():
        print(f"installing {PINS[name]} in {folder} ...", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        python = folder / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", PINS[name]], check=True)
        lend_packages(python)
        made.touch()
    return folder / "bin"


def lend_packages(python: Path) -> None:
    """What the peer does not have itself, torch above all, it finds among our packages."""
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    theirs = subprocess.run([python, "-c", where], check=True, capture_output=True, text=True)
    lent = Path(theirs.stdout.strip()) / "lent.pth"
    lent.write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")


def in_environment(programs: Path) -> dict[str, str]:
    """Variables with which a peer finds its own programs (nbgrader calls alembic by name)."""
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


# ---- nbgrader ------------------------------------------------------------------------------------


def nbgrader(root: Path) -> float:
    """Processor seconds per notebook of one `nbgrader autograde`."""
    programs = environment("nbgrader")
    command, variables = str(programs / "nbgrader"), in_environment(programs)
    root.mkdir(parents=True)
    (root / "nbgrader_config.py").write_text(NBGRADER.format(root=str(root)))
    write(root / "source" / "ps1" / "ps1.ipynb", nbgrader_cells())
    run([command, "generate_assignment", "ps1"], root, variables)
    for number in range(BATCH):
        write(root / "submitted" / f"s{number}" / "ps1" / "ps1.ipynb", nbgrader_cells(number))
    before = processor_seconds()
    run([command, "autograde", "ps1"], root, variables)
    used = processor_seconds() - before
    run([command, "export"], root, variables)
    scores = (root / "grades.csv").read_text().splitlines()
    column = scores[0].split(",").index("score")
    if [float(line.split(",")[column]) for line in scores[1:]] != [6.0] * BATCH:
        raise SystemExit(f"nbgrader gives a right notebook other marks:\n{scores}")
    return used / BATCH


def nbgrader_cells(number: int = 0) -> list[dict[str, Any]]:
    """An answer cell and a cell that is marked for each question."""
    made = [code(f"# {number}\n{IMPORTS}")]
    for name, source in answers().items():
        answer = {"grade": False, "locked": False, "solution": True, "grade_id": name}
        asked = {"grade": True, "locked": True, "solution": False, "grade_id": f"test_{name}"}
        marked = f"### BEGIN SOLUTION\n{source}\n### END SOLUTION" if not number else source
        made += [code(marked, answer), code(INPUT + ASKED[name], asked | {"points": 1})]
    return made


# ---- otter ---------------------------------------------------------------------------------------


def otter(root: Path) -> float:
    """Processor seconds per notebook of `otter run`."""
    programs = environment("otter")
    command, variables = str(programs / "otter"), in_environment(programs)
    for name, asked in ASKED.items():
        write_text(root / "tests" / f"{name}.py", otter_test(name, asked))
    run(
        [command, "generate", "-t", "tests", "-o", "asked.zip", "--no-environment"],
        root,
        variables,
    )
    sources = [IMPORTS, *answers().values()]
    used = 0.0
    for number in range(SINGLE):
        made = root / f"s{number}"
        write(made / "six.ipynb", [code(source) for source in (f"# {number}", *sources)])
        before = processor_seconds()
        words = ["run", "-a", "asked.zip", "-o", str(made), "--no-logo", str(made / "six.ipynb")]
        run([command, *words], root, variables)
        used += processor_seconds() - before
        tests = json.loads((made / "results.json").read_text())["tests"]
        if sum(test.get("score", 0) for test in tests) != 6:
            raise SystemExit(f"otter gives a right notebook other marks:\n{tests}")
    return used / SINGLE


def otter_test(name: str, asked: str) -> str:
    """A file of one test."""
    body = "\n".join(f"    {line}" for line in (INPUT + asked).splitlines())
    return f"""OK_FORMAT = False
from otter.test_files import test_case
name = {name!r}
points = 1
@test_case()
def asked({name}):
{body}
"""


# ---- notebooks -----------------------------------------------------------------------------------


def code(source: str, nbgrader: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A code cell."""
    about = {"nbgrader": {**nbgrader, "schema_version": 3}} if nbgrader else {}
    made = {"cell_type": "code", "metadata": about, "execution_count": None}
    return made | {"outputs": [], "source": source}


def write(path: Path, cells: Sequence[Mapping[str, Any]]) -> None:
    """A notebook of these cells."""
    named = [{**cell, "id": f"c{number}"} for number, cell in enumerate(cells)]
    write_text(path, json.dumps({**PAGE, "metadata": KERNEL, "cells": named}))


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
