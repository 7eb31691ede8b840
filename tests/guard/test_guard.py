"""The guard itself: what it lets pass, what it refuses, and that the suite fails for it.

The addresses are of TEST-NET-1, which is nobody's, and the guard stops them before a packet leaves.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
OUTSIDE = "192.0.2.1"
REACH_OUT = f"import socket; socket.create_connection(('{OUTSIDE}', 80), timeout=1)"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of this test's own: what it provokes is not held against the suite."""
    path = tmp_path / "guard.log"
    monkeypatch.setenv("LABKIT_GUARD_LOG", str(path))
    return path


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.53", socket.gethostname()])
def test_this_machine_may_be_named(host: str, log: Path) -> None:
    socket.getaddrinfo(host, 80)
    assert not log.exists()


def test_loopback_may_be_reached(log: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    assert not log.exists()


def test_outside_is_refused_and_written_down(log: Path) -> None:
    with socket.socket() as visitor, pytest.raises(PermissionError, match="left loopback"):
        visitor.connect((OUTSIDE, 80))
    assert f"socket.connect ('{OUTSIDE}', 80)" in log.read_text()


def test_names_are_not_looked_up(log: Path) -> None:
    with pytest.raises(PermissionError):
        socket.getaddrinfo("example.invalid", 443)
    assert "example.invalid" in log.read_text()


def test_packets_are_not_sent(log: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        pytest.raises(PermissionError),
    ):
        udp.sendto(b"x", (OUTSIDE, 53))
    assert OUTSIDE in log.read_text()


def test_python_children_are_guarded_too(log: Path) -> None:
    child = subprocess.run([sys.executable, "-c", REACH_OUT], capture_output=True, text=True)
    assert "PermissionError: left loopback" in child.stderr
    assert OUTSIDE in log.read_text()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            f"try:\n        {REACH_OUT}\n    except OSError:\n        pass", id="in a test"
        ),
        pytest.param(
            f"subprocess.run([sys.executable, '-c', {REACH_OUT!r}], stderr=subprocess.DEVNULL)",
            id="in a child",
        ),
    ],
)
def test_the_suite_fails_even_if_the_refusal_is_swallowed(body: str, tmp_path: Path) -> None:
    suite = tmp_path / "tests"
    (suite / "guard").mkdir(parents=True)
    for name in ("conftest.py", "guard/sitecustomize.py"):
        (suite / name).write_text((TESTS / name).read_text())
    (suite / "test_it.py").write_text(f"import subprocess, sys\ndef test_it():\n    {body}\n")
    env = {k: v for k, v in os.environ.items() if k not in ("LABKIT_GUARD_LOG", "PYTHONPATH")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout
    assert re.search(rf"left loopback: socket\.\w+ '{OUTSIDE}' by ", done.stdout)
    assert "1 error" in done.stdout or "1 failed" in done.stdout
