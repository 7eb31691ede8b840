from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from labkit.course import event_store
from labkit.course.event_store import SCHEMA, transaction, use_wal
from labkit.course.progress import ProgressLog

WRITER = """
import sys
from labkit.course.progress import ProgressLog
log = ProgressLog(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    log.record("01_halves", sys.argv[2], "answer", "fail", 0, {"number": number})
    print(number, flush=True)
"""


def writer(path: Path, item: str, count: int) -> subprocess.Popen[str]:
    """A process of its own that writes events, and says the number of each once it is recorded."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), item, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def numbers(log: ProgressLog, item: str) -> list[int]:
    return [event.payload["number"] for event in log.events(item=item)]


def test_what_is_recorded_is_read_back(log: ProgressLog) -> None:
    event = log.record("01_halves", "how-much", "answer", "pass", 1.0, {"answer": "41 %\u2713"})
    assert log.events() == [event]
    assert event.time.endswith("+00:00")
    assert ProgressLog(log.path).events() == [event]
    with closing(sqlite3.connect(log.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_events_are_found_by_lesson_item_and_kind(log: ProgressLog) -> None:
    log.record("01_halves", "a", "answer", "fail", 0)
    log.record("01_halves", "a", "hint")
    log.record("01_halves", "b", "answer", "pass", 1)
    log.record("02_thirds", "a", "answer", "pass", 1)
    assert [event.item for event in log.events("01_halves")] == ["a", "a", "b"]
    assert [event.kind for event in log.events("01_halves", "a")] == ["answer", "hint"]
    assert [event.lesson for event in log.events(kind="answer", item="a")] == [
        "01_halves",
        "02_thirds",
    ]
    latest = log.latest("01_halves", "a", "answer")
    assert latest and latest.outcome == "fail"
    assert log.latest("01_halves", "c") is None


def test_attempts_count_verdicts_only(log: ProgressLog) -> None:
    for kind, outcome in [
        ("answer", "fail"),
        ("answer", "pass"),
        ("check", "error"),
        ("check", "not attempted"),
        ("hint", None),
        ("claim", "holds"),
        ("solution", None),
    ]:
        log.record("01_halves", "a", kind, outcome)
    assert log.attempts("01_halves", "a") == 3


def test_reading_makes_no_file(log: ProgressLog) -> None:
    assert log.events() == []
    assert not log.path.parent.exists()


def test_the_default_is_the_learners_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path / "work"))
    ProgressLog().record("01_halves", "a", "opened")
    assert (tmp_path / "work" / "progress.sqlite").is_file()


def test_kill_9_in_the_middle_of_writing_loses_nothing_recorded(log: ProgressLog) -> None:
    with writer(log.path, "killed", 100_000) as process:
        start(process)
        assert process.stdout
        heard = [int(process.stdout.readline()) for _ in range(25)]
        process.send_signal(signal.SIGKILL)
        heard += map(int, process.stdout.read().split())
    assert process.returncode == -signal.SIGKILL
    found = numbers(log, "killed")
    assert found == list(range(len(found)))
    assert len(found) in (len(heard), len(heard) + 1)
    log.record("01_halves", "killed", "answer", payload={"number": len(found)})
    assert numbers(log, "killed") == [*found, len(found)]


def test_two_processes_at_once_lose_nothing(log: ProgressLog, said: list[str]) -> None:
    processes = [writer(log.path, item, 200) for item in ("left", "right")]
    for process in processes:
        start(process)
    assert [process.communicate(timeout=120) and process.returncode for process in processes] == [
        0,
        0,
    ]
    assert numbers(log, "left") == list(range(200))
    assert numbers(log, "right") == list(range(200))
    assert said == []


def test_threads_share_a_log(log: ProgressLog) -> None:
    def write(item: str) -> None:
        for number in range(20):
            log.record("01_halves", item, "answer", payload={"number": number})
            assert numbers(log, item)[-1] == number

    threads = [threading.Thread(target=write, args=(f"thread-{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.events()) == 120
    assert all(numbers(log, f"thread-{n}") == list(range(20)) for n in range(6))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_writes_to_the_same_log(log: ProgressLog) -> None:
    log.record("01_halves", "a", "opened")
    child = os.fork()
    if child == 0:
        log.record("01_halves", "child", "opened")
        os._exit(0)
    os.waitpid(child, 0)
    log.record("01_halves", "b", "opened")
    assert [event.item for event in log.events()] == ["a", "child", "b"]


# Damage


def fill(log: ProgressLog, count: int = 60) -> None:
    for number in range(count):
        log.record("01_halves", "before", "answer", payload={"number": number, "text": "x" * 300})


@pytest.mark.parametrize("damage", ["words", "cut", "middle", "head"])
def test_a_damaged_file_is_set_aside_and_said_once(
    log: ProgressLog, said: list[str], damage: str
) -> None:
    fill(log)
    content = bytearray(log.path.read_bytes())
    match damage:
        case "words":
            content[:] = b"this is no database, but a learner's notes\n" * 50
        case "cut":
            del content[len(content) // 2 :]
        case "middle":
            content[4096 : len(content) - 4096] = b"\xff" * (len(content) - 8192)
        case "head":
            content[:100] = b"\0" * 100
    log.path.write_bytes(content)

    fresh = ProgressLog(log.path, say=said.append)
    assert fresh.events() == []
    fresh.record("01_halves", "after", "answer")
    assert [event.item for event in fresh.events()] == ["after"]

    (aside,) = log.path.parent.glob("progress.sqlite.damaged-*")
    assert aside.read_bytes() == bytes(content)
    assert len(said) == 1
    assert aside.name in said[0] and "damaged" in said[0]


def test_damage_while_a_log_is_open(log: ProgressLog, said: list[str]) -> None:
    fill(log)
    log.path.write_bytes(b"overwritten" * 5000)
    log.record("01_halves", "after", "answer")
    assert [event.item for event in log.events()] == ["after"]
    assert len(said) == 1


def test_an_earlier_damaged_file_is_never_overwritten(log: ProgressLog, said: list[str]) -> None:
    for turn in range(3):
        log.path.parent.mkdir(exist_ok=True)
        log.path.write_bytes(b"no database %d" % turn * 100)
        ProgressLog(log.path, say=said.append).record("01_halves", "a", "opened")
    assert len(list(log.path.parent.glob("*damaged-*[0-9Z]"))) == 3
    assert len(said) == 3


def test_two_processes_that_find_the_damage_set_it_aside_once(log: ProgressLog) -> None:
    log.path.parent.mkdir()
    log.path.write_bytes(b"no database" * 500)
    processes = [writer(log.path, item, 20) for item in ("left", "right")]
    for process in processes:
        start(process)
    for process in processes:
        process.communicate(timeout=60)
    assert len(list(log.path.parent.glob("*damaged-*[0-9Z]"))) == 1
    assert numbers(log, "left") == numbers(log, "right") == list(range(20))


def test_a_late_process_leaves_the_new_file_as_it_is(
    log: ProgressLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have found the damage; nobody may rename what the other has begun since."""
    log.path.parent.mkdir()
    log.path.write_bytes(b"no database" * 500)
    both, named = threading.Barrier(2), event_store.beside

    def after_the_other(path: Path, what: str) -> Path:
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return named(path, what)

    monkeypatch.setattr(event_store, "beside", after_the_other)
    with ThreadPoolExecutor(2) as pool:
        for item in ("left", "right"):
            pool.submit(ProgressLog(log.path).record, "01_halves", item, "opened")
    assert len(list(log.path.parent.glob("*damaged-*[0-9Z]"))) == 1
    assert sorted(event.item for event in ProgressLog(log.path).events()) == ["left", "right"]


def test_a_file_deleted_under_an_open_log(log: ProgressLog) -> None:
    log.record("01_halves", "before", "opened")
    log.path.unlink()
    log.record("01_halves", "after", "opened")
    assert [event.item for event in ProgressLog(log.path).events()] == ["after"]


# No room, no right


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.name != "posix" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said_once_and_nothing_is_lost(small_disk: Path, said: list[str]) -> None:
    log = ProgressLog(small_disk / "progress.sqlite", say=said.append)
    log.record("01_halves", "0", "answer")
    room = os.statvfs(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (room.f_bavail * room.f_frsize))
    for number in range(1, 30):
        log.record("01_halves", str(number), "answer", payload={"text": "x" * 1000})
    assert len(said) == 1
    assert "can't be saved" in said[0] and "full" in said[0]
    everything = [str(number) for number in range(30)]
    assert [event.item for event in log.events()] == everything

    ballast.unlink()
    log.record("01_halves", "30", "answer")
    stored = ProgressLog(log.path).events()
    assert [event.item for event in stored] == [*everything, "30"]
    assert len(said) == 1


def test_a_disk_that_is_full_from_the_start(small_disk: Path, said: list[str]) -> None:
    path = small_disk / "progress.sqlite"
    ProgressLog(path).record("01_halves", "earlier", "answer")
    room = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(b"x" * (room.f_bavail * room.f_frsize))
    log = ProgressLog(path, say=said.append)
    assert [event.item for event in log.events()] == ["earlier"]
    log.record("01_halves", "now", "answer")
    assert [event.item for event in log.events()] == ["earlier", "now"]
    assert len(said) == 1


LIMITED = """
import resource, sys
from labkit.course.progress import ProgressLog
said = []
log = ProgressLog(sys.argv[1], say=said.append)
log.record("01_halves", "0", "answer")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
for number in range(1, 40):
    log.record("01_halves", str(number), "answer", payload={"text": "x" * 2000})
assert [event.item for event in log.events()] == [str(number) for number in range(40)]
assert len(said) == 1 and "can't be saved" in said[0], said
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.record("01_halves", "40", "answer")
"""


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_a_file_that_may_not_grow(log: ProgressLog) -> None:
    subprocess.run([sys.executable, "-c", LIMITED, str(log.path)], check=True)
    assert [event.item for event in log.events()] == [str(number) for number in range(41)]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder with a log in it that nothing can be written to, not even by root."""
    folder = tmp_path / "folder"
    folder.mkdir()
    ProgressLog(folder / "progress.sqlite").record("01_halves", "earlier", "answer")
    if os.name != "posix":
        pytest.skip("POSIX permissions")
    if os.geteuid() != 0:
        folder.chmod(0o500)
        (folder / "progress.sqlite").chmod(0o400)
        yield folder
        folder.chmod(0o700)
        return
    bind = ["mount", "--bind", str(folder), str(folder)]
    if subprocess.run(bind, capture_output=True).returncode:
        pytest.skip("mounting is not allowed")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_folder_is_said_once_and_what_is_there_is_read(
    read_only: Path, said: list[str]
) -> None:
    log = ProgressLog(read_only / "progress.sqlite", say=said.append)
    for item in ("a", "b"):
        log.record("01_halves", item, "answer")
    assert [event.item for event in log.events()] == ["earlier", "a", "b"]
    assert len(said) == 1
    assert "can't be saved" in said[0]
    assert [path.name for path in read_only.iterdir()] == ["progress.sqlite"]


def test_a_work_folder_that_cannot_be_made(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    log = ProgressLog(tmp_path / "file" / "progress.sqlite", say=said.append)
    log.record("01_halves", "a", "answer")
    assert [event.item for event in log.events()] == ["a"]
    assert len(said) == 1


def test_a_log_that_another_program_holds_waits_its_turn(log: ProgressLog) -> None:
    log.record("01_halves", "a", "answer")
    with closing(sqlite3.connect(log.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
        release.start()
        log.record("01_halves", "b", "answer")
        release.join()
    assert len(ProgressLog(log.path).events()) == 2


@pytest.mark.skipif(os.name != "posix", reason="a file system layer of SQLite for POSIX")
def test_without_shared_memory_the_rollback_journal_serves(tmp_path: Path) -> None:
    """As on a network drive: SQLite's own layer that locks with files has no shared memory."""
    path = tmp_path / "progress.sqlite"
    uri = f"{path.as_uri()}?vfs=unix-dotfile"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        use_wal(connection)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        with transaction(connection):
            connection.execute(SCHEMA)
    assert ProgressLog(path).events() == []


# Beginning anew


def test_reset_keeps_a_backup(log: ProgressLog) -> None:
    assert log.reset() is None
    log.record("01_halves", "a", "answer")
    log.record("02_thirds", "a", "answer")
    first = log.reset("01_halves")
    assert [event.lesson for event in log.events()] == ["02_thirds"]
    second = log.reset()
    assert log.events() == []
    assert first and second and first != second
    assert [event.lesson for event in ProgressLog(first).events()] == ["01_halves", "02_thirds"]
    assert [event.lesson for event in ProgressLog(second).events()] == ["02_thirds"]
    log.record("01_halves", "again", "answer")
    assert [event.item for event in log.events()] == ["again"]
