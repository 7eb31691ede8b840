from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from labkit import paths
from labkit.grading.source import solutions
from tests.halves import SOLUTIONS


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a course with reference answers to one lesson."""
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "01_halves.py").write_text(SOLUTIONS, encoding="utf-8")
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path)
    return tmp_path


def pasted(source: str) -> dict[str, Any]:
    """What a notebook has after a cell with this source was run."""
    names: dict[str, Any] = {}
    exec(compile(source, "cell", "exec", dont_inherit=True), names)
    return names


def test_the_reference_is_the_function_itself(course: Path) -> None:
    half = solutions.reference("01_halves", "half")
    assert half(3) == 1.5
    assert half.__doc__ == "Half the value."
    assert solutions.reference("01_halves", "half") is half, "loaded once"


def test_the_public_functions_are_the_names(course: Path) -> None:
    assert solutions.names("01_halves") == ("double", "half")
    assert solutions.names("02_thirds") == ()


def test_the_source_runs_when_pasted_and_holds_no_more_than_it_needs(course: Path) -> None:
    half = solutions.source("01_halves", "half")
    assert pasted(half)["half"](3) == 1.5
    assert "import" not in half and "UNUSED" not in half and "def double" not in half
    double = solutions.source("01_halves", "double")
    assert double.startswith("import math\n\n\ndef double(")
    assert pasted(double)["double"](3) == 6


def test_an_edited_file_is_loaded_anew(course: Path) -> None:
    assert solutions.reference("01_halves", "half")(2) == 1
    path = course / "solutions" / "01_halves.py"
    path.write_text(path.read_text().replace("TWO = 2", "TWO = 4"))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))
    assert solutions.reference("01_halves", "half")(2) == 0.5


def test_an_unknown_name_is_answered_with_the_nearest(course: Path) -> None:
    for ask in (solutions.reference, solutions.source):
        with pytest.raises(LookupError, match="no reference answer for 'halve': did you mean half"):
            ask("01_halves", "halve")
        with pytest.raises(LookupError, match="no reference answer for '_divide'"):
            ask("01_halves", "_divide")
        with pytest.raises(LookupError, match="there are none yet"):
            ask("02_thirds", "third")


@pytest.mark.parametrize(
    ("lesson", "name"),
    [
        (path.stem, name)
        for path in sorted(paths.solutions_dir().glob("[0-9]*.py"))
        for name in solutions.names(path.stem)
    ],
)
def test_every_reference_of_the_course_runs_when_pasted(lesson: str, name: str) -> None:
    function = pasted(solutions.source(lesson, name))[name]
    assert function.__doc__ == solutions.reference(lesson, name).__doc__
