"""Zips of strangers are read within bounds, and one bad member costs itself only."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.grading.intake import (
    NothingFound,
    archives,
    contents,
    gathering,
    read_notebook,
)
from labkit.grading.intake.found import MAX_NOTEBOOK
from tests.grading.hand_ins import (
    found_in,
    lay,
    notebook_bytes,
    read_all,
    zipped,
)


def test_the_zip_of_a_class_and_zips_of_learners_in_it(tmp_path):
    mine = zipped(
        {"mallory/bob/05_temperature.ipynb": notebook_bytes("carol = 1"), "data.csv": b""}
    )
    path = tmp_path / "class.zip"
    path.write_bytes(
        zipped(
            {
                "week/alice/05_temperature.ipynb": notebook_bytes("alice = 1"),
                "week/bob/05_temperature.ipynb": notebook_bytes("bob = 1"),
                "week/carol/work.zip": mine,
                "__MACOSX/week/alice/._05_temperature.ipynb": b"\0",
            }
        )
    )

    assert read_all(path) == [("alice", "alice = 1"), ("bob", "bob = 1"), ("carol", "carol = 1")]
    inner = "week/carol/work.zip: mallory/bob/05_temperature.ipynb"
    assert (found_in(path)[2].where, found_in(path)[2].below) == (f"{path}: {inner}", inner)


def test_a_zip_in_a_folder_is_one_learners(tmp_path):
    lay(tmp_path, **{"alice.zip": zipped({"bob/05_temperature.ipynb": notebook_bytes("a = 1")})})

    assert read_all(tmp_path) == [("alice", "a = 1")]
    assert found_in(tmp_path)[0].below == "alice.zip: bob/05_temperature.ipynb"


@pytest.mark.parametrize(
    "name", ["../bob/a.ipynb", "/etc/a.ipynb", "C:/a.ipynb", "x/../../a.ipynb"]
)
def test_names_that_climb_out_are_not_read(tmp_path, name):
    lay(tmp_path, **{"alice.zip": zipped({name: notebook_bytes("a = 1"), "b.ipynb": b"{}"})})

    assert ("alice", "Its name leads out of the zip, so it is not read.") in read_all(tmp_path)
    assert len(found_in(tmp_path)) == 2
    assert os.listdir(tmp_path) == ["alice.zip"], "nothing is unpacked"


def test_links_and_passwords_and_rare_packings_in_a_zip(tmp_path):
    link = zipfile.ZipInfo("link.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    locked = zipfile.ZipInfo("locked.ipynb")
    rare = zipfile.ZipInfo("rare.ipynb")
    rare.compress_type = zipfile.ZIP_LZMA
    data = bytearray(zipped({link: "/etc/passwd", locked: "{}"}))
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.rindex(signature) + offset] |= 1
    lay(tmp_path, **{"alice.zip": bytes(data), "bob.zip": zipped({rare: "{}"})})

    said = [text for _, text in read_all(tmp_path)]

    for text, word in zip(said, ("link", "password", "rare way"), strict=True):
        assert word in text


def test_bombs_are_not_unpacked(tmp_path):
    zeros = b"0" * (30 << 20)
    big = zipped({f"{number}.ipynb": zeros for number in range(2)})
    one = zipped({"a.ipynb": b"0" * (40 << 20)})
    lay(tmp_path, **{"alice.zip": big, "bob.zip": one, "carol.zip": zipped({"x.zip": big})})

    said = dict(read_all(tmp_path))

    assert "zip bomb" in said["alice"]
    assert "larger than 32 MB" in said["bob"]
    assert "A zip in it is not opened" in said["carol"]


def test_a_member_that_lies_about_its_size_is_cut(tmp_path):
    data = bytearray(zipped({"a.ipynb": b" " * 5000}))
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.rindex(signature) + offset
        data[place : place + 4] = struct.pack("<I", 10)
    lay(tmp_path, **{"alice.zip": bytes(data)})

    ((_, said),) = read_all(tmp_path)

    assert "damaged" in said or "no JSON" in said


def test_too_many_members_or_notebooks(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 20)
    monkeypatch.setattr(gathering, "MAX_NOTEBOOKS", 5)
    many = zipped({f"{number}.txt": b"" for number in range(21)})
    some = zipped({f"{number}.ipynb": b"" for number in range(6)})
    lay(tmp_path, **{"alice.zip": many, "bob.zip": some})

    said = dict(read_all(tmp_path))

    assert "lists more than 20 files" in said["alice"]
    assert "holds 6 notebooks; 5 is the most" in said["bob"]
    assert "lists more than 20" in read_all(tmp_path / "alice.zip")[0][1]


def test_a_notebook_as_large_as_is_allowed_is_read(tmp_path):
    data = notebook_bytes("a = 1").ljust(MAX_NOTEBOOK)
    lay(tmp_path, **{"alice.ipynb": data, "bob.ipynb": data + b" "})

    said = dict(read_all(tmp_path))

    assert said["alice"] == "a = 1"
    assert "larger than 32 MB" in said["bob"]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_zip_never_raises_anything_else(tmp_path_factory, data):
    whole = bytearray(zipped({"a/1.ipynb": notebook_bytes("a = 1"), "b/2.zip": zipped({"c": b""})}))
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    path = tmp_path_factory.mktemp("zips") / "class.zip"
    path.write_bytes(cut)
    with suppress(NothingFound):
        assert all(isinstance(text, str) for _, text in read_all(path))


def test_contents_keeps_the_zip_of_a_class_open_until_another_comes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.zip").write_bytes(zipped({"a/x.ipynb": notebook_bytes(f"{name} = 1")}))
    found = found_in(tmp_path / "one.zip", tmp_path / "two.zip")
    with contents.Contents() as opened:
        assert [read_notebook(opened.of(one)).cells[0] for one in found] == ["one = 1", "two = 1"]
        assert opened.path == found[1].path
    assert opened.file is None
