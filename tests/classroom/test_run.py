"""A batch: every submission has its rows, whatever stops it in between, and none has two."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.challenges import challenges_of
from labkit.classroom.intake import Found, gather
from labkit.classroom.journal import InUse, Journal, read_entries
from labkit.classroom.pool import Job, begin_fresh, pool
from labkit.classroom.replies import Entry, Fault, Hello, Problem, line_of
from labkit.classroom.run import Batch, Report
from labkit.classroom.worker import Grader, Settings, grade_or_fault, known_lessons
from labkit.cli.grade import closing
from labkit.grading import check
from labkit.grading.proofs.recording import recorded_table
from labkit.grading.source import solutions
from labkit.paths import PACKAGE
from tests.classroom.handed_in import (
    CHALLENGES,
    LESSON,
    OpenZygote,
    check_sums,
    hand_in,
    notebook,
    right,
)

PROBLEM = Problem("It is a link.", 1)
HELLO = Hello("none", "p" * 64)


class HereEngine:
    """Grades in this process, and counts."""

    hello = HELLO

    def __init__(self, stop_after: int | None = None) -> None:
        self.grader = Grader(Settings(), OpenZygote())
        self.graded: list[str] = []
        self.stop_after = stop_after

    def run(self, jobs):
        for job in jobs:
            if len(self.graded) == self.stop_after:
                raise KeyboardInterrupt
            self.graded.append(job.key)
            yield job, grade_or_fault(self.grader, job.data, job.file, job.seed)


def run(path, engine=None, journal=None, seed=None, **options) -> Report:
    found = gather([str(path)], known_lessons())
    with Journal(journal) as kept:
        report = Batch(found, kept, Settings(**options), seed).grade(engine or HereEngine())
    check_sums(closing(report), map(asdict, report.rows()))
    return report


def marks(report: Report) -> dict[tuple[str, str], str]:
    return {(row.learner, row.challenge): row.outcome for row in report.rows()}


# ---- rows ----------------------------------------------------------------------------------------


def test_a_row_for_each_learner_and_challenge(tmp_path):
    half = notebook(*right("apply_temperature"), "def top_p_filter(logits, top_p): return logits")
    hand_in(tmp_path, alice=notebook(*right()), bob=half)

    report = run(tmp_path)

    rows = report.rows()
    assert [(row.learner, row.challenge) for row in rows] == [
        (learner, name) for learner in ("alice", "bob") for name in CHALLENGES
    ]
    assert {row.outcome for row in rows if row.learner == "alice"} == {"pass"}
    failed = next(row for row in rows if row.outcome == "fail")
    assert failed.case.startswith("top_p_filter(") and "expected" in failed.case
    assert {row.case for row in rows if row.outcome == "pass"} == {""}
    assert [row.outcome for row in rows if row.learner == "bob"] == [
        "pass",
        "not attempted",
        "not attempted",
        "fail",
    ]
    assert [row.points for row in rows] == [2, 2, 3, 3, 2, 0, 0, 0]
    assert {len(row.submission) for row in rows} == {len(row.checks) for row in rows} == {64}
    assert {row.isolation for row in rows} == {"none"}
    assert report.all_read


def test_a_mark_is_the_one_that_the_lesson_gives(tmp_path):
    wrong = "import torch\ndef apply_temperature(logits, temperature): return logits * temperature"
    hand_in(tmp_path, alice=notebook(wrong))
    space: dict = {}
    exec(wrong, space)
    from labkit.challenges import find_challenge

    verdict = check(find_challenge(LESSON, "apply_temperature"), space["apply_temperature"])

    row = run(tmp_path).rows()[0]

    assert (row.outcome, row.message) == (verdict.outcome, verdict.message)


def test_what_cannot_be_graded_is_one_row_and_stops_nothing(tmp_path):
    hand_in(
        tmp_path,
        alice=b"no notebook",
        bob=notebook(*right()),
        carol=notebook("x = 1", lesson=None),
    )
    (tmp_path / "carol" / f"{LESSON}.ipynb").rename(tmp_path / "carol" / "mine.ipynb")

    report = run(tmp_path)

    bad = [row for row in report.rows() if not row.challenge]
    assert [(row.learner, row.lesson, row.outcome) for row in bad] == [
        ("alice", LESSON, "error"),
        ("carol", "", "error"),
    ]
    assert "not a notebook" in bad[0].message and "alice" in bad[0].message
    assert "--lesson" in bad[1].message
    assert sum(row.learner == "bob" for row in report.rows()) == len(CHALLENGES)
    assert not report.all_read


def test_the_lesson_that_is_asked_for_overrides(tmp_path):
    hand_in(tmp_path, alice=notebook("x = 1", lesson="99_none"))
    engine = HereEngine()
    engine.grader.settings = Settings(lesson=LESSON)

    assert {row.lesson for row in run(tmp_path, engine, lesson=LESSON).rows()} == {LESSON}


def test_two_different_notebooks_of_one_learner_have_rows_of_their_own(tmp_path):
    data = notebook(*right("apply_temperature"))
    hand_in(tmp_path, alice=data, bob=data)
    (tmp_path / "alice" / f"{LESSON}-Copy1.ipynb").write_bytes(notebook("x = 1"))
    (tmp_path / "bob" / f"{LESSON}-Copy1.ipynb").write_bytes(data)

    learners = [row.learner for row in run(tmp_path).rows() if row.challenge == CHALLENGES[0]]

    assert learners[-1] == "bob", "the same bytes twice count once"
    assert learners[:2] == [f"alice [alice/{LESSON}{copy}.ipynb]" for copy in ("-Copy1", "")]


def test_two_hand_ins_of_one_name_in_two_folders_that_are_given_stay_two(tmp_path):
    for number in (1, 2):
        hand_in(tmp_path / str(number), alice=notebook(f"x = {number}"))
    found = gather([str(tmp_path / "1"), str(tmp_path / "2")], known_lessons())
    found = [replace(one, learner="alice") for one in found]

    with Journal(None) as journal:
        report = Batch(found, journal, Settings()).grade(HereEngine())

    rows = report.rows()
    assert len({(row.learner, row.challenge) for row in rows}) == len(rows) == 2 * len(CHALLENGES)


def test_no_row_tells_where_the_instructor_keeps_things(tmp_path):
    mine = f"def apply_temperature(*_): raise ValueError({str(PACKAGE / 'x.py')!r})"
    hand_in(tmp_path, alice=notebook(mine), bob=b"no notebook", carol=b"{")
    (tmp_path / "alice" / "copy.ipynb").write_bytes(notebook("x = 1"))
    engine = HereEngine()
    engine.grader.lessons = None  # a fault of the grader's own
    faulty = run(tmp_path / "alice", engine)

    said = str(run(tmp_path).rows())

    assert "…" in said and "bob/05_temperature.ipynb: " in said
    for place in (tmp_path, PACKAGE.parent):
        assert str(place) not in said and str(place) not in str(faulty.rows())


# ---- going on after a stop -----------------------------------------------------------------------


def without_seconds(report: Report) -> list[dict]:
    return [{**asdict(row), "seconds": 0} for row in report.rows()]


def class_of(root: Path, count: int) -> Path:
    names = ("apply_temperature", "min_p_filter")
    return hand_in(root, **{f"s{n}": notebook(f"# {n}", *right(*names)) for n in range(count)})


def test_a_stopped_run_goes_on_and_repeats_nothing(tmp_path):
    work, journal = class_of(tmp_path / "in", 5), tmp_path / "marks.json.journal"
    first, second = HereEngine(stop_after=3), HereEngine()

    with pytest.raises(KeyboardInterrupt):
        run(work, first, journal)
    with journal.open("ab") as file:
        file.write(b'{"key": "torn')
    report = run(work, second, journal)

    assert len(first.graded) == 3 and len(second.graded) == 2
    assert not set(first.graded) & set(second.graded)
    assert without_seconds(report) == without_seconds(run(work, seed=report.seed))
    third = HereEngine()
    run(work, third, journal)
    assert not third.graded


def test_equal_notebooks_are_graded_once(tmp_path):
    data = notebook(*right("apply_temperature"))
    work, engine = hand_in(tmp_path, alice=data, bob=data), HereEngine()

    report = run(work, engine)

    assert len(engine.graded) == 1
    assert {row.learner for row in report.rows()} == {"alice", "bob"}


@pytest.mark.parametrize("changed", ["isolation", "package"])
def test_what_a_mark_rests_on_makes_it_new(tmp_path, changed):
    work, journal = class_of(tmp_path / "in", 1), tmp_path / "journal"
    run(work, journal=journal)
    engine = HereEngine()
    engine.hello = replace(HELLO, **{changed: "another"})

    run(work, engine, journal)

    assert len(engine.graded) == 1


def test_a_fault_of_the_graders_own_is_tried_again_by_the_next_run(tmp_path):
    work, journal = class_of(tmp_path / "in", 1), tmp_path / "journal"
    engine = HereEngine()
    engine.grader.zygote = None

    report = run(work, engine, journal)

    (row,) = report.rows()
    assert row.outcome == "error" and "could not be graded" in row.message
    assert not report.all_read
    assert run(work, journal=journal).all_read


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.integers())), st.binary(), st.data())
def test_a_journal_cut_anywhere_keeps_its_whole_lines(entries, noise, data):
    lines = [line_of(Entry(key, Problem(key, seed))) for key, seed in entries]
    text = b"".join(lines)
    cut = data.draw(st.integers(0, len(text)))

    kept, whole = read_entries(text[:cut] + noise.replace(b"\n", b""))

    complete = text[:cut].count(b"\n")
    assert whole == len(b"".join(lines[:complete]))
    assert kept == {key: Problem(key, seed) for key, seed in entries[:complete]}


def test_damaged_lines_cost_only_themselves():
    fine = b'{"key": "a", "entry": {"problem": "It is a link.", "seed": 1}}\n'
    damaged = b'[1]\nx\n{"key": "b"}\n{"key": "c", "entry": {"problem": 1, "seed": 1}}\n\xff\n'

    entries, whole = read_entries(fine + damaged)

    assert entries == {"a": PROBLEM} and whole == len(fine + damaged)


def test_two_runs_do_not_write_the_same_file(tmp_path, monkeypatch):
    """By filelock, which has a way for every system: here without the one of this system's own."""
    import filelock  # it has taken its own way when it was imported

    assert filelock.FileLock is not filelock.SoftFileLock
    monkeypatch.setitem(sys.modules, "fcntl", None)
    path = tmp_path / "marks.csv.journal"
    with Journal(path) as first:
        first.add("a", PROBLEM)
        said = f"Another labkit grade is at work on {path}: wait for it to end."
        with pytest.raises(InUse, match=re.escape(said)), Journal(path):
            pass
    with Journal(path) as second:
        assert second.replies == {"a": PROBLEM}
        second.remove()
    assert not list(tmp_path.iterdir())


HOLDER = """
import sys, time
from pathlib import Path
from labkit.classroom.journal import Journal
from labkit.classroom.replies import Problem
with Journal(Path(sys.argv[1])) as journal:
    journal.add("a", Problem("It is a link.", 1))
    print("at work", flush=True)
    time.sleep(600)
"""


def test_a_run_that_is_killed_lets_go(tmp_path):
    path = tmp_path / "marks.csv.journal"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "at work\n"
        with pytest.raises(InUse), Journal(path):
            pass
        other.kill()
    with Journal(path) as journal:
        assert journal.replies == {"a": PROBLEM}


def test_a_journal_that_cannot_be_opened_is_let_go(tmp_path):
    path = tmp_path / "marks.csv.journal"
    path.mkdir()
    with pytest.raises(OSError), Journal(path):
        pass
    path.rmdir()
    with Journal(path) as journal:
        assert journal.replies == {}


# ---- workers -------------------------------------------------------------------------------------

STAND_IN = """
import json, os, sys
say = lambda **reply: print(json.dumps(reply), flush=True)
say(isolation="none", package="p")
while line := sys.stdin.buffer.readline():
    job = json.loads(line)
    data = sys.stdin.buffer.read(job["size"])
    if data == b"dies": os._exit(3)
    if data == b"dies once" and not os.path.exists(job["file"]):
        open(job["file"], "w").close()
        os._exit(3)
    if data == b"faults": say(fault="it is broken")
    say(problem=f"{os.getpid()} {len(data)}", seed=job["seed"])
"""


def size(reply):
    """How many bytes the stand-in has got."""
    return int(reply.problem.split()[1])


@pytest.fixture
def stand_in(monkeypatch):
    """Workers that answer without grading anything."""
    monkeypatch.setattr("labkit.classroom.pool.LINUX", False)
    monkeypatch.setattr(
        "labkit.classroom.pool.command", lambda settings: [sys.executable, "-c", STAND_IN]
    )


def test_every_job_has_its_reply(stand_in):
    jobs = [Job(str(number), "x", b"x" * number * 1000, 0) for number in range(50)]
    with pool(Settings(), 3) as workers:
        replies = list(workers.run(jobs))

    assert {job.key: size(reply) for job, reply in replies} == {
        job.key: len(job.data) for job in jobs
    }


def test_a_lost_worker_is_replaced_and_the_job_tried_once_more(stand_in, tmp_path):
    jobs = [
        Job("a", "x", b"fine", 0),
        Job("b", str(tmp_path / "was here"), b"dies once", 0),
        Job("c", "x", b"dies", 0),
        Job("d", "x", b"faults", 0),
        Job("e", "x", b"fine", 0),
    ]
    with pool(Settings(), 1) as workers:
        replies = {job.key: reply for job, reply in workers.run(jobs)}

    assert size(replies["a"]) == size(replies["e"]) == 4
    assert size(replies["b"]) == 9
    assert "ended" in replies["c"].fault
    assert replies["d"] == Fault("it is broken")
    assert len({replies[key].problem.split()[0] for key in "abe"}) == 3


def test_a_worker_that_takes_too_long_is_ended(stand_in, monkeypatch):
    monkeypatch.setattr("labkit.classroom.pool.PATIENCE", 0.2)
    monkeypatch.setattr("labkit.classroom.pool.END_SECONDS", 0.2)
    monkeypatch.setattr("labkit.classroom.pool.command", lambda _: [sys.executable, "-c", SLEEPER])
    with pool(Settings(), 1) as workers:
        ((_, reply),) = workers.run([Job("a", "x", b"", 0)])

    assert "ended" in reply.fault


SLEEPER = """
import time
print('{"isolation": "none", "package": "p"}', flush=True)
time.sleep(600)
"""


def test_jobs_that_cannot_be_read_stop_the_run_with_the_reason(stand_in):
    def jobs():
        yield Job("a", "x", b"", 0)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"), pool(Settings(), 2) as workers:
        list(workers.run(jobs()))


@pytest.mark.slow
def test_a_fresh_worker_grades_through_the_real_transport():
    worker = begin_fresh(Settings(trusted=True))
    try:
        hello = worker.meet()
        reply = worker.ask(Job("k", f"{LESSON}.ipynb", notebook("print('noise')", *right()), 0))
    finally:
        worker.close()

    assert "trusted" in hello.isolation
    assert [mark.outcome for mark in reply.marks] == ["pass"] * 4


# ---- the seed ------------------------------------------------------------------------------------


def table_of(name: str, seed: int) -> str:
    """A cell whose function knows what the reference answers under a seed, and nothing else."""
    challenge = challenges_of(LESSON)[name]
    table = recorded_table(challenge, solutions.reference(LESSON, name), [seed])
    TABLES[name] = table
    return f"from {__name__} import TABLES\n{name} = TABLES[{name!r}]"


TABLES: dict[str, object] = {}


def test_a_recorded_table_earns_its_points_under_its_own_seed_only(tmp_path):
    hand_in(tmp_path, mallory=notebook(*(table_of(name, 0) for name in CHALLENGES)))

    assert {row.outcome for row in run(tmp_path, seed=0).rows()} == {"pass"}
    assert sum(row.points for row in run(tmp_path).rows()) == 0


def test_each_run_has_a_seed_of_its_own_that_repeats_it(tmp_path):
    hand_in(tmp_path, alice=notebook(*right()))

    first, second = run(tmp_path), run(tmp_path)
    again = run(tmp_path, seed=first.seed)

    assert first.seed != second.seed and {row.seed for row in first.rows()} == {first.seed}
    assert without_seconds(again) == without_seconds(first)


def test_a_stopped_run_keeps_its_seed_and_another_seed_begins_anew(tmp_path):
    work, journal = class_of(tmp_path / "in", 3), tmp_path / "marks.json.journal"
    with pytest.raises(KeyboardInterrupt):
        run(work, HereEngine(stop_after=1), journal, seed=7)
    engine = HereEngine()

    assert run(work, engine, journal).seed == 7 and len(engine.graded) == 2
    assert run(work, engine, journal, seed=8).seed == 8 and len(engine.graded) == 5


def test_a_found_problem_needs_no_reading(tmp_path):
    found = Found("alice", tmp_path / "none", "there", "x.ipynb", problem="It is a link.")
    with Journal(None) as journal:
        report = Batch([found], journal, Settings()).grade(HereEngine())

    assert report.rows()[0].message == "x.ipynb: It is a link."
