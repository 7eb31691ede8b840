from __future__ import annotations

import argparse
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from labkit.cli import progress
from labkit.course.catalog import find_lesson
from labkit.course.progress import ProgressLog
from labkit.course.quiz import load_quiz


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    progress.add_arguments(parser)
    return progress.main(parser.parse_args(words))


QUESTIONS = len(load_quiz(find_lesson("05").quiz).questions)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProgressLog:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    log = ProgressLog()
    log.record("05_temperature", "05_temperature", "opened")
    log.record("05_temperature", "code-with-tests", "answer", "fail", 0, {"answer": "cold-once"})
    log.record("05_temperature", "facts-at-one", "answer", "committed", 1, {"answer": "50"})
    log.record("05_temperature", "apply_temperature", "hint", payload={"level": 0})
    log.record("05_temperature", "apply_temperature", "check", "pass", 2, {})
    return log


def test_a_table_of_lessons(log: ProgressLog, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "Lesson"
    row = next(row for row in rows if row.startswith("05 Temperature"))
    for column, cell in {
        "Questions answered": f"2 of {QUESTIONS} (1 right)",
        "Challenges passed": "1 of 4",
        "Hints used": "1",
        "Last opened": "20",
    }.items():
        assert row.index(cell, head.index(column)) == head.index(column)


def test_before_anything_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path / "work"))
    assert run() == 0
    assert "never" in capsys.readouterr().out
    assert run("--reset") == 0
    assert "Nothing has been recorded" in capsys.readouterr().out
    assert not (tmp_path / "work").exists(), "looking makes no folder"


def test_json(log: ProgressLog, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("05", "--json") == 0
    (lesson,) = json.loads(capsys.readouterr().out)
    assert lesson["lesson"] == "05_temperature"
    assert lesson["questions"]["code-with-tests"] == "fail"
    assert lesson["questions"]["softmax-by-hand"] is None
    assert lesson["challenges"]["apply_temperature"] == "pass"
    assert (lesson["hints"], lesson["points"]) == (1, 3)


def test_one_lesson_in_detail(log: ProgressLog, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("temperature") == 0
    assert "challenge apply_temperature: ✓ right" in capsys.readouterr().out


def test_an_unknown_lesson(log: ProgressLog, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("temprature") == 2
    assert "did you mean 05_temperature?" in capsys.readouterr().err


class Cells(HTMLParser):
    """The text of a page's table cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tag, self.texts = "", list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag

    def handle_data(self, data: str) -> None:
        if self.tag in ("th", "td"):
            self.texts.append(data)


def test_a_page(log: ProgressLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert run("--html", str(page)) == 0
    assert capsys.readouterr().out == ""
    html = page.read_text(encoding="utf-8")
    texts = Cells(html).texts
    start = texts.index("05 Temperature and sampling")
    assert texts[start + 1 : start + 4] == [f"2 of {QUESTIONS} (1 right)", "1 of 4", "1"]
    assert '<html lang="en">' in html and "<title>" in html and "http" not in html
    assert run("--html", str(tmp_path / "no" / "folder.html")) == 2
    assert "folder.html" in capsys.readouterr().err


def test_reset_keeps_a_backup_and_says_where(
    log: ProgressLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.record("06_other", "x", "answer", "pass")
    assert run("05_temperature", "--reset") == 0
    said = capsys.readouterr().out
    (backup,) = tmp_path.glob("progress.sqlite.backup-*")
    assert str(backup) in said
    assert [event.lesson for event in log.events()] == ["06_other"]
    assert len(ProgressLog(backup).events()) == 6
    assert run("--reset") == 0
    assert log.events() == []
