"""Whatever comes in has its rows, nobody's are another's, and the last line counts them all."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.classroom.intake import Contents, Found, Unreadable, gather, read_notebook
from labkit.classroom.replies import Fault, Mark, Marked, Problem
from labkit.classroom.run import Graded, Report, told_apart
from labkit.classroom.worker import known_lessons
from labkit.cli.grade import closing
from labkit.grading import Outcome, fingerprints
from tests.classroom.handed_in import LESSON, check_sums, notebook

WORK = notebook("x = 1")
OTHER = notebook("x = 2")


def lay(root: Path, *paths: str, **more: bytes) -> Path:
    """Files below a folder, all with the same notebook unless they are given as something else."""
    for path, data in {**dict.fromkeys(paths, WORK), **more}.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return root


def report_of(*paths: Path) -> Report:
    """A report in which every notebook that can be read has one mark."""
    with Contents() as contents:
        found = gather(map(str, paths), known_lessons())
        return Report([graded(one, contents) for one in found], "none")


def graded(found: Found, contents: Contents) -> Graded:
    try:
        data = contents.of(found)
        read_notebook(data)
    except Unreadable as error:
        return Graded(found, LESSON, "", Problem(str(error), 0))
    mark = Mark("f", "f", Outcome.PASS, 1, 1, message="", line="", case="", seconds=0.0)
    reply = Marked(LESSON, checks="", marks=(mark,), notes=(), seed=0)
    return Graded(found, LESSON, fingerprints.of_bytes(data), reply)


def learners_in(report: Report) -> list[str]:
    """Who has rows; asserts that the numbers of the last line add up to what came in."""
    check_sums(closing(report), map(asdict, report.rows()))
    return sorted(one.found.learner for one in told_apart(report.graded))


def test_equal_hand_ins_of_one_learner_count_once(tmp_path: Path) -> None:
    copy = f"{LESSON}-Copy1.ipynb"
    lay(
        tmp_path, f"alice/{LESSON}.ipynb", f"alice/{copy}", f"bob/{LESSON}.ipynb", f"alice/a/{copy}"
    )

    report = report_of(tmp_path)

    assert learners_in(report) == ["alice", "bob"]
    assert "2 of 4 submissions graded, 2 left out, the same again" in closing(report)


def test_two_notebooks_of_one_learner_both_stay(tmp_path: Path) -> None:
    lay(tmp_path, f"alice/{LESSON}.ipynb", "bob/a.ipynb", **{"alice/a.ipynb": OTHER})

    assert learners_in(report_of(tmp_path)) == [
        f"alice [alice/{LESSON}.ipynb]",
        "alice [alice/a.ipynb]",
        "bob",
    ]


@pytest.mark.parametrize(
    "paths",
    [
        [f"{LESSON}.ipynb", f"{LESSON} (1).ipynb", f"{LESSON} (2).ipynb"],
        [f"hand-ins/{LESSON}.ipynb", f"hand-ins/Copy_of_{LESSON}.ipynb"],
        [f"anything/{LESSON}.ipynb", "anything/a.ipynb"],
        [f"week1/{LESSON}.ipynb", f"week2/{LESSON}.ipynb"],
    ],
)
def test_equal_bytes_under_a_guessed_name_all_stay(tmp_path: Path, paths: list[str]) -> None:
    lay(tmp_path, *paths)

    assert len(learners_in(report_of(tmp_path))) == len(paths)


def test_two_folders_that_were_given_may_hold_two_people_of_one_name(tmp_path: Path) -> None:
    lay(tmp_path, f"a/x/bob/{LESSON}.ipynb", f"b/y/bob/{LESSON}.ipynb", f"b/y/eve/{LESSON}.ipynb")

    names = learners_in(report_of(tmp_path / "a" / "x", tmp_path / "b" / "y"))

    assert len(names) == len(set(names)) == 3
    assert [name.split(" [")[0] for name in names] == ["bob", "bob", "eve"]


def test_the_last_line_says_what_was_not_graded_and_why(tmp_path: Path) -> None:
    lay(
        tmp_path,
        *(f"alice/{LESSON}.ipynb", f"alice/copy/{LESSON}.ipynb"),
        **{f"bob/{LESSON}.ipynb": b"{", "carol/work.py": b"", "alice/x.rar": b"Rar!"},
    )

    report = report_of(tmp_path)

    assert learners_in(report) == ["alice", "bob", "carol"]
    *lines, last = closing(report).splitlines()
    assert last == (
        "1 of 4 submissions graded, 2 not (1 unreadable, 1 without a notebook), "
        "1 left out, the same again from the same learner; isolation: none."
    )
    assert lines[0] == "Not graded:" and "only work.py" in lines[2]
    assert lines[3:] == [
        "Not opened, beside notebooks that were:",
        "  alice: alice/x.rar: A .rar archive is not read: unpack it, or ask for a zip.",
    ]


def test_a_fault_of_the_graders_is_counted_as_one() -> None:
    found = Found("alice", Path("a.ipynb"), "a.ipynb", "a.ipynb")
    report = Report([Graded(found, LESSON, "s", Fault("it broke"))], "none")

    assert learners_in(report) == ["alice"]
    assert "1 not (1 stopped by a fault of the grader's)" in closing(report)


FOLDERS = st.sampled_from(["al", "bo", "José", "Jose\u0301", "section1", "section2", "hw", LESSON])
FILES = st.sampled_from(
    [f"{LESSON}.ipynb", f"{LESSON} (1).ipynb", f"al_{LESSON}.ipynb", f"{LESSON}.ipynb.txt", "x.rar"]
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.lists(FOLDERS, max_size=3), FILES, st.sampled_from([WORK, OTHER, b"{"])),
        min_size=1,
        max_size=8,
    )
)
def test_the_numbers_add_up_and_no_bytes_are_lost(
    files: list[tuple[list[str], str, bytes]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        for folders, file, data in files:
            lay(Path(name), **{"/".join([*folders, file]): data})
        report = report_of(Path(name))
        learners_in(report)
        in_rows = {one.submission for one in told_apart(report.graded)}
        came_in = {path.read_bytes() for path in Path(name).rglob("*.ipynb")} - {b"{"}

    assert {fingerprints.of_bytes(data) for data in came_in} <= in_rows
