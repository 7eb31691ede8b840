"""Where the suite's time goes: processor seconds by folder, and the dearest tests.

Seconds of a processor are counted, of the test's process and of the children that it has waited
for: they say the same on an idle machine and on a busy one, and beside another worker.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import pytest

DEAREST = 10
PROPERTY = "processor_seconds"
STARTED = pytest.StashKey[float]()


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep the count from before the test's fixtures."""
    item.stash[STARTED] = processor_seconds()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Hand the seconds so far to the report, which travels to whoever sums up."""
    report = yield
    report.user_properties.append((PROPERTY, processor_seconds() - item.stash[STARTED]))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The timetable, where there is anything to save."""
    reports = [terminalreporter.getreports(outcome) for outcome in ("passed", "failed")]
    spent = seconds_of(chain.from_iterable(reports))
    if sum(spent.values()) < 60:
        return
    terminalreporter.section("processor seconds")
    for line in table(spent):
        terminalreporter.write_line(line)


def seconds_of(reports: Iterable[pytest.TestReport]) -> dict[str, float]:
    """Each test's seconds, its fixtures' included."""
    found: dict[str, float] = {}
    for report in reports:
        counts = [value for name, value in report.user_properties if name == PROPERTY]
        found[report.nodeid] = max([found.get(report.nodeid, 0.0), *counts])
    return found


def table(spent: dict[str, float]) -> list[str]:
    """Folders and the dearest tests, the dearest first."""
    folders: dict[str, float] = defaultdict(float)
    for test, seconds in spent.items():
        folders["/".join(test.split("::")[0].split("/")[:2])] += seconds
    rows = [("in all", sum(spent.values())), *by_cost(folders), *by_cost(spent)[:DEAREST]]
    return [f"{seconds:8.1f}  {name}" for name, seconds in rows]


def by_cost(spent: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(spent.items(), key=lambda each: -each[1])
