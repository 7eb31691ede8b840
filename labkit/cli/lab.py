"""Open the course in JupyterLab: at its home, which knows the lesson you left, or at a lesson.

Your own copies of the lessons lie in work/. A newer version of a lesson never takes the place of
one that you edited: it is put beside it. The server listens on this machine only and asks for a
token, which is part of the address printed. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import paths
from labkit.cli import writable

if TYPE_CHECKING:
    from labkit.kernels.nursery import Nursery

HOST = "127.0.0.1"
FIRST_PORT = 8888
WARM_SECONDS = 20.0  # the first kernel waits for the warm process, but not forever


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to open and how."""
    parser.add_argument("--lesson", help="open at this lesson: 05, temperature or 05_temperature")
    parser.add_argument(
        "--port", type=int, help=f"listen on this port (default: from {FIRST_PORT} on)"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.add_argument(
        "--warm",
        action="store_true",
        help="kernels start with torch imported: sooner, and a class takes less memory (Linux)",
    )


def main(args: argparse.Namespace) -> int:
    """Lay out the work folder and run JupyterLab until Ctrl-C."""
    from labkit.course import workspace

    work = paths.work_dir()
    if blocked := first_blocked(work):
        print(blocked, file=sys.stderr)
        return 2
    try:
        notebook = notebook_of(args.lesson)
        lay_out(work)
    except (LookupError, OSError, sqlite3.Error) as error:
        print(message_of(error, work), file=sys.stderr)
        return 2
    if running := running_server(work, args.port):
        return show(address(running["url"], notebook, running["token"]), "is open already", args)
    if args.port is not None and not is_free(args.port):
        print(f"Port {args.port} is taken. Name another, or leave --port out.", file=sys.stderr)
        return 2
    os.environ.update(workspace.kernel_environment(work))
    return serve(work, notebook, args)


def first_blocked(work: Path) -> str:
    """What to tell where a folder can't be written without which nothing opens; else ""."""
    vital = (place for place in writable.places(work) if place.vital)
    return next(filter(None, (place.problem() for place in vital)), "")


def message_of(error: Exception, work: Path) -> str:
    """What went wrong, in words: of a file, in whose folder it lies and what helps there."""
    if isinstance(error, LookupError):
        return str(error.args[0])
    file = getattr(error, "filename", None)
    why = f"{getattr(error, 'strerror', None) or error}{f' ({file})' if file else ''}"
    ours, *theirs = writable.places(work)
    if isinstance(error, sqlite3.Error):  # Jupyter's signatures; the progress log takes care itself
        return theirs[0].blocked(why)
    within = (p for p in theirs if file and Path(os.fsdecode(file)).is_relative_to(p.path))
    return next(within, ours).blocked(why)


def notebook_of(asked: str | None) -> str:
    """The notebook of the lesson asked for; "" for the course's home."""
    from labkit.course import catalog

    if asked is None and catalog.lesson_paths():
        return ""
    lesson = catalog.find_lesson(asked or "")
    if not lesson.notebook.exists():
        raise LookupError(
            f"{lesson.notebook.name} is not built. Build it with:\n"
            f"  python3 -m labkit build {lesson.id}"
        )
    return lesson.notebook.name


def lay_out(work: Path) -> None:
    """Copy and sign the lessons; say what the learner should know of it."""
    from labkit.course import workspace

    lessons = paths.lesson_files(paths.lessons_dir(), ".ipynb")
    first_time = not (work / paths.WORK_MARKER).exists()
    laid = workspace.lay_out(lessons, work)
    beside = [item.copy for item in laid if item.what == "beside" and item.copy]
    workspace.trust([*workspace.untouched(lessons, work), *beside])
    if first_time:
        print(f"Your copies of the lessons are in {work}.")
    for item in laid:
        if item.what in ("updated", "beside") or (item.what == "new" and not first_time):
            print(item)


def running_server(work: Path, port: int | None) -> dict[str, Any] | None:
    """A server of this course that is up already, unless another port was asked for."""
    from jupyter_server.serverapp import list_running_servers

    for server in list_running_servers():
        same_work = Path(server.get("root_dir", "")).resolve() == work.resolve()
        if same_work and port in (None, server["port"]) and not is_free(server["port"]):
            return dict(server)
    return None


def is_free(port: int) -> bool:
    """True if nothing listens on this port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def address(url: str, notebook: str, token: str) -> str:
    """The address that opens a notebook, or the home, in a layout of the course's own."""
    return f"{url}{place(notebook)}?token={token}"


def place(notebook: str) -> str:
    """JupyterLab's path for a notebook; without one, the workspace of this name opens the home."""
    return "lab/workspaces/labkit" + (f"/tree/{notebook}" if notebook else "")


def show(url: str, what: str, args: argparse.Namespace) -> int:
    """Print the address, and open it unless told not to."""
    print(f"The course {what}: {url}", flush=True)
    if not args.no_browser:
        import webbrowser

        webbrowser.open(url)
    return 0


def serve(work: Path, notebook: str, args: argparse.Namespace) -> int:
    """JupyterLab in this process, until Ctrl-C or a signal ends it."""
    own_settings()
    from jupyterlab.labapp import LabApp

    server = LabApp.initialize_server(argv=server_options(work, notebook, args))
    server.log.addFilter(lambda record: "To access the server" not in str(record.msg))
    server.io_loop.add_callback(announce, server, notebook)  # after the one that binds the port
    # Jupyter's own handler asks for a second Ctrl-C in a terminal, and elsewhere leaves kernels.
    signal.signal(signal.SIGINT, lambda *_: server.stop(from_signal=True))
    with warm_kernels(server) if args.warm else nullcontext():
        server.start()
    print("The course is closed. Your work is saved as JupyterLab saved it.")
    return 0


def announce(server: Any, notebook: str) -> None:
    """Say where the course is, once it listens."""
    url = address(server.connection_url, notebook, os.environ["JUPYTER_TOKEN"])
    print(f"The course is open: {url}")
    print("Keep this window open while you work. Ctrl-C ends it.", flush=True)


@contextmanager
def warm_kernels(server: Any) -> Iterator[None]:
    """All kernels of this server come from a warm process, as soon as it is ready."""
    from labkit.kernels import install, nursery
    from labkit.kernels.orders import Cold

    try:
        warm = nursery.Nursery(os.environ, patience=WARM_SECONDS)
    except Cold as why:
        print(f"Kernels start cold: {why}.")
        yield
        return
    install.register(default=True)
    server.io_loop.add_callback(announce_kernels, server, warm)
    with warm:
        yield


def announce_kernels(server: Any, warm: Nursery) -> None:
    """Say when kernels start warm, or why they don't."""
    if warm.ready():
        print("Kernels start warm from now on.", flush=True)
    elif warm.failure:
        print(f"Kernels start cold: {warm.failure}.", flush=True)
    else:
        server.io_loop.call_later(1.0, announce_kernels, server, warm)


def own_settings() -> None:
    """Our settings and a token, by way of the environment: the user's Jupyter files stay theirs.

    The token is not given as an argument, since other users of a machine can read those.
    """
    found = os.environ.get("JUPYTER_CONFIG_PATH")
    ours = str(paths.PACKAGE / "jupyter")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [ours, found]))
    os.environ["JUPYTER_TOKEN"] = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)


def server_options(work: Path, notebook: str, args: argparse.Namespace) -> list[str]:
    """The command line of JupyterLab."""
    options = [
        f"--ServerApp.ip={HOST}",
        f"--ServerApp.port={args.port or FIRST_PORT}",
        f"--ServerApp.port_retries={50 if args.port is None else 0}",
        f"--ServerApp.root_dir={work}",
        f"--LabApp.default_url=/{place(notebook)}",
        f"--LabApp.extra_labextensions_path={paths.PACKAGE / 'jupyter' / 'labextensions'}",
        "--ServerApp.answer_yes=True",
        f"--Application.log_level={logging.WARNING}",
        f"--ServerApp.open_browser={not args.no_browser}",
    ]
    if "JUPYTERLAB_WORKSPACES_DIR" not in os.environ:
        options.append(f"--LabApp.workspaces_dir={work / '.jupyter' / 'workspaces'}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--ServerApp.allow_root=True")
    return options
