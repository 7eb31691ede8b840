"""A notebook in a fresh kernel: its figures, its errors, and nothing left behind."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import Any

import psutil
import pytest

from labkit import paths
from labkit.course.execution import LessonError, execute, first_line, kernel_env
from labkit.course.notebooks import from_text


def ran(tmp_path: Path, *cells: str, **options: Any) -> tuple[Any, Any]:
    notebook = from_text("\n\n".join(f"# %%\n{cell}" for cell in cells), "99_x")
    env = kernel_env(tmp_path, strict=True)
    return notebook, execute(notebook, tmp_path, env, lesson="99_x", **options)


def text_of(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def test_outputs_seconds_memory_and_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    seen: list[tuple[int, int, str]] = []
    probe = """
    import os, sys, labkit
    print(sys.executable)
    print(os.getcwd())
    names = ["LABKIT_WORK", "LABKIT_STRICT", "OMP_WAIT_POLICY", "HF_HUB_OFFLINE", "PYTHONHASHSEED"]
    print([os.environ[name] for name in names], os.environ["MPLBACKEND"])
    """.replace("\n    ", "\n").strip()
    notebook, execution = ran(
        tmp_path,
        probe,
        "block = b'x' * 150_000_000; del block",
        "import time; time.sleep(0.4)",
        "import subprocess; subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.1)'])",
        on_cell=lambda *progress: seen.append(progress),
    )
    executable, folder, settings = text_of(notebook.cells[0]).splitlines()
    assert executable == sys.executable
    assert Path(folder).resolve() == tmp_path.resolve()
    assert settings == (
        f"{[str(tmp_path), '1', 'PASSIVE', '1', '0']} module://matplotlib_inline.backend_inline"
    )
    assert [cell.index for cell in execution.cells] == [0, 1, 2, 3]
    assert 0.4 <= execution.cells[2].seconds < execution.seconds
    assert execution.peak_rss_mb > 150
    assert seen[1] == (1, 4, "block = b'x' * 150_000_000; del block")


def test_an_error_names_lesson_cell_line_and_traceback(tmp_path: Path) -> None:
    with pytest.raises(LessonError) as caught:
        ran(tmp_path, "x = 1", "# a comment\nvalues = {}\nvalues['gone']", "print('never')")
    said = str(caught.value)
    assert said.startswith("99_x, cell 1 (`values = {}`) raised KeyError: 'gone'")
    assert "----> 3 values['gone']" in said
    assert "\x1b" not in said
    assert [cell.index for cell in caught.value.execution.cells] == [0, 1]
    assert caught.value.execution.seconds > 0
    assert caught.value.execution.peak_rss_mb > 10


def test_an_error_in_a_repr_is_named_too(tmp_path: Path) -> None:
    card = "class Card:\n    def _repr_html_(self): raise ValueError('no table')\nCard()"
    with pytest.raises(LessonError, match=r"cell 0 \(`class Card:`\) raised ValueError: no table"):
        ran(tmp_path, card)


def test_a_cell_that_never_ends_is_stopped(tmp_path: Path) -> None:
    begun = time.perf_counter()
    with pytest.raises(LessonError, match=r"cell 0 \(`while True: pass`\) ran longer than 1 sec"):
        ran(tmp_path, "while True: pass", timeout=1)
    assert time.perf_counter() - begun < 30


def test_a_kernel_that_dies_leaves_its_last_words(tmp_path: Path) -> None:
    dying = "import os, sys; os.write(2, b'out of luck'); os.abort()"
    with pytest.raises(LessonError, match=r"cell 0 .* lost its kernel") as caught:
        ran(tmp_path, dying)
    assert "TCP without encryption" not in str(caught.value)


def test_a_kernel_that_never_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit('no kernel here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(LessonError, match=r"(?s)99_x: no kernel started.*no kernel here"):
        ran(tmp_path, "1")


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C can't be sent to one child")
def test_ctrl_c_ends_the_kernel_too(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from labkit.course.execution import execute, kernel_env
from labkit.course.notebooks import from_text
notebook = from_text("# %%\\nimport time; time.sleep(600)", "99_x")
work = Path({str(tmp_path)!r})
execute(notebook, work, kernel_env(work, strict=True), lambda *cell: print("running", flush=True))
"""
    command, here = [sys.executable, "-c", script], str(paths.PACKAGE.parent)
    process = psutil.Popen(command, stdout=PIPE, stderr=PIPE, text=True, cwd=here)
    assert process.stdout.readline() == "running\n"
    kernels = process.children()
    assert kernels
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors and "LessonError" not in errors
    assert not psutil.wait_procs(kernels, timeout=10)[1]


def test_no_process_stays_behind(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    notebook, _ = ran(
        tmp_path,
        "import subprocess, sys",
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
        "print(child.pid)",
    )
    child = int(text_of(notebook.cells[2]))
    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=5)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


def test_first_line_is_one_that_tells() -> None:
    assert first_line("# NBVAL_CHECK_OUTPUT\n\n  total = 1\nprint(total)") == "total = 1"
    assert first_line("# only a remark") == "# only a remark"
    assert first_line("") == ""
    assert first_line("y" * 90) == "y" * 59 + "…"
