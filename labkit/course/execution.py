"""Run a notebook in a fresh kernel of this very interpreter, and measure it.

Built on nbclient (one cell after another, the way a reader runs them) and psutil. `labkit build`
keeps the outputs, `labkit run` keeps the figures: seconds per cell from kernel start, peak memory.
A warm kernel (labkit/kernels) has imported torch before it starts: its seconds and memory are not
those of a reader, and must not be shown as such.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil

from labkit.course.workspace import kernel_environment
from labkit.kernels import PROVISIONER
from labkit.kernels.install import register

if TYPE_CHECKING:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbformat import NotebookNode

CELL_TIMEOUT_SECONDS = 1200.0  # a hang: the longest cell takes 30 on two quiet cores
SAMPLE_SECONDS = 0.2
TRACEBACK_LINES = 14

OnCell = Callable[[int, int, str], None]


class LessonError(RuntimeError):
    """A cell raised, ran too long, or its kernel died; `execution` holds what was measured."""

    execution: Execution


@dataclass(frozen=True)
class CellRun:
    """One code cell: its index in the notebook (markdown cells count too) and its seconds.

    On a busy machine `cpu_seconds` of the kernel tell more: a quiet one needs about as long, or
    less where two cores share the work.
    """

    index: int
    seconds: float
    cpu_seconds: float


@dataclass
class Execution:
    """What running a notebook took: seconds from kernel start, and megabytes (10^6 bytes)."""

    cells: list[CellRun] = field(default_factory=list)
    seconds: float = 0.0
    peak_rss_mb: float = 0.0


def kernel_env(work: Path, *, strict: bool) -> dict[str, str]:
    """The environment of a lesson's kernel whose progress goes to `work`.

    IPython's settings and history live in `work` as well, so that the author's own start-up files
    can't change an output. MPLBACKEND is left for the kernel to set: "agg" would show no figure.
    """
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    env |= kernel_environment(work)
    env["LABKIT_STRICT"] = "1" if strict else "0"
    env["PYTHONHASHSEED"] = "0"
    env["IPYTHONDIR"] = str(work / ".ipython")
    return env


def execute(
    notebook: NotebookNode,
    cwd: Path,
    env: Mapping[str, str],
    on_cell: OnCell | None = None,
    *,
    lesson: str = "notebook",
    timeout: float = CELL_TIMEOUT_SECONDS,
    warm: bool = False,
) -> Execution:
    """Run every code cell in a fresh kernel and keep the outputs in `notebook`.

    `on_cell(index, total, first_line)` is called as each cell starts. Raises LessonError, which
    names lesson, cell and first line, when a cell raises or runs longer than `timeout` seconds.
    `warm` takes the kernel from this process's Nursery, where it has one.
    """
    client = partial(_client, notebook, cwd, timeout, warm)
    return asyncio.run(_execute(client, env, on_cell, lesson))


async def _execute(
    make_client: Callable[[], NotebookClient],
    env: Mapping[str, str],
    on_cell: OnCell | None,
    lesson: str,
) -> Execution:
    execution = Execution()
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as console:
        client = make_client()
        try:
            with await _start(client, env, console, lesson) as memory:
                try:
                    await _run_cells(client, execution, on_cell, lesson, console)
                finally:
                    execution.seconds = time.perf_counter() - begun
                    execution.peak_rss_mb = memory.peak_mb()
        except LessonError as error:
            error.execution = execution
            raise
        finally:
            await _stop(client)
    return execution


def _client(notebook: NotebookNode, cwd: Path, timeout: float, warm: bool) -> NotebookClient:
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class ThisInterpreter(KernelSpecManager):
        """Whatever "python3" means on this machine, a lesson runs where labkit runs."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            spec = KernelSpec(argv=command, display_name="Python 3", language="python")
            if warm:
                register()
                spec.metadata["kernel_provisioner"] = {"provisioner_name": PROVISIONER}
            return spec

    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisInterpreter())
    resources = {"metadata": {"path": str(cwd)}}
    log = logging.getLogger(__name__)
    log.setLevel(logging.CRITICAL)  # every error is raised; the log would say it once more
    return NotebookClient(notebook, km=manager, timeout=timeout, resources=resources, log=log)


async def _start(
    client: NotebookClient, env: Mapping[str, str], console: IO[bytes], lesson: str
) -> PeakMemory:
    # The kernel's own console goes to a file: ipykernel chats there, and a crash leaves its words.
    await client.async_start_new_kernel(env=dict(env), stdout=console, stderr=console)
    memory = PeakMemory(_pid(client))
    try:
        await client.async_start_new_kernel_client()
    except RuntimeError as error:
        words = "\n  ".join([f"{lesson}: no kernel started ({error}).", *_last_words(console)])
        raise LessonError(words) from error
    return memory


def _pid(client: NotebookClient) -> int:
    from jupyter_client.provisioning import LocalProvisioner

    assert client.km is not None and isinstance(client.km.provisioner, LocalProvisioner)
    assert client.km.provisioner.pid is not None
    return client.km.provisioner.pid


async def _run_cells(
    client: NotebookClient,
    execution: Execution,
    on_cell: OnCell | None,
    lesson: str,
    console: IO[bytes],
) -> None:
    cells = client.nb.cells
    for index, cell in enumerate(cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        if on_cell is not None:
            on_cell(index, len(cells), first_line(cell.source))
        begun, cpu_begun = time.perf_counter(), _cpu_seconds(client)
        try:
            await client.async_execute_cell(cell, index)
        except Exception as error:
            _give_way_to_ctrl_c()
            where = f"{lesson}, cell {index} (`{first_line(cell.source)}`)"
            raise LessonError(f"{where} {_story(error, client, cell, console)}") from error
        finally:
            seconds = time.perf_counter() - begun
            used = max(0.0, _cpu_seconds(client) - cpu_begun)
            execution.cells.append(CellRun(index, seconds, used))


def _cpu_seconds(client: NotebookClient) -> float:
    with _gone_is_fine():
        used = psutil.Process(_pid(client)).cpu_times()
        return float(used.user + used.system)
    return 0.0


def _give_way_to_ctrl_c() -> None:
    # nbclient takes the cancelling that Ctrl-C causes for a kernel that died.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _story(error: Exception, client: NotebookClient, cell: NotebookNode, console: IO[bytes]) -> str:
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    if isinstance(error, CellTimeoutError):
        return f"ran longer than {client.timeout:g} seconds and was stopped."
    if isinstance(error, DeadKernelError):
        return "\n  ".join(["lost its kernel: the process died.", *_last_words(console)])
    if isinstance(error, CellExecutionError):
        return _raised(error, cell)
    raise error


def _last_words(console: IO[bytes]) -> list[str]:
    console.seek(0)
    words = console.read().decode(errors="replace").splitlines()
    return [line for line in words if not line.startswith("[IPKernelApp]")][-TRACEBACK_LINES:]


def _raised(error: CellExecutionError, cell: NotebookNode) -> str:
    outputs = [output for output in cell.outputs if output.output_type == "error"]
    if not outputs:
        return f"raised {error.ename}: {error.evalue}"
    shown = outputs[
        -1
    ]  # it names the error also where a repr raised, and the kernel's reply doesn't
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(shown.traceback)).splitlines()
    return "\n  ".join([f"raised {shown.ename}: {shown.evalue}", *plain[-TRACEBACK_LINES:]])


async def _stop(client: NotebookClient) -> None:
    """End the kernel and whatever it started, also after Ctrl-C or a crash."""
    from jupyter_client.utils import ensure_async

    if client.km is None or not client.km.has_kernel:
        return
    family = _family(_pid(client))
    if client.kc is not None:
        client.kc.stop_channels()
    await ensure_async(client.km.shutdown_kernel(now=False))
    for process in family:
        with _gone_is_fine():
            process.kill()


def first_line(source: str, width: int = 60) -> str:
    """The first line of a cell that says something: not a comment, not blank."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("#")] or lines or [""]
    return telling[0] if len(telling[0]) <= width else telling[0][: width - 1] + "…"


class PeakMemory:
    """Largest resident memory of a process and its children, sampled on a thread.

    The children's part is what the samples catch. The process's own part is exact on Linux, where
    the kernel keeps the high-water mark (VmHWM).
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._over.set()
        self._thread.join()

    def peak_mb(self) -> float:
        """Megabytes (10^6 bytes) at the highest moment so far."""
        self._sample()
        return self._peak / 1e6

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        together = 0
        for process in _family(self._pid):
            with _gone_is_fine():
                together += process.memory_info().rss
        self._peak = max(self._peak, together, _high_water_mark(self._pid))


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _high_water_mark(pid: int) -> int:
    """Bytes; 0 where the system doesn't keep the mark."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _gone_is_fine() -> suppress:
    return suppress(psutil.Error)
