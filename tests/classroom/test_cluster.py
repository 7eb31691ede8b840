"""Grading on a real cluster of processes: one that is killed loses nothing and doubles nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from distributed import LocalCluster

from labkit.classroom.cluster import BATCH, agreed, cluster, difference, in_batches
from labkit.classroom.pool import Job
from labkit.classroom.replies import Hello
from labkit.classroom.run import EngineError
from labkit.classroom.worker import Settings
from tests.classroom.handed_in import CHALLENGES, hand_in, labkit, notebook, outcomes, right


@pytest.fixture(autouse=True)
def environment_as_before() -> Iterator[None]:
    """dask sets OMP_NUM_THREADS and more for its workers, and leaves it so for all that comes."""
    before = os.environ.copy()
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def local(count: int, **options) -> LocalCluster:
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
        **options,
    )


@pytest.mark.slow
def test_a_killed_process_loses_nothing_doubles_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("labkit.classroom.cluster.BATCH", 2)
    wrong = "def apply_temperature(logits, temperature): return 1"
    jobs = [Job(f"k{n}", "05_temperature.ipynb", notebook(wrong, f"# {n}"), 0) for n in range(12)]
    got: Counter[str] = Counter()
    family: list[psutil.Process] = []
    with (
        local(2, local_directory=str(tmp_path)) as made,
        cluster(Settings(trusted=True), made.scheduler_address) as engine,
    ):
        for job, reply in engine.run(jobs):
            outcomes = [mark.outcome for mark in reply.marks]
            assert sorted(outcomes) == ["fail", *["not attempted"] * 3]
            got[job.key] += 1
            if not family:
                victim = psutil.Process(next(iter(engine.client.run(os.getpid).values())))
                family = [victim, *victim.children(recursive=True)]
                victim.kill()
        assert len(family) >= 3, "a process of the cluster, its grader, the grader's zygote"
        assert psutil.wait_procs(family, timeout=30)[1] == []

    assert got == Counter(job.key for job in jobs)


@pytest.mark.slow
def test_a_class_is_graded_on_a_cluster(tmp_path: Path) -> None:
    wrong = "def apply_temperature(logits, temperature): return logits"
    work = hand_in(tmp_path / "in", alice=notebook(*right()), bob=notebook(wrong), carol=b"{")
    with local(1, local_directory=str(tmp_path / "dask")) as made:
        address = made.scheduler_address
        out = tmp_path / "cluster.json"
        done = labkit(work, "--out", out, "--engine", "dask", "--scheduler", address)
    assert done.returncode == 1, done.stderr
    assert "2 of 3 submissions graded" in done.stderr
    got = outcomes(out)
    assert [got["alice", name] for name in CHALLENGES] == ["pass"] * 4
    assert got["bob", "apply_temperature"] == "fail" and got["carol", ""] == "error"


def test_no_scheduler_is_said_with_the_way_to_start_one(monkeypatch) -> None:
    monkeypatch.setattr("labkit.classroom.cluster.CONNECT_SECONDS", 0.3)
    with (
        pytest.raises(EngineError, match="dask worker tcp:"),
        cluster(Settings(), "tcp://127.0.0.1:1"),
    ):
        pass


def test_processes_that_differ_do_not_grade() -> None:
    one, other = (Hello(level, "p" * 64) for level in ("none", "landlock"))

    assert agreed({"a": one, "b": one}) == one
    with pytest.raises(EngineError, match=r"landlock.*none"):
        agreed({"a": one, "b": other})
    with pytest.raises(EngineError, match="has no workers"):
        agreed({})
    with pytest.raises(EngineError, match="tcp://b can't grade: no jail"):
        agreed({"a": one, "tcp://b": RuntimeError("no jail")})
    assert "pppppppppppp" in difference([one])


def test_batches_hold_every_job_once() -> None:
    jobs = [Job(str(n), "x", b"", 0) for n in range(2 * BATCH + 1)]

    batches = list(in_batches(jobs))

    assert [len(batch) for batch in batches] == [BATCH, BATCH, 1]
    assert [job for batch in batches for job in batch] == jobs
