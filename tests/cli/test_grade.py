"""`labkit grade` as an instructor calls it: real workers, real jail, killed and interrupted."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from labkit.classroom.replies import Hello, Problem
from labkit.cli import grade
from labkit.paths import PACKAGE
from tests.classroom.handed_in import (
    CHALLENGES,
    LESSON,
    START,
    command,
    hand_in,
    labkit,
    notebook,
    outcomes,
    right,
)

SLOW = "import time\n\ntime.sleep(1.5)\n\ndef apply_temperature(logits, temperature): return 1"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    grade.add_arguments(parser)
    return grade.main(parser.parse_args(words))


# ---- usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "0"], "--jobs must be 1 or more, got 0"),
        (["--out", "marks.xlsx"], "--out must end in .csv or .json, got 'marks.xlsx'"),
        (["--out", "no/such/folder/marks.csv"], "there is no folder"),
        (["--out", "."], "--out must end in .csv or .json"),
        (["--feedback", __file__], "test_grade.py is a file; give the name of a folder"),
        (["--excel"], "--excel is about a .csv file"),
        (["--excel", "--out", "marks.json"], "--excel is about a .csv file"),
        (["--lesson", "05_temprature"], "did you mean 05_temperature?"),
        (["--engine", "dask"], "give both or neither"),
        (["--scheduler", "tcp://127.0.0.1:1"], "give both or neither"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_starts(words, said, capsys, monkeypatch):
    monkeypatch.setattr(grade, "engine", None)

    assert run("somewhere", *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["05_temperature", "05", "temperature"])
def test_a_lesson_by_any_of_its_names(asked):
    assert grade.lesson_named(asked) == LESSON


def test_the_help_page_says_what_exit_codes_mean(capsys):
    from labkit.cli import main

    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    assert "Exit code: 0" in capsys.readouterr().out


def test_workers_start_before_anybody_is_known(monkeypatch, tmp_path):
    """They are forked from this process, and learners' code may read all their memory."""
    order = []

    class Stop(Exception):
        pass

    def engine(args, settings):
        order.append("workers")
        return nullcontext()

    def gather(paths, lessons):
        order.append("learners")
        raise Stop

    monkeypatch.setattr(grade, "engine", engine)
    monkeypatch.setattr("labkit.classroom.intake.gather", gather)
    with pytest.raises(Stop):
        run(str(tmp_path))
    assert order == ["workers", "learners"]


def test_nothing_to_grade_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(grade, "engine", lambda args, settings: nullcontext())

    assert run(str(tmp_path)) == 2
    assert "No notebook" in capsys.readouterr().err


# ---- files ---------------------------------------------------------------------------------------


def arguments(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    grade.add_arguments(parser)
    return parser.parse_args(list(map(str, words)))


class NoEngine:
    """Grades nothing: every hand-in is a problem."""

    hello: ClassVar = Hello("none", "p")

    def run(self, jobs):
        for job in jobs:
            yield job, Problem("It is \u2713 \u674e.", job.seed)


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grade, "engine", lambda args, settings: nullcontext(NoEngine()))


@pytest.mark.usefixtures("no_engine")
def test_results_among_the_hand_ins_are_not_handed_in(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(hand_in(tmp_path, alice=notebook("x = 1"), bob=notebook("x = 2")))
    words = (".", "--out", "marks.csv", "--feedback", "pages", "--excel")

    for _ in range(3):
        assert run(*words) == 1
        (tmp_path / "marks.csv").write_text("changed by hand")

    assert "submissions graded, 2 not" in capsys.readouterr().err
    assert sorted(os.listdir("pages")) == ["alice.html", "bob.html"]
    kept = [path.read_text() for path in tmp_path.glob("marks.2*.csv")]
    assert kept == ["changed by hand"] * 2


@pytest.mark.usefixtures("no_engine")
def test_pages_do_not_go_among_hand_ins(tmp_path, capsys) -> None:
    hand_in(tmp_path, alice=notebook("x = 1"))

    assert run(str(tmp_path), "--feedback", str(tmp_path)) == 2
    assert "was handed in there; give a folder of its own" in capsys.readouterr().err


@pytest.mark.usefixtures("no_engine")
def test_pages_that_fail_cost_no_marks_and_can_be_had_again(tmp_path, monkeypatch, capsys) -> None:
    work, out = hand_in(tmp_path / "in", alice=notebook("x = 1")), tmp_path / "marks.csv"

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labkit.classroom.feedback.write_result", full)
    assert run(str(work), "--out", str(out), "--feedback", str(tmp_path / "pages")) == 1

    said = capsys.readouterr().err
    assert "1 page could not be written (the marks are all there)" in said and "No space" in said
    assert "alice" in out.read_text(encoding="utf-8") and Path(f"{out}.journal").exists()


@pytest.mark.usefixtures("no_engine")
def test_marks_that_cannot_be_written_are_kept_in_the_journal(
    tmp_path, monkeypatch, capsys
) -> None:
    work, out = hand_in(tmp_path / "in", alice=notebook("x = 1")), tmp_path / "marks.csv"

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labkit.classroom.rows.write_result", full)
    assert run(str(work), "--out", str(out)) == 2

    said = capsys.readouterr().err
    assert "marks.csv can't be written: No space left on device." in said
    assert "marks.csv.journal keeps what is graded" in said


def test_a_result_is_known_by_its_place(tmp_path) -> None:
    args = arguments("x", "--out", tmp_path / "marks.csv", "--feedback", tmp_path / "pages")
    ours = ("pages/alice.html", "pages", "marks.csv", "marks.2026-11-20-120000.csv")
    for name in (*ours, "marks.csv.journal", "marks.csv.journal.lock"):
        assert grade.is_result(tmp_path / name, args)
    for name in ("marks.ipynb", "alice/marks.csv", "marks2.csv", "pages2/x.ipynb"):
        assert not grade.is_result(tmp_path / name, args)


# ---- the real thing ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    crash = "def apply_temperature(logits, temperature):\n    import os\n    os._exit(0)"
    claims = json.loads(notebook("x = 1"))
    claims["cells"][0]["outputs"] = [{"output_type": "display_data", "data": {"text/plain": "✓"}}]
    claims["cells"][0]["metadata"] = {"nbgrader": {"points": 100, "grade": True}}
    return hand_in(
        tmp_path_factory.mktemp("class"),
        alice=notebook(START, "%matplotlib inline\n!ls", *right()),
        bob=notebook(*reversed(right()), "print('late')", "1 / 0"),
        carol=notebook(*right(), crash),
        dave=json.dumps(claims).encode(),
        erin=b"{",
        frank=notebook(f"def sample_next(*_): raise ValueError(str(set({list('abcdefgh')})))"),
    )


@pytest.mark.slow
def test_a_class_is_graded_whatever_is_in_it(class_folder: Path, tmp_path: Path) -> None:
    out, pages = tmp_path / "marks.json", tmp_path / "pages"

    done = labkit(class_folder, "--out", out, "--feedback", pages, "--jobs", 2)

    assert done.returncode == 1, done.stderr
    assert "5 of 6 submissions graded" in done.stderr and "trusted" in done.stderr
    assert "erin" in done.stderr
    got = outcomes(out)
    assert [got["alice", name] for name in CHALLENGES] == ["pass"] * 4
    assert [got["bob", name] for name in CHALLENGES] == ["pass"] * 4
    assert [got["carol", name] for name in CHALLENGES] == ["error", "pass", "pass", "pass"]
    assert [got["dave", name] for name in CHALLENGES] == ["not attempted"] * 4
    assert got["erin", ""] == "error"
    assert sorted(page.stem for page in pages.iterdir()) == sorted(os.listdir(class_folder))
    assert not list(tmp_path.glob("*.journal"))
    again = labkit(f"{class_folder}/*/*.ipynb", "--out", tmp_path / "again.json", "--jobs", 1)
    assert outcomes(tmp_path / "again.json") == got, again.stderr
    assert messages(tmp_path / "again.json") == messages(out), "sets have one order, every time"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked up in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_goes_on_where_it_was(tmp_path: Path, how: signal.Signals) -> None:
    work = hand_in(tmp_path / "in", **{f"s{n}": notebook(f"# {n}", SLOW) for n in range(5)})
    out, journal = tmp_path / "marks.json", tmp_path / "marks.json.journal"
    process = subprocess.Popen(
        command(work, "--out", out, "--jobs", 1), stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 2, process)
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, how)
    process.wait(timeout=60)
    wait_until(lambda: not [one for one in family if alive(one)])
    assert len(family) >= 2 and not out.exists()
    kept = [json.loads(line)["entry"] for line in journal.read_bytes().splitlines(True)[:2]]
    with journal.open("ab") as file:
        file.write(b'{"torn')

    done = labkit(work, "--out", out, "--jobs", 1)

    assert done.returncode == 0, done.stderr
    assert len(outcomes(out)) == 5 * len(CHALLENGES)
    seconds = {row["seconds"] for row in json.loads(out.read_text()) if row["learner"] == "s0"}
    assert seconds == {mark["seconds"] for mark in kept[0]["marks"]}, "it was not graded again"
    assert not journal.exists()


# As another user, for whom this Python is at its place even where it lies in a closed folder.
AS_NOBODY = """
set -e
mount --make-rprivate /
if [ -n "$CLOSED" ]; then
    mount --bind "$PREFIX" /mnt
    mount -t tmpfs -o mode=755 none "$CLOSED"
    mkdir -p "$PREFIX"
    mount --move /mnt "$PREFIX"
fi
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""


def closed_above(path: str) -> str:
    """The outermost folder on the way to a path that other users can't enter; "" where all can."""
    above = reversed(Path(path).resolve().parents)
    return next((str(each) for each in above if not each.stat().st_mode & stat.S_IXOTH), "")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder for everybody: pytest's own are for one user."""
    with tempfile.TemporaryDirectory(prefix="labkit-nobody-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.skipif(
    not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("setpriv")),
    reason="only root can become nobody, with setpriv",
)
def test_a_normal_user_grades_strangers(open_folder: Path) -> None:
    if closed_above(str(PACKAGE)):
        pytest.skip("labkit lies where nobody may go")
    mine = "def apply_temperature(*_):\n    return open('/etc/passwd').read()"
    work = hand_in(open_folder / "in", alice=notebook(*right()), mallory=notebook(mine))
    out, where = open_folder / "marks.json", {"HOME": str(open_folder), "PREFIX": sys.base_prefix}
    words = [sys.executable, "-m", "labkit", "grade", str(work), "--out", str(out), "--jobs", "1"]

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", AS_NOBODY, "sh", *words],
        env=os.environ | where | {"CLOSED": closed_above(sys.base_prefix)},
        capture_output=True,
        text=True,
    )

    if "can't hold hostile code" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_uid == 65_534
    got = outcomes(out)
    assert [got["alice", name] for name in CHALLENGES] == ["pass"] * 4
    assert got["mallory", "apply_temperature"] == "error"


def messages(path: Path) -> list[str]:
    return [row["message"] for row in json.loads(path.read_text(encoding="utf-8"))]


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(true, process: subprocess.Popen[bytes] | None = None) -> None:
    for _ in range(1200):
        if true():
            return
        assert process is None or process.poll() is None, "it ended before its time"
        time.sleep(0.05)
    pytest.fail("waited for a minute")
