"""Results are whole or not there, and take the place of nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from labkit.classroom import result_files
from labkit.classroom.result_files import (
    LONGEST_NAME,
    NotWritable,
    check_file,
    check_folder,
    write_result,
)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_result_is_written_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    write_result(tmp_path / "marks.csv", b"before")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_result(tmp_path / "marks.csv", b"after")

    assert contents(tmp_path) == {"marks.csv": "before"}


def test_what_was_there_is_kept_under_its_date(tmp_path) -> None:
    path = tmp_path / "marks.csv"
    for text in (b"first", b"second", b"second", b"third"):
        kept = write_result(path, text)
        assert path.read_bytes() == text
        os.utime(path, (1_800_000_000, 1_800_000_000))
        if kept:
            assert re.fullmatch(r"marks\.2027-01-1\d-\d{6}(-2)?\.csv", kept.name)

    assert sorted(contents(tmp_path).values()) == ["first", "second", "third"]
    assert kept and kept.read_bytes() == b"second" and kept.name.endswith("-2.csv")


def test_even_a_folder_or_a_dead_link_of_that_name_is_kept(tmp_path) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "folder.html" / "x").write_text("mine")
    (tmp_path / "link.html").symlink_to(tmp_path / "nowhere")

    for name in ("folder.html", "link.html"):
        kept = write_result(tmp_path / name, b"page")
        assert kept and os.path.lexists(kept) and (tmp_path / name).read_bytes() == b"page"
    assert [path.read_text() for path in tmp_path.glob("folder.*/x")] == ["mine"]


def test_a_name_of_any_length_that_is_allowed_can_be_written(tmp_path) -> None:
    path = tmp_path / ("😀" * ((LONGEST_NAME - 4) // 4) + ".csv")
    check_file(path)
    for text in (b"1", b"2"):
        write_result(path, text)
    assert len(contents(tmp_path)) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "is a folder; give the name of a file in it"),
        ("nowhere/marks.csv", "there is no folder .*nowhere; make it first"),
        ("file/marks.csv", "there is no folder .*file; make it first"),
        ("x" * 300, "the name xxx.*… is too long; give a shorter one"),
    ],
)
def test_what_can_be_no_file(tmp_path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(NotWritable, match=said):
        check_file(tmp_path / name)


def test_a_check_of_a_file_leaves_nothing(tmp_path) -> None:
    check_file(tmp_path / "marks.csv")
    assert not contents(tmp_path)


@pytest.mark.parametrize("name", ["file", "link", "file/pages", "x" * 300])
def test_what_can_be_no_folder(tmp_path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotWritable, match=r"is a file|nothing can be written"):
        check_folder(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_made_where_there_is_none(tmp_path) -> None:
    check_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path, monkeypatch) -> None:
    def read_only(dir: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(result_files.tempfile, "TemporaryFile", read_only)
    for check, path in ((check_folder, tmp_path), (check_file, tmp_path / "marks.csv")):
        with pytest.raises(NotWritable, match="Read-only file system"):
            check(path)
