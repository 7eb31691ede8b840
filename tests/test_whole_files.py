"""Whatever stops a writer half-way, under the name lies what was there before, whole."""

from __future__ import annotations

import ast
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from labkit.classroom.result_files import write_result
from labkit.cli import environment
from labkit.course import workspace
from labkit.experiments import Record, record
from labkit.grading.proofs import proof_cache
from labkit.grading.proofs.verify import Proof
from labkit.models import zoo
from labkit.whole_files import drafted, write_whole

ROOT = Path(__file__).resolve().parents[1]
BEFORE, AFTER = "before " * 1000, "after " * 2000


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_text_and_bytes_take_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    for content in ("é\n", b"\xff\r\n", ""):
        write_whole(path, content)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert names(tmp_path) == {"cards.json"}


def test_rights_are_kept_and_a_new_file_has_the_users_own(tmp_path: Path) -> None:
    plain, closed = tmp_path / "plain", tmp_path / "closed"
    plain.write_text("x")
    closed.touch(0o600)
    for path in (closed, tmp_path / "new"):
        write_whole(path, AFTER)
    rights = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert rights["closed"] == 0o600 and rights["new"] == rights["plain"]


def test_a_link_is_followed_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "page.html")
    write_whole(tmp_path / "link", AFTER)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "page.html").read_text() == AFTER
    os.mkfifo(tmp_path / "pipe")
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_whole(tmp_path / "pipe", AFTER)
    reader.join()
    assert heard == [AFTER]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt()])
def test_an_error_at_any_step_leaves_the_earlier_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, stop: BaseException
) -> None:
    path = tmp_path / "marks.csv"
    path.write_text(BEFORE)

    def stopped(*_: object) -> None:
        raise stop

    with monkeypatch.context() as patched, pytest.raises(type(stop)):
        patched.setattr(os, step, stopped)
        write_whole(path, AFTER)
    assert path.read_text() == BEFORE and names(tmp_path) == {"marks.csv"}


@pytest.mark.parametrize("name", ["nowhere/page.html", "x" * 300 + "/page.html", "folder"])
def test_an_error_names_the_file_and_no_draft(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as caught:
        write_whole(tmp_path / name, AFTER)
    assert str(tmp_path / name) in str(caught.value) and "draft" not in str(caught.value)
    assert names(tmp_path) == {"folder"}


def test_a_name_that_is_a_folder_by_now_is_named(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    with pytest.raises(OSError, match="page") as caught, drafted(tmp_path / "page", b"x"):
        pass
    assert "draft" not in str(caught.value) and names(tmp_path) == {"page"}


def test_a_draft_of_another_process_is_not_written_over(tmp_path: Path) -> None:
    """Two that write the same name: the last one wins, whole."""
    path = tmp_path / "marks.csv"
    both = [threading.Thread(target=write_whole, args=(path, text)) for text in (BEFORE, AFTER)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert path.read_text() in (BEFORE, AFTER) and names(tmp_path) == {"marks.csv"}


# ---- killed in the middle ------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from labkit.whole_files import write_whole
setattr(os, sys.argv[1], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
write_whole(Path(sys.argv[2]), "after " * 2000)
"""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_killed_writer_leaves_the_earlier_file(tmp_path: Path, step: str) -> None:
    path = tmp_path / "marks.csv"
    path.write_text(BEFORE)
    done = subprocess.run([sys.executable, "-S", "-c", KILLED, step, str(path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == BEFORE


def lesson(folder: Path) -> Path:
    path = folder / "05_lesson.ipynb"
    path.write_text(json.dumps({"cells": []}))
    return path


def rows(folder: Path) -> None:
    record.write(folder, "squares", Record(({"x": 1, "y": 2.0}, {"x": 2, "y": 4.0}), {"seed": 0}))


def proofs(folder: Path) -> None:
    proof_cache.save(folder / "proofs.json", "key", [Proof("c", "a", 0, "pass", "pass", "", 0.1)])


def stamp(folder: Path) -> None:
    environment.link_checkout(folder, folder)


WRITERS: dict[str, Callable[[Path], object]] = {
    "squares.csv": rows,
    "proofs.json": proofs,
    "labkit.pth": stamp,
    "checksums.json": zoo.write_checksums,
    "marks.csv": lambda folder: write_result(folder / "marks.csv", AFTER.encode()),
    ".labkit-work": lambda folder: workspace.lay_out([], folder, date(2026, 1, 1)),
    "copy.ipynb": lambda folder: workspace.write_copy(lesson(folder), folder / "copy.ipynb"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_leaves_the_earlier_file_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_text(BEFORE)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    try:
        WRITERS[name](tmp_path)
    except OSError as error:
        assert error.errno == errno.ENOSPC
    assert (tmp_path / name).read_text() == BEFORE
    assert not [path for path in names(tmp_path) if "draft" in path]


# ---- one way -------------------------------------------------------------------------------------

OWN_WAYS = {"write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "replace of a file"}
# What writes otherwise, and why.
ELSEWHERE = {
    "whole_files.py": "this is the one way",
    "grading/jail/layers.py": "the kernel's own files below /proc",
}


def writes_of(tree: ast.Module) -> set[str]:
    """The ways in which a module writes whole files; `os.replace` and a Path's, not a string's."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_os = isinstance(node.func.value, ast.Name) and node.func.value.id == "os"
            of_self = isinstance(node.func.value, ast.Name) and node.func.value.id == "self"
            one = len(node.args) == 1 and not node.keywords
            moved = node.func.attr == "replace" and (of_os or (one and not of_self))
            found.add("replace of a file" if moved else node.func.attr)
    return found & OWN_WAYS


def test_whole_files_are_written_in_one_way_only() -> None:
    modules = {str(p.relative_to(ROOT / "labkit")): p for p in (ROOT / "labkit").rglob("*.py")}
    own = {
        name: writes
        for name, path in modules.items()
        if (writes := writes_of(ast.parse(path.read_text("utf-8")))) and name not in ELSEWHERE
    }
    assert not own, "use labkit.whole_files.write_whole"
