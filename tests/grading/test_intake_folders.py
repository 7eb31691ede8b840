"""Folders that strangers have filled are walked within bounds, and no link is followed."""

from __future__ import annotations

import os

import pytest

from labkit.grading.intake import (
    NothingFound,
)
from tests.grading.hand_ins import (
    found_in,
    lay,
    learners,
    notebook_bytes,
    read_all,
)


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


def test_nothing_to_grade_is_said(tmp_path):
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
