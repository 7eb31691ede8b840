"""labkit new: a lesson that runs, checks, verifies and builds as it is; what is there stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit import paths

ROOT = paths.PACKAGE.parent
LESSON = "90_doubt"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "weights", "records")
FILES = {
    f"lessons/{LESSON}.py", f"lessons/{LESSON}.claims.yaml", f"quizzes/{LESSON}.yaml",
    f"solutions/{LESSON}.py", "labkit/challenges/doubt/__init__.py",
    "labkit/challenges/doubt/perplexity.py", "tests/gallery/doubt.py",
}  # fmt: skip


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the course in which a lesson may be begun; weights and records are linked."""
    root = tmp_path_factory.mktemp("clone")
    shutil.copytree(paths.PACKAGE, root / "labkit", ignore=LEFT_OUT)
    for part in ("models/weights", "experiments/records"):
        (root / "labkit" / part).symlink_to(paths.PACKAGE / part)
    for folder in ("lessons", "quizzes", "solutions"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("*.ipynb"))
    (root / "tests" / "gallery").mkdir(parents=True)
    for name in ("test_gallery.py", "answers.py"):
        shutil.copy(ROOT / "tests" / "gallery" / name, root / "tests" / "gallery")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root)
    return root


def labkit(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "LABKIT_WORK"}
    return subprocess.run(
        [sys.executable, "-m", "labkit", *words], cwd=clone, env=env, capture_output=True, text=True
    )


def files_in(root: Path) -> set[str]:
    found = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(root).as_posix() for path in found}


@pytest.mark.slow
def test_a_new_lesson_verifies_builds_and_runs(clone: Path) -> None:
    before = files_in(clone)
    done = labkit(clone, "new", LESSON)
    assert done.returncode == 0, done.stderr
    assert files_in(clone) - before == FILES
    for words in (
        ("verify", "--lesson", LESSON, "--seeds", "1"),
        ("build", LESSON),
        ("build", "--check", LESSON),
        ("run", LESSON, "--solved"),
    ):
        done = labkit(clone, *words)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    gallery = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "perplexity"]
    done = subprocess.run(
        [*gallery, "tests/gallery/test_gallery.py"], cwd=clone, capture_output=True, text=True
    )
    assert done.returncode == 0 and "7 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("evaluation", "'evaluation' is no lesson: expected a name such as 06_evaluation"),
        ("5_heat", "'5_heat' is no lesson"),
        ("06_Evaluation", "'06_Evaluation' is no lesson"),
        ("../06_x", "is no lesson"),
        ("05_heat", "number 05 is taken by 05_temperature"),
        ("91_temperature", "temperature/__init__.py is there already"),
    ],
)
def test_an_ill_named_or_taken_lesson_changes_nothing(clone: Path, name: str, said: str) -> None:
    before = files_in(clone)
    done = labkit(clone, "new", name)
    assert done.returncode == 2
    assert said in done.stderr and "Nothing was written." in done.stderr
    assert files_in(clone) == before
