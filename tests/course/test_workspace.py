"""Whatever the course publishes and whenever it starts, what a learner wrote stays."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit import paths
from labkit.course import workspace

TODAY = date(2026, 11, 20)
NAME = "05_temperature.ipynb"


def write(path: Path, source: str, output: str = "", lines: bool = False) -> Path:
    """A notebook of one cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = {
        "cell_type": "code",
        "source": source.splitlines(keepends=True) if lines else source,
        "outputs": [output],
    }
    path.write_text(json.dumps({"cells": [cell]}))
    return path


def read(path: Path) -> str:
    return workspace.source_of(json.loads(path.read_text())["cells"][0]["source"])


class Course:
    """A lesson as published, and the learner's folder."""

    def __init__(self, root: Path) -> None:
        self.lesson, self.work = root / "lessons" / NAME, root / "work"
        self.copy = self.work / NAME

    def publish(self, source: str) -> None:
        write(self.lesson, source)

    def start(self, day: date = TODAY) -> workspace.Laid:
        (laid,) = workspace.lay_out([self.lesson], self.work, day)
        return laid

    def sources(self) -> set[str]:
        return {read(path) for path in self.work.glob("*.ipynb")}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = Course(tmp_path)
    course.publish("first")
    return course


def test_the_first_start_copies(course: Course) -> None:
    assert course.start().what == "new"
    assert read(course.copy) == read(course.lesson) == "first"
    assert (course.work / paths.WORK_MARKER).exists()
    assert course.start().what == "kept"


def test_a_copy_shows_no_number_before_it_is_measured(course: Course) -> None:
    write(course.lesson, "first", output="0.41")
    course.start()
    (cell,) = json.loads(course.copy.read_text())["cells"]
    assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert "0.41" in course.lesson.read_text()


def test_a_damaged_lesson_is_given_as_it_is(course: Course) -> None:
    course.lesson.write_bytes(b"{half")
    course.start()
    assert course.copy.read_bytes() == b"{half"


def test_a_new_version_replaces_a_copy_that_was_only_run(course: Course) -> None:
    course.start()
    write(course.copy, "first", output="0.41", lines=True)
    course.publish("second")
    assert course.start().what == "updated"
    assert read(course.copy) == "second"


def test_a_new_version_is_put_beside_an_edited_copy_and_said_once(course: Course) -> None:
    course.start()
    write(course.copy, "mine")
    course.publish("second")
    said = course.start()
    assert said.copy == course.work / "05_temperature.new-2026-11-20.ipynb"
    assert "Yours is untouched" in str(said) and said.copy.name in str(said)
    assert (read(course.copy), read(said.copy)) == ("mine", "second")
    assert course.start().what == "kept"
    course.publish("third")
    assert str(course.start().copy).endswith("new-2026-11-20-2.ipynb")


def test_a_deleted_copy_comes_back_fresh(course: Course) -> None:
    course.start()
    course.copy.unlink()
    assert course.start().what == "new"


@pytest.mark.parametrize("damage", [b"", b"{", b'{"cells": [{}]}', b"\xff\xfe"])
def test_a_damaged_copy_is_not_touched(course: Course, damage: bytes) -> None:
    course.start()
    course.copy.write_bytes(damage)
    course.publish("second")
    assert course.start().what == "beside"
    assert course.copy.read_bytes() == damage


@pytest.mark.parametrize("record", ["", "{", "[]", '{"given": 3}'])
def test_without_a_readable_record_nothing_is_written_over(course: Course, record: str) -> None:
    course.start()
    write(course.copy, "mine")
    (course.work / paths.WORK_MARKER).write_text(record)
    course.publish("second")
    assert course.start().what == "beside"
    assert read(course.copy) == "mine"


moves = st.lists(
    st.tuples(st.sampled_from(["publish", "edit", "run", "start"]), st.sampled_from("abcd")),
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves)
def test_no_sequence_of_events_loses_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, str]]
) -> None:
    course = Course(tmp_path_factory.mktemp("course"))
    course.publish("a")
    course.start()
    mine: str | None = None
    given = course.sources()
    for move, letter in moves:
        if move == "publish":
            course.publish(letter)
        elif move == "edit":
            mine = f"mine {letter}"
            write(course.copy, mine)
        elif move == "run":
            write(course.copy, read(course.copy), output=letter)
        else:
            course.start()
            assert mine is None or read(course.copy) == mine
            given |= course.sources()
            assert read(course.lesson) in given, "the newest version has been given"


def test_only_copies_that_are_the_courses_own_are_signed(course: Course) -> None:
    course.start()
    assert workspace.untouched([course.lesson], course.work) == [course.copy]
    write(course.copy, "mine")
    assert workspace.untouched([course.lesson], course.work) == []


def test_kernels_stay_off_the_hub_unless_a_hub_model_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name)
    env = workspace.kernel_environment(tmp_path)
    assert (env["HF_HUB_OFFLINE"], env["OMP_WAIT_POLICY"]) == ("1", "PASSIVE")
    assert 0 < int(env["GOMP_SPINCOUNT"]) <= 100_000  # a moment
    assert env["LABKIT_WORK"] == str(tmp_path)
    monkeypatch.setenv("LABKIT_MODEL", "owner/name")
    assert "HF_HUB_OFFLINE" not in workspace.kernel_environment(tmp_path)
    monkeypatch.setenv("LABKIT_MODEL", "base")
    assert "HF_HUB_OFFLINE" in workspace.kernel_environment(tmp_path)


def test_what_the_user_set_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert workspace.kernel_environment(tmp_path)["OMP_WAIT_POLICY"] == "ACTIVE"
