"""Output reaches any terminal, in any encoding, and ends quietly where nobody reads it."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from labkit import cli
from labkit.cli import streams

SAY = """
import sys
from labkit import cli

def say(words):
    print("✓ José 李 " * 20_000)
    print("✓ 李", file=sys.stderr)
    return 0

cli.run_words = say
sys.exit(cli.main([]))
"""


def say(encoding: str = "utf-8", **options: object) -> subprocess.Popen[bytes]:
    """A command that says much, in a process of its own."""
    env = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-c", SAY]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "ascii:strict", "latin-1", "utf-8"])
def test_no_character_is_too_much_for_a_terminal(encoding: str) -> None:
    out, err = (process := say(encoding, stdout=subprocess.PIPE)).communicate()

    assert process.returncode == 0
    known, error = ("✓", "李") if encoding == "utf-8" else ("\\u2713", "\\u674e")
    assert out.decode(encoding.partition(":")[0]).count(known) == 20_000
    assert err.decode(encoding.partition(":")[0]).strip().endswith(error)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end another way there")
def test_a_closed_pipe_gives_no_traceback() -> None:
    with say(stdout=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end another way there")
def test_work_continues_when_nobody_reads_its_messages() -> None:
    with say(stdout=subprocess.PIPE) as process:
        process.stderr.close()
        said = process.stdout.read().decode()

    assert (process.returncode, said.count("José")) == (0, 20_000)


def test_another_broken_pipe_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_a_pipe(words: object) -> int:
        raise BrokenPipeError("of a worker")

    monkeypatch.setattr(cli, "run_words", break_a_pipe)
    with open(os.devnull, "w") as out, pytest.raises(BrokenPipeError, match="of a worker"):
        monkeypatch.setattr(sys, "stdout", out)
        cli.main([])


def test_closed_streams_drop_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)

    streams.make_robust()

    with sys.stdout, sys.stderr:
        print("✓")
        print("✓", file=sys.stderr)


def test_a_stream_of_another_kind_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream := io.StringIO())

    streams.make_robust()

    assert sys.stdout is stream
