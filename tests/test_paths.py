"""Lessons by their names: every command takes all of them, and answers an unknown one alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.cli import build, grade, lab, verify
from labkit.course.catalog import find_lesson
from labkit.paths import lesson_files, lesson_named

IDS = ("00_start_here", "05_temperature", "15_mixture_of_experts")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("05_temperature", "05_temperature"),
        ("05", "05_temperature"),
        ("5", "05_temperature"),
        ("temperature", "05_temperature"),
        ("lessons/05_temperature.ipynb", "05_temperature"),
        (Path("solutions/05_temperature.py"), "05_temperature"),
        ("0", "00_start_here"),
        ("15", "15_mixture_of_experts"),
    ],
)
def test_a_lesson_has_many_names(asked: str | Path, meant: str) -> None:
    assert lesson_named(asked, IDS) == meant


@pytest.mark.parametrize("asked", ["", "1", "99", "-5", "start", "05_"])
def test_an_unknown_name_is_an_error(asked: str) -> None:
    with pytest.raises(LookupError, match=f"There is no lesson '{asked}': "):
        lesson_named(asked, IDS)


def test_the_nearest_are_named() -> None:
    with pytest.raises(LookupError, match=r"no lesson '05_temprature': did you mean 05_temperat"):
        lesson_named("05_temprature", IDS)
    with pytest.raises(LookupError, match=r"no lesson with challenges '5': there are none yet"):
        lesson_named("5", (), "lesson with challenges")


def test_files_of_lessons(tmp_path: Path) -> None:
    names = (
        "15_mixture.py",
        "05_temperature.py",
        "05_temperature.ipynb",
        "5_short.py",
        "helper.py",
    )
    for name in (*names, "05_.py", "05_Temperature.py", "05_temperature.claims.yaml"):
        (tmp_path / name).touch()
    found = [path.name for path in lesson_files(tmp_path, ".py")]
    assert found == ["05_temperature.py", "15_mixture.py"]


COMMANDS: dict[str, Callable[[str], str]] = {
    "verify --lesson": lambda asked: verify.lessons_to_verify(asked)[0],
    "grade --lesson": grade.lesson_named,
    "run, build": lambda asked: build.chosen([asked])[0].id,
    "lab --lesson": lambda asked: Path(lab.notebook_of(asked)).stem,
    "progress, Lab": lambda asked: find_lesson(asked).id,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("asked", ["5", "05", "temperature", "05_temperature"])
def test_every_command_takes_every_name(command: str, asked: str) -> None:
    assert COMMANDS[command](asked) == "05_temperature"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("asked", ["", "99", "05_temprature"])
def test_every_command_answers_an_unknown_name(command: str, asked: str) -> None:
    with pytest.raises((LookupError, grade.Usage), match=r"There is no lesson .*: "):
        COMMANDS[command](asked)
