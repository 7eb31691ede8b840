"""Folders that strangers have filled are walked within bounds, and no link is followed."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.classroom.intake import Contents, NothingFound, walking
from labkit.classroom.intake.gathering import by_parent, together
from labkit.grading.plain_text import plain_line
from tests.classroom.intake.hand_ins import (
    found_in,
    lay,
    learners,
    notebook_bytes,
    read_all,
    said,
    zipped,
)

FILE = "05_temperature.ipynb"
WORK = notebook_bytes("a = 1")
ZIP = zipped({FILE: WORK, "x/y.py": b""})


def test_files_folders_and_globs(tmp_path):
    data = notebook_bytes("a = 1")
    lay(tmp_path, **{"alice/05_temperature.ipynb": data, "bob/05_temperature.ipynb": data})
    lay(
        tmp_path,
        **{"bob/.ipynb_checkpoints/x.ipynb": data, "bob/._y.ipynb": data, "bob/z.txt": b""},
    )

    assert learners(tmp_path) == ["alice", "bob"]
    assert learners(f"{tmp_path}/*/*.ipynb") == ["alice", "bob"]
    assert learners(f"{tmp_path}/**/*_temperature.ipynb") == ["alice", "bob"]
    assert learners(tmp_path / "alice" / "05_temperature.ipynb") == ["alice"]
    assert learners(tmp_path / "alice") == ["alice"]
    assert learners(tmp_path, tmp_path / "bob") == ["alice", "bob"], "what is met twice counts once"


def test_files_with_nothing_but_a_disk_in_common_are_no_class():
    """A folder just below the disk's root is nobody's name."""
    far = [Path(os.path.abspath("/")) / name for name in ("one/ann/a.ipynb", "two/b.ipynb")]
    near = [Path(os.path.abspath("/class")) / name for name in ("ann/a.ipynb", "bob/b.ipynb")]

    assert list(together(by_parent(far), dict(zip(far, far, strict=True)))) == [
        path.parent for path in far
    ]
    assert list(together(by_parent(near), dict(zip(near, near, strict=True)))) == [
        near[0].parent.parent
    ]


def test_having_nothing_to_grade_is_an_error(tmp_path):
    for paths in ([tmp_path], [tmp_path / "no"], [tmp_path / "*.ipynb"]):
        with pytest.raises(NothingFound, match=tmp_path.name):
            found_in(*paths)


def test_links_are_not_followed(tmp_path):
    secret = lay(tmp_path / "secret", **{"05_temperature.ipynb": notebook_bytes("stolen = 1")})
    for name in ("alice", "bob"):
        (tmp_path / "in" / name).mkdir(parents=True)
    (tmp_path / "in" / "alice" / "05_temperature.ipynb").symlink_to(secret / "05_temperature.ipynb")
    (tmp_path / "in" / "bob" / "inner").symlink_to(secret)
    (tmp_path / "in" / "carol").symlink_to(secret)
    (tmp_path / "in" / "dave.zip").symlink_to("/etc/passwd")

    by_folder = read_all(tmp_path / "in")
    by_glob = read_all(f"{tmp_path}/in/*/05_temperature.ipynb")

    assert [name for name, _ in by_folder] == ["alice", "bob", "carol", "dave"]
    assert all("link" in text for _, text in [*by_folder, *by_glob])
    assert "link" in read_all(tmp_path / "in" / "carol")[0][1]


def test_pipes_devices_folders_and_locked_files_are_no_notebooks(tmp_path):
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    lay(tmp_path / "folder.ipynb", **{"05_temperature.ipynb": notebook_bytes("a = 1")})

    assert read_all(tmp_path) == [
        ("folder.ipynb", "a = 1"),
        ("pipe", "It is no plain file (a folder, a pipe or a device)."),
    ]


def test_a_200_mb_notebook_is_refused_by_its_size_alone(tmp_path):
    path = tmp_path / "alice.ipynb"
    with path.open("wb") as file:
        file.truncate(200 << 20)

    ((_, said),) = read_all(path)

    assert said.startswith("It is larger than 32 MB")


def test_other_archives_are_a_row_of_their_own(tmp_path):
    lay(
        tmp_path, **{"alice/work.rar": b"Rar!", "bob/05_temperature.ipynb": notebook_bytes("a = 1")}
    )

    assert read_all(tmp_path) == [
        ("alice", "A .rar archive is not read: unpack it, or ask for a zip."),
        ("bob", "a = 1"),
    ]


def test_names_are_shown_without_what_a_terminal_would_obey(tmp_path):
    name = os.fsencode(tmp_path) + b"/\x1b[2Jali\xffce\n.ipynb"
    with open(name, "wb") as file:
        file.write(notebook_bytes("a = 1"))

    (found,) = found_in(tmp_path)

    assert (found.learner, found.file) == ("[2Jaliÿce", "�[2Jali�ce�.ipynb")
    assert found.where.isprintable() and read_all(tmp_path) == [("[2Jaliÿce", "a = 1")]


# ---- trees ---------------------------------------------------------------------------------------


@contextmanager
def nested(above, *names):
    """Folders in each other, made and removed step by step, as their path may be too long."""
    step, made = os.open(above, os.O_RDONLY), []
    for name in names:
        os.mkdir(name, dir_fd=step)
        made.append((step, name))
        step = os.open(name, os.O_RDONLY, dir_fd=step)
    try:
        yield
    finally:  # or pytest itself can't clean up
        os.close(step)
        for step, name in reversed(made):
            os.rmdir(name, dir_fd=step)
            os.close(step)


@pytest.mark.skipif(os.name == "nt", reason="folders are opened by their handles")
def test_a_thousand_folders_in_each_other_are_one_row(tmp_path):
    lay(tmp_path, **{f"alice/{FILE}": WORK, f"bob/{FILE}": WORK, f"bob/a/b/c/d/{FILE}": WORK})

    with nested(tmp_path, "mallory", *["d"] * 1000):
        everyone = read_all(tmp_path)
        by_glob = learners(f"{tmp_path}/**/{FILE}")

    assert [name for name, _ in everyone] == ["alice", "bob", "bob", "mallory"]
    assert "more than 50 folders deep" in everyone[-1][1]
    assert by_glob == ["alice", "bob", "bob"]


@pytest.mark.skipif(os.name == "nt", reason="folders are opened by their handles")
def test_what_lies_too_deep_beside_a_notebook_is_noted(tmp_path):
    lay(tmp_path, **{f"alice/{FILE}": WORK, f"mallory/{FILE}": WORK})

    with nested(tmp_path / "mallory", *["d"] * 60):
        _, mallory = found_in(tmp_path)

    assert not mallory.problem and "50 folders deep" in mallory.aside[0]


@pytest.mark.skipif(os.name == "nt", reason="folders are opened by their handles")
def test_a_path_that_is_too_long_costs_its_learner_only(tmp_path):
    lay(tmp_path, **{f"alice/{FILE}": WORK})

    with nested(tmp_path, "mallory", *["x" * 250] * 30):
        assert learners(tmp_path) == ["alice", "mallory"]


def test_more_files_than_are_looked_through_are_one_row(tmp_path, monkeypatch):
    monkeypatch.setattr(walking, "MAX_FILES", 10)
    many = {f"mallory/{number % 3}/{number}.txt": b"" for number in range(12)}
    lay(tmp_path, **many, **{f"alice/{FILE}": WORK, f"alice/node_modules/x/{FILE}": WORK})

    (alice, mallory) = read_all(tmp_path)

    assert alice == ("alice", "a = 1")
    assert mallory[0] == "mallory" and "files, so it is not looked through" in mallory[1]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may look into any folder")
def test_a_closed_folder_is_its_learners_row(tmp_path):
    lay(tmp_path, **{f"alice/{FILE}": WORK, f"bob/{FILE}": WORK})
    (tmp_path / "bob").chmod(0)

    assert [name for name, _ in read_all(tmp_path)] == ["alice", "bob"]
    (tmp_path / "bob").chmod(0o755)


JANE = "Jane_1_assignsubmission_file_"
ODD = ["é", "e\u0301", "\udce9", "x" * 200, "...", " ", "a\\b", "a\nb"]
USUAL = ["al", "submitted", "section1", "week 2", "05_temperature", "hw", ".git", "__MACOSX", JANE]
WRONG = [".x.ipynb", "b.py", "c.ipynb.txt", "d.rar", "data.csv", "e", "f.json"]
part = st.sampled_from([FILE, "a.ipynb", "x.zip", *WRONG])
folder = st.sampled_from([*USUAL, *ODD])
learner = st.sampled_from(["al", "bo", "cy", "Al", JANE, "\udce9", "x" * 99])
below = st.lists(st.tuples(st.lists(folder, max_size=3), part), max_size=4)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(learner, below, max_size=5), st.sampled_from([WORK, b"", b"[" * 9999, ZIP]))
def test_every_learners_folder_comes_out_whatever_is_in_it(tree, data):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for one, inside in tree.items():
            (root / one).mkdir()
            for folders, file in inside:
                with suppress(OSError):  # a file where a folder is to be
                    lay(root / one, **{"/".join([*folders, file]): data})
        check_all_come_out(root, tree)


def check_all_come_out(root, learners):
    """Every folder at the top has its work in the rows, and none shares another's name."""
    try:
        found = found_in(root)
    except NothingFound:
        assert not learners
        return
    with Contents() as opened:
        assert all(isinstance(said(opened, one), str) for one in found)
    assert {one.below.split("/")[0].split(":")[0] for one in found} == {
        plain_line(learner) for learner in learners
    }
    assert len({one.where for one in found}) == len(found)
