"""A kernel's threads are chosen once, and only there."""

from __future__ import annotations

import os
import subprocess
import sys

CELL = """
import sys
import torch
from labkit.instruments import threads
from labkit.sharing import Load

class Beside(Load):
    def others(self):
        return float(sys.argv[1])

if sys.argv[2] == "kernel":
    threads.in_kernel = lambda: True
torch.set_num_threads(2)
most = threads.threads_of_torch()
import labkit.sharing
labkit.sharing.processors = lambda: [0, 1]
threads.share_processors(Beside())
print(torch.get_num_threads())
"""


def threads(others: float, where: str = "kernel", named: str = "") -> str:
    """How many compute; `named` is what the user has said in OMP_NUM_THREADS."""
    command, env = [sys.executable, "-c", CELL, str(others), where], os.environ.copy()
    env["OMP_NUM_THREADS"] = named
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=env
    ).stdout.strip()


def test_beside_one_busy_process_one_thread_computes() -> None:
    assert [threads(0.1), threads(1.0)] == ["2", "1"]


def test_what_the_user_says_wins() -> None:
    assert threads(1.0, named="2") == "2"


def test_a_program_that_is_not_a_kernel_is_left_as_it_is() -> None:
    assert threads(1.0, "program") == "2"
