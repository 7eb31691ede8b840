"""`labkit lab --warm`: kernels come from a warm process, and a killed server leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.test_lab import command, environment, free_port, write_course
from tests.kernels.test_kernels import gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    write_course(tmp_path)
    port = free_port()
    env = environment() | {"JUPYTER_TOKEN": "known"}
    process = subprocess.Popen(
        command(port, "--warm"),
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process, port
    process.kill()
    process.communicate()


def ask(port: int, path: str, data: bytes | None = None) -> dict[str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data)
    request.add_header("Authorization", "token known")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return dict(json.loads(answer.read() or b"{}"))


def test_kernels_are_warm_and_none_outlives_a_killed_server(
    lab: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = lab
    server, said = psutil.Process(process.pid), []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if "Kernels start" in line:
            break
    assert said[-1] == "Kernels start warm from now on.\n", "".join(said)
    zygote = next(c for c in server.children() if "labkit.kernels.zygote" in c.cmdline())
    folder = zygote.cmdline()[4]
    before = {child.pid for child in server.children(recursive=True)}
    for _ in range(2):
        ask(port, "/api/kernels", data=b'{"name": "python3"}')
    kernels = {child.pid for child in zygote.children()} - before
    assert len(kernels) == 2
    family = [child.pid for child in server.children(recursive=True)]
    process.kill()
    process.wait()
    assert gone([*family, *kernels])
    assert not os.path.exists(folder)
