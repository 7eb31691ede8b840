"""Children of a warm process: known by either descriptor, ended when who asked lets go."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from labkit.forking import Child, Children, threads, warm_up

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfd and /proc are Linux's")
SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def asked() -> Iterator[tuple[Child, socket.socket]]:
    """A child that waits to be killed, and the socket of who asked for it."""
    line, asker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", SLEEP], os.environ)
    child = Child(pid, os.pidfd_open(pid), line)
    with line, asker:
        yield child, asker
        child.kill()
    os.waitpid(pid, 0)
    os.close(child.pidfd)


def test_a_child_is_there_by_both_descriptors_and_once(asked) -> None:
    child, _ = asked
    children = Children[Child]()
    children.add(child)

    assert list(children) == [child]
    assert children.by_number == {child.pidfd: child, child.line.fileno(): child}


def test_its_end_and_its_askers_end_are_both_seen(asked) -> None:
    child, asker = asked
    children = Children[Child]()
    children.add(child)

    asker.close()
    assert children.ready() == [child.line.fileno()]
    children.forget(child.line.fileno())
    child.kill()
    assert children.ready() == [child.pidfd]
    children.forget(child.pidfd, child.line.fileno())
    assert list(children) == []


def test_another_socket_is_listened_to_as_well(asked) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        children = Children[Child]()
        children.add(asked[0])
        children.listen(ours)
        theirs.send(b"order")
        assert children.ready() == [ours.fileno()]


def test_who_asked_hears_news_or_is_gone(asked) -> None:
    child, asker = asked
    child.tell(status=-signal.SIGKILL)
    assert json.loads(asker.recv(100)) == {"status": -9}

    asker.close()
    child.tell(pid=1)


def test_threads_are_counted() -> None:
    before, done = threads(), threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    assert threads() == before + 1
    done.set()
    other.join()
    give_up = time.monotonic() + 10
    while threads() != before and time.monotonic() < give_up:
        time.sleep(0.001)
    assert threads() == before


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        warm_up(["no_such_module"])
