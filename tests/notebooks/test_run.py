"""labkit run: a lesson's figures, outcomes and claims, untouched and solved."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from nbformat import NotebookNode

from labkit.cli import main
from labkit.cli.run import Report, claim, table, warm_kernels
from labkit.course import notebooks
from labkit.course.catalog import Lesson, find_lesson
from labkit.kernels.nursery import Nursery

KEYS = ["lesson", "solved", "seconds", "peak_rss_mb", "cells", "outcomes", "claims"]


def edit(course: Path, old: str, new: str) -> None:
    text = course / "lessons" / "99_fixture.py"
    assert old in text.read_text()
    text.write_text(text.read_text().replace(old, new))


def without_pictures(course: Path) -> None:
    text = (course / "lessons" / "99_fixture.py").read_text()
    start, end = text.index('# %% tags=["figure"]'), text.index("# %%\n# NBVAL")
    (course / "lessons" / "99_fixture.py").write_text(text[:start] + text[end:])


@pytest.mark.parametrize(("options", "outcome"), [([], "not attempted"), (["--solved"], "pass")])
def test_json_has_the_agreed_form(
    course: Path, capsys: pytest.CaptureFixture[str], options: list[str], outcome: str
) -> None:
    without_pictures(course)
    assert main(["run", "fixture", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == KEYS
    assert found["lesson"] == "99_fixture"
    assert found["solved"] is bool(options)
    assert [cell["index"] for cell in found["cells"]] == [1, 2, 3, 4]
    assert 0 < sum(cell["seconds"] for cell in found["cells"]) < found["seconds"]
    assert 20 < found["peak_rss_mb"] < 1500
    assert found["outcomes"] == {"double": outcome, "never_checked": "not attempted"}
    assert found["claims"] == [
        {"name": "a quarter", "value": 0.25, "around": 0.25, "within": 0.01, "holds": True}
    ]


def test_the_learners_own_progress_is_left_alone(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(course)
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path / "own"))
    assert main(["run", "fixture"]) == 0
    assert not (tmp_path / "own").exists()


def test_a_claim_that_does_not_hold(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without_pictures(course)
    edit(course, "value = 0.25", "value = 2.5")
    assert main(["run", "fixture"]) == 1
    said = capsys.readouterr().out
    assert "99_fixture, stubs untouched" in said
    assert "double: not attempted" in said
    assert "a quarter: 2.5 (around 0.25, within 0.01) DOES NOT HOLD" in said
    assert "within the budget of 60" in said


def test_a_cell_that_raises_still_gives_the_figures_so_far(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_pictures(course)
    edit(course, "value = 0.25", "value = {}['gone']")
    assert main(["run", "fixture", "--json"]) == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert list(found) == KEYS
    assert [cell["index"] for cell in found["cells"]] == [1, 2, 3]
    assert found["outcomes"]["double"] == "not attempted"
    assert found["claims"] == []
    assert '99_fixture, cell 3 (`outcome = "pass" if double(2) == 4' in said.err
    assert "KeyError" in said.err


def test_all_lessons_give_a_list(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without_pictures(course)
    assert main(["run", "all", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [lesson["lesson"] for lesson in found] == ["99_fixture"]


@pytest.mark.skipif(sys.platform != "linux", reason="warm kernels need Linux")
def test_a_warm_run_gives_no_figures(
    course: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(course)
    edit(course, "value = 0.25", "import os; value = 0.25 if os.getppid() == ZYGOTE else 0.0")
    started: list[Nursery] = []

    def start(env: dict[str, str]) -> Nursery:
        started.append(Nursery(env, imports=("ipykernel.kernelapp",)))
        return started[0]

    monkeypatch.setattr("labkit.kernels.nursery.Nursery", start)
    monkeypatch.setattr("labkit.course.notebooks.to_notebook", notebook_of(started))
    assert main(["run", "fixture", "--warm", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == KEYS
    assert found["seconds"] is None and found["peak_rss_mb"] is None
    assert {cell["seconds"] for cell in found["cells"]} == {None}
    assert found["outcomes"]["double"] == "not attempted" and found["claims"][0]["holds"]
    assert not started[0].ready() and not psutil.pid_exists(started[0].pid)


def notebook_of(started: list[Nursery]) -> Callable[[Lesson], NotebookNode]:
    """The lesson's notebook, in which the zygote's process id stands for ZYGOTE."""
    plain = notebooks.to_notebook

    def made(lesson: Lesson) -> NotebookNode:
        notebook = plain(lesson)
        for cell in notebook.cells:
            cell.source = cell.source.replace("ZYGOTE", str(started[0].pid))
        return notebook

    return made


def test_without_a_warm_process_lessons_run_cold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with warm_kernels() as warm:
        assert not warm
    assert "Kernels start cold: warm kernels need Linux." in capsys.readouterr().err


def test_an_unknown_lesson(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "fixtura"]) == 2
    assert "did you mean 99_fixture?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "build"])
def test_a_damaged_header_names_the_line(
    course: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    edit(course, "minutes: 5", "minutes: soon")
    assert main([command, "fixture"]) == 2
    assert "99_fixture.py:5: jupyter.labkit.minutes" in capsys.readouterr().err


def test_a_run_over_the_budget_says_so() -> None:
    over = Report("05_temperature", False, seconds=61.0, peak_rss_mb=1600.5)
    assert "61 seconds from kernel start: OVER the budget of 60" in table(over)
    assert "1600.5 MB at the peak: OVER the budget of 1500" in table(over)
    longer = Report("09_lora", False, seconds=61.0, budget_seconds=find_lesson("09").budget_seconds)
    assert "within the budget of 120" in table(longer)


def test_a_warm_table_has_no_seconds() -> None:
    cells = [{"index": 1.0, "seconds": 0.5}]
    lines = {1: "import torch"}
    warm = Report("05_t", False, 61.0, 1600.5, cells, first_lines=lines, warm=True)
    assert "import torch" in table(warm) and "leave out --warm" in table(warm)
    assert "61" not in table(warm) and "0.5" not in table(warm) and "budget" not in table(warm)


def test_what_json_can_not_say_becomes_null() -> None:
    found = claim("x", {"value": float("nan"), "around": 1.0, "within": 0.1, "holds": False})
    assert found == {"name": "x", "value": None, "around": 1.0, "within": 0.1, "holds": False}
    assert "x: not a number (around 1, within 0.1) DOES NOT HOLD" in table(
        Report("05_t", True, claims=[found])
    )
