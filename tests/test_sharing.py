"""Memory stays with the process, waiting threads give way, and no more compute than are free."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import sharing
from labkit.variables import SHARING
from tests.benchmarks.sharing import busy

FAULTS = """
import resource, sys
if sys.argv[1:]:
    from labkit import sharing
    assert sharing.keep_memory()
import torch

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(20):  # until the heap has room for what is alive at once
    torch.ones(10_000_000) + 1
before = faults()
for _ in range(20):
    torch.ones(10_000_000) + 1
print(faults() - before)
"""


def python(code: str, *words: str, **variables: str) -> str:
    """What a fresh Python says."""
    env = {name: value for name, value in os.environ.items() if name not in SHARING}
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env | variables)
    return done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_large_blocks_are_not_fetched_anew() -> None:
    assert 10 * int(python(FAULTS, "kept")) < int(python(FAULTS))


def test_lab_settles_before_torch_is_there_and_what_the_user_set_wins() -> None:
    said = "import sys; before = 'torch' in sys.modules\nfrom labkit import Lab; import os\n"
    said += f"print(before, *(os.environ[name] for name in {list(SHARING)}))"

    assert python(said).split() == ["False", *SHARING.values()]
    assert "ACTIVE" in python(said, OMP_WAIT_POLICY="ACTIVE")


def test_the_users_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "keep_memory", lambda: pytest.fail("it was changed"))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")

    sharing.prepare_process()


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="told by the system's own counters")
def test_others_are_seen_in_full_and_oneself_is_not() -> None:
    """All processors have something to do, and this process would like one too."""
    count = len(sharing.processors())
    with busy(count):
        load = sharing.Load()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            pass
        asked = load.others()

    assert asked > count - 0.5, "awake it would see less: its own share is missing"


@given(others=st.floats(0, 100), most=st.integers(1, 64))
def test_threads_are_one_for_each_free_processor(others: float, most: int) -> None:
    count = len(sharing.processors())
    threads = sharing.threads_beside(others, most)

    assert 1 <= threads <= most
    assert threads == most or threads == count - round(others)


def test_one_thread_fewer_for_each_busy_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "processors", lambda: [0, 1, 2, 3])

    assert [sharing.threads_beside(n, 4) for n in (0.2, 1.1, 2.9, 3.8, 9)] == [4, 3, 1, 4, 4]
