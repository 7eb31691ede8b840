"""Seconds from the second `labkit lab` to the served notebook, and to its open page in Chromium.

The first start, which lays out the work folder, is not counted. The clock starts with the command;
the browser is up before, as a person's is.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from labkit import paths
from labkit.course.catalog import lessons
from tests.benchmarks.figures import Figure, median_of, show

RUNS = 3
LIMIT_SECONDS = 120.0
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def measure() -> list[Figure]:
    """Three starts each; the page only where a Chromium is installed."""
    notebook = lessons()[0].notebook.name
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        start(Path(folder), lambda url: wait_for_file(url, notebook))
        served = [
            start(Path(folder), lambda url: wait_for_file(url, notebook)) for _ in range(RUNS)
        ]
        figures = [median_of("second `labkit lab` to notebook served", "s", served, budget=10.0)]
        with page_opener(notebook) as opened:
            if opened is not None:
                seen = [start(Path(folder), opened) for _ in range(RUNS)]
                figures.append(median_of("second `labkit lab` to open notebook", "s", seen, 10.0))
    return figures


def start(folder: Path, wait: Callable[[str], None]) -> float:
    """Start the lab, wait for what is asked, stop it; returns the seconds until then."""
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "labkit", "lab", "--no-browser", f"--port={port}"]
    env = os.environ | {"LABKIT_WORK": str(folder / "work"), "JUPYTER_TOKEN": token}
    env |= {"JUPYTER_DATA_DIR": str(folder / "data"), "JUPYTER_RUNTIME_DIR": str(folder / "run")}
    with open(folder / "lab.log", "w") as log:
        begun = time.perf_counter()
        lab = psutil.Popen(command, env=env, cwd=paths.PACKAGE.parent, stdout=log, stderr=log)
        try:
            wait(f"http://127.0.0.1:{port}/{{}}?token={token}")
            return time.perf_counter() - begun
        except TimeoutError as error:
            raise SystemExit(f"{error}\n{(folder / 'lab.log').read_text()}") from None
        finally:
            stop(lab)


def stop(lab: psutil.Popen) -> None:
    """End the server and its kernels: politely, then not."""
    family = [lab, *lab.children(recursive=True)]
    lab.terminate()
    for process in psutil.wait_procs(family, timeout=20)[1]:
        process.kill()
    lab.wait()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_file(url: str, notebook: str) -> None:
    """Until the server hands out the notebook and the page that opens it."""
    page = f"lab/workspaces/labkit/tree/{notebook}"
    for path in (f"api/contents/{notebook}", page):
        wait_until(lambda path=path: answers(url.format(path)), path)  # type: ignore[misc]


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Ask again and again; TimeoutError when it is never ready."""
    end = time.monotonic() + LIMIT_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} was not there within {LIMIT_SECONDS:g} s")
        time.sleep(0.05)


def answers(url: str) -> bool:
    """True when the server answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@contextmanager
def page_opener(notebook: str) -> Iterator[Callable[[str], None] | None]:
    """What opens the notebook in a Chromium until its cells show; None without Chromium."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)

        def opened(url: str) -> None:
            wait_for_file(url, notebook)
            page = browser.new_page()
            page.set_default_timeout(LIMIT_SECONDS * 1000)
            page.goto(url.format(f"lab/workspaces/labkit/tree/{notebook}"))
            page.wait_for_selector(".jp-NotebookPanel .jp-Notebook .jp-Cell")
            page.close()

        yield opened
        browser.close()


if __name__ == "__main__":
    show(measure)
