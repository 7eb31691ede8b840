"""The process from which workers are forked: what it says, where it can't, and that it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from labkit.classroom.pool import LINUX, Job, foreman_command, pool
from labkit.classroom.replies import Problem
from labkit.classroom.settings import Settings
from labkit.grading.transports.launching import ZygoteError
from tests.classroom.handed_in import LESSON, hand_in, notebook

pytestmark = pytest.mark.skipif(not LINUX, reason="elsewhere nothing is forked")
NO_JAIL = 'import os; os.write({}, b\'{{"failed": "there is no jail"}}\\n\')'
ECHO = """
import json, sys
print(json.dumps({"isolation": "none", "package": "p"}), flush=True)
for line in sys.stdin.buffer:
    size = json.loads(line)["size"]
    sys.stdin.buffer.read(size)
    print(json.dumps({"problem": str(size), "seed": 0}), flush=True)
"""
SLOW = "import time\ndef apply_temperature(logits, temperature): time.sleep(60)"


def instead(monkeypatch, code):
    """This in the foreman's place; it gets the file descriptor of the first worker's replies."""

    def command(settings, pipes):
        return [sys.executable, "-c", code.format(pipes[0][1])]

    monkeypatch.setattr("labkit.classroom.pool.foreman_command", command)


def test_what_keeps_a_jail_from_being_made_is_told(monkeypatch):
    instead(monkeypatch, NO_JAIL)
    with pytest.raises(ZygoteError, match="there is no jail"), pool(Settings(), 2):
        pass


def test_where_none_can_be_forked_workers_are_started_afresh(monkeypatch):
    instead(monkeypatch, "pass # {}")
    monkeypatch.setattr(
        "labkit.classroom.pool.command", lambda settings: [sys.executable, "-c", ECHO]
    )
    with pool(Settings(), 2) as workers:
        replies = [reply for _, reply in workers.run([Job("a", "x", b"12345", 0)])]

    assert replies == [Problem("5", 0)]


def test_it_is_told_nothing_but_how_to_grade():
    words = " ".join(foreman_command(Settings(LESSON, trusted=True), [(7, 8)]))

    assert f"Settings(lesson='{LESSON}', trusted=True)" in words and "[(7, 8)]" in words


def test_whoever_asks_is_killed_and_nothing_goes_on(tmp_path):
    work = hand_in(tmp_path, alice=notebook(SLOW))
    command = [sys.executable, "-m", "labkit", "grade", str(work), "--jobs", "1", "--trusted"]
    asking = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    family: list[psutil.Process] = []
    give_up = time.monotonic() + 60
    while len(family) < 5 and time.monotonic() < give_up:  # foreman, worker, zygote (2), child
        family = psutil.Process(asking.pid).children(recursive=True)
        time.sleep(0.05)
    os.kill(asking.pid, signal.SIGKILL)
    asking.wait()

    assert len(family) >= 4
    assert psutil.wait_procs(family, timeout=30)[1] == []
