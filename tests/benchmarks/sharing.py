"""Tuning steps beside other work: by a process that shares its machine as labkit/sharing.py has it,
and by one with what glibc, libgomp and torch do by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from labkit import paths, sharing
from labkit.variables import SHARING
from tests.benchmarks.figures import Figure, show

BUSY = "while True: pass"
STEPS = """
import sys, time
if sys.argv[1] == "shared":
    from labkit import sharing
    sharing.prepare_process()
    load = sharing.Load()
import torch
from labkit.models.zoo import load_model
if sys.argv[1] == "shared":
    torch.set_num_threads(sharing.threads_beside(load.others(), torch.get_num_threads()))
model, _ = load_model("base")
model.train()
torch.manual_seed(0)
ids, optimizer = torch.randint(5, 1000, (16, 128)), torch.optim.AdamW(model.parameters(), 1e-4)
began = time.perf_counter()
for step in range(20):
    batch = ids[:, : 64 + step * 37 % 64]
    optimizer.zero_grad()
    model(input_ids=batch, labels=batch).loss.backward()
    optimizer.step()
print(time.perf_counter() - began)
"""


def measure() -> list[Figure]:
    """Idle, beside one busy process for each core less one, and beside one for each core."""
    cores, figures = len(sharing.processors()), []
    idle = 0.0
    for count in sorted({0, cores - 1, cores}):
        with busy(count):
            shared, alone = steps("shared"), steps("by themselves")
        idle = idle or shared
        where = f"20 steps beside {count} busy processes"
        figures += [
            Figure(f"{where}, shared", round(shared, 2), "s"),
            Figure(f"{where}, of the time idle", round(shared / idle, 2), "x", 2.2),
            Figure(f"{where}, by themselves / shared", round(alone / shared, 2), "x"),
        ]
    return figures


def steps(how: str) -> float:
    """Seconds of a process of its own."""
    env = {k: v for k, v in os.environ.items() if k not in SHARING}
    command = [sys.executable, "-c", STEPS, how]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=paths.PACKAGE.parent, env=env
    )
    return float(done.stdout)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that compute without end meanwhile."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    show(measure)
