"""Lines between the grader's processes: what is written is read again, and nothing else is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.classroom.replies import (
    Entry,
    Failed,
    Fault,
    Hello,
    Mark,
    Marked,
    Problem,
    Started,
    entry_from,
    hello_from,
    line_of,
    reply_from,
    start_from,
)
from labkit.grading import Outcome

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
POINTS = st.integers(0, 9)
SECONDS = st.floats(0, 1e6)
MARKS = st.builds(
    Mark, TEXT, TEXT, st.sampled_from(Outcome), POINTS, POINTS, TEXT, TEXT, TEXT, SECONDS
)
TUPLES = st.lists(MARKS).map(tuple), st.lists(TEXT).map(tuple)
MARKED = st.builds(Marked, TEXT, TEXT, *TUPLES, st.integers(0, 10**12))


def mark(outcome: Outcome, points: int) -> Mark:
    return Mark("f", "F", outcome, points, 3, message="", line="", case="", seconds=0.5)


@given(MARKED | st.builds(Problem, TEXT, st.integers(0, 10**12)))
def test_what_is_kept_can_be_read_again(reply: Marked | Problem) -> None:
    assert line_of(reply).count(b"\n") == 1
    assert reply_from(line_of(reply)) == reply
    assert entry_from(line_of(Entry("k", reply))) == Entry("k", reply)


def test_each_line_is_known_by_its_fields() -> None:
    for said, read in {
        Hello("none", "p"): hello_from,
        Failed("no jail"): hello_from,
        Started(7): start_from,
        Fault("it broke"): reply_from,
    }.items():
        assert read(line_of(said)) == said


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[1]", b"\xff", b'{"fault": 1}', b'{"fault": "x", "problem": "y", "seed": 1}'],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        reply_from(line)


def test_half_a_character_costs_no_reply() -> None:
    assert reply_from(line_of(Fault("a\ud800b"))) == Fault("a?b")


def test_sums() -> None:
    reply = Marked("l", "c", (mark(Outcome.PASS, 3), mark(Outcome.FAIL, 0)), (), 1)

    assert (reply.right, reply.points, reply.worth) == (1, 3, 6)


def test_a_process_that_only_writes_loads_no_pydantic() -> None:
    """Learners' processes are forked from one that has imported the worker."""
    code = "import sys, labkit.classroom.foreman; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
