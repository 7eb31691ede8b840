"""The network guard: nothing may leave this machine while the tests run.

An audit hook refuses every connection, packet and name look-up that is not loopback, and writes it
to the file named by LABKIT_GUARD_LOG, so that swallowing the error does not hide it. Python imports
a module of this name at start-up from PYTHONPATH: kernels, servers and other Python children of the
tests are guarded too. `tests/conftest.py` installs it, and fails the suite if the log is not empty.

It does not see what labkit itself starts without PYTHONPATH: a command that has gone on in another
interpreter, the grading workers and their foreman. Learners' code is in the jail there, which has
no network; kernels get PYTHONPATH back.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from typing import Any

CONNECTING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
LOOKING_UP = {"socket.getaddrinfo", "socket.gethostbyname"}
LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost", socket.gethostname()}


def install() -> None:
    """Add the hook to this process, once."""
    if not getattr(sys, "_labkit_network_guard", False):
        sys._labkit_network_guard = True  # type: ignore[attr-defined]
        sys.addaudithook(watch)


def watch(event: str, args: tuple[Any, ...]) -> None:
    """Refuse and report what leaves loopback. Called for every audit event, so quick to say no."""
    if not event.startswith("socket."):
        return
    if event in CONNECTING:
        sock, address = args[0], args[1]
        inside = sock.family == getattr(socket, "AF_UNIX", None) or address is None
        if not inside and not is_loopback(host_of(address)):
            refuse(event, address)
    elif event in LOOKING_UP and not is_loopback(args[0]):
        refuse(event, args[0])


def host_of(address: Any) -> Any:
    """The host of a socket address; what is not of the internet kind stands for itself."""
    return address[0] if isinstance(address, tuple) and address else address


def is_loopback(host: Any) -> bool:
    """True for loopback addresses and for this machine's own names. 0.0.0.0 reaches only itself."""
    text = host.decode("utf-8", "replace") if isinstance(host, bytes) else host
    if text is None or text in LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(str(text).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def refuse(event: str, what: Any) -> None:
    """Write it down, then raise what a network that is not there would raise."""
    line = f"{event} {what!r} by {' '.join(sys.argv)[:200] or sys.executable}\n"
    log = os.environ.get("LABKIT_GUARD_LOG")
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(line)
    raise PermissionError(f"left loopback: {line.strip()}")


if os.environ.get("LABKIT_GUARD_LOG"):
    install()
