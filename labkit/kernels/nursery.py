"""Starts a zygote and keeps it: it is ready some seconds later, and ends when its owner does."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from labkit.kernels import ADDRESS, DOOR, IMPORTS
from labkit.kernels.asking import NEWS_BYTES
from labkit.kernels.orders import Cold, zygote_environment
from labkit.paths import PACKAGE

END_SECONDS = 10.0
LOOK_SECONDS = 0.05


class Nursery:
    """A zygote whose kernels have this environment. Raises Cold where there can't be one.

    It does not wait. A kernel that is asked for before the zygote has imported all waits for it, at
    most `patience` seconds, and then starts cold.
    """

    def __init__(
        self, env: Mapping[str, str], imports: Sequence[str] = IMPORTS, patience: float = 0.0
    ) -> None:
        if sys.platform != "linux":
            raise Cold("warm kernels need Linux")
        self.failure: str | None = None
        self.patience = patience
        self._ready = False
        self._folder = Path(tempfile.mkdtemp(prefix="labkit-kernels-"))  # mode 700
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line = ours
        self._lock = threading.Lock()
        with theirs:
            self._process = start(theirs.fileno(), self._folder, env, imports)
        global current
        current = self

    @property
    def door(self) -> Path:
        """Where the zygote listens, for other processes of this user (`$LABKIT_ZYGOTE`)."""
        return self._folder / DOOR

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self, timeout: float | None = 0.0) -> bool:
        """Whether it forks kernels already, or does within so many seconds (None: wait for it).

        False for good, with a reason in `failure`, where it could not be made ready.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        while not self._settled() and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
        return self._ready and self._process.poll() is None

    def _settled(self) -> bool:
        with self._lock, suppress(BlockingIOError):  # a kernel waits on a thread of its own
            if not self._ready and self.failure is None:
                self._hear(self._line.recv(NEWS_BYTES, socket.MSG_DONTWAIT))
        return self._ready or self.failure is not None

    def _hear(self, data: bytes) -> None:
        news: dict[str, Any] = json.loads(data) if data else {}
        if "ready" in news:
            self._ready = True
        else:
            self.failure = news.get("failed", "the process ended while it imported")

    def close(self) -> None:
        """End the zygote and its kernels."""
        global current
        current = None if current is self else current
        self._line.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


current: Nursery | None = None


def start(
    number: int, folder: Path, env: Mapping[str, str], imports: Sequence[str]
) -> subprocess.Popen[bytes]:
    """The zygote's process, in a session of its own: Ctrl-C is its owner's to handle."""
    return subprocess.Popen(
        [sys.executable, "-m", "labkit.kernels.zygote", str(number), str(folder), *imports],
        cwd=PACKAGE.parent,
        env=zygote_environment(env),
        pass_fds=[number],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def find_door() -> Path:
    """Where the zygote of this process listens, or the one named to it. Raises Cold for none."""
    if current is not None:
        if not current.ready(current.patience):
            raise Cold(current.failure or "the warm process is not ready yet")
        return current.door
    if named := os.environ.get(ADDRESS):
        return Path(named)
    raise Cold("no warm process was started")
