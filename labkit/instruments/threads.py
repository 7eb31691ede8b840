"""Threads of torch: as many as processors are free when a kernel begins, and one for timing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from labkit.sharing import Load, threads_beside


def share_processors(load: Load) -> None:
    """Sets torch's threads in a notebook's kernel, by what others have used since `load` was made.

    They stay, so that what a kernel computes twice is the same twice. OMP_NUM_THREADS wins.
    """
    if not os.environ.get("OMP_NUM_THREADS") and in_kernel():
        torch.set_num_threads(threads_beside(load.others(), threads_of_torch()))


@cache
def threads_of_torch() -> int:
    """As many as torch takes by itself: one for each core."""
    return torch.get_num_threads()


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes on one thread, and afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_kernel() -> bool:
    """Whether a notebook runs here, and not a program that only uses the course."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None
