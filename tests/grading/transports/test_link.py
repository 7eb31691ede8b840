"""How long a child is waited for: its own time counts, however many others want the processor."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from labkit.grading.transports import link
from labkit.grading.transports.link import GRACE, PATIENCE, Link, Patience
from labkit.grading.transports.wire import Channel, Late


class Watched(Link):
    """A link to nobody, whose child's files in /proc say what a test wants."""

    def __init__(self, channel, life):
        super().__init__(channel, life)
        self.computed = self.stood = 0.0

    def read(self, name):
        ticks = int(self.computed * link.TICKS)
        told = {
            "stat": f"7 (a) b) R {'0 ' * 10}{ticks} 0 0",
            "schedstat": f"0 {self.stood * 1e9:.0f} 1",
        }
        return told[name].encode()


@pytest.fixture
def child():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Watched(Channel(ours), theirs)


@pytest.mark.parametrize(
    ("passed", "computed", "stood", "counts"),
    [
        (4.0, 0.0, 0.0, 4.0),  # asleep
        (4.0, 4.0, 0.0, 4.0),  # alone on its processor
        (4.0, 1.0, 3.0, 1.0),  # beside three others
        (30.0, 1.5, 28.5, 1.5),  # beside a neighbour with many threads
        (4.0, 3.9, 3.9, 3.9),  # its own threads keep its main one waiting
        (100.0, 0.0, 100.0, 100.0 / PATIENCE),  # never had the processor: not for ever
    ],
)
def test_what_counts_of_the_time_that_passes(child, passed, computed, stood, counts):
    child.computed, child.stood = 2.0, 5.0
    child.begin()
    child.computed, child.stood = 2.0 + computed, 5.0 + stood

    assert child.own(passed) == pytest.approx(counts, abs=0.02)


def test_a_child_that_is_kept_waiting_is_waited_for(child):
    """Long past its time, which is read off its files; then it gets the processor, and is late."""
    began = time.monotonic()
    child.begin()

    def schedule():
        while (passed := time.monotonic() - began) < 1.5:
            child.stood = passed
            time.sleep(0.01)

    neighbours = threading.Thread(target=schedule)
    neighbours.start()
    with pytest.raises(Late):
        Patience(child, 0.1).receive()
    neighbours.join()

    assert 1.5 < time.monotonic() - began < 1.5 + 0.1 + GRACE + 2.0


def test_where_nothing_is_told_of_a_child_all_time_counts(child):
    child.read = lambda name: b""

    assert child.own(3.0) == 3.0
