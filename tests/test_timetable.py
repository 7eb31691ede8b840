"""The suite's timetable."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import timetable

SLOW = """
import subprocess, sys, time

def spend(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass

def test_dear():
    spend(0.3)

def test_dear_for_its_child():
    code = "import time\\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", code], check=True)

def test_cheap():
    pass
"""


def test_seconds_of_a_test_and_of_its_children_are_counted(tmp_path: Path) -> None:
    (tmp_path / "test_small.py").write_text(SLOW)

    class Reports:
        found: list[pytest.TestReport] = []  # noqa: RUF012

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            self.found.append(report)

    words = ["-q", "-p", "no:cacheprovider", "-p", "tests.timetable", "--rootdir", str(tmp_path)]
    assert pytest.main([*words, str(tmp_path)], plugins=[Reports()]) == 0
    spent = timetable.seconds_of(Reports.found)
    own, child, cheap = (spent[f"test_small.py::{name}"] for name in
                         ("test_dear", "test_dear_for_its_child", "test_cheap"))  # fmt: skip
    assert own > 0.2 and child > 0.4 and cheap < own  # counted in hundredths


def test_folders_and_the_dearest_tests_come_in_order() -> None:
    spent = {f"tests/a/test_x.py::t{n}": float(n) for n in range(12)}
    lines = timetable.table(spent | {"tests/b/test_y.py::u": 40.0, "tests/test_z.py::v": 0.5})
    assert [line.split() for line in lines[:4]] == [
        ["106.5", "in", "all"],
        ["66.0", "tests/a"],
        ["40.0", "tests/b"],
        ["0.5", "tests/test_z.py"],
    ]
    assert lines[4].split() == ["40.0", "tests/b/test_y.py::u"] and len(lines) == 4 + 10
