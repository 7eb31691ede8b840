"""Zips of strangers are read within bounds, and one bad member costs itself only."""

from __future__ import annotations

import os
import stat
import struct
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.classroom.intake import (
    Contents,
    NothingFound,
    archives,
    contents,
    gathering,
    read_notebook,
)
from labkit.classroom.intake.found import MAX_NOTEBOOK
from tests.classroom.intake.hand_ins import (
    found_in,
    lay,
    notebook_bytes,
    read_all,
    said,
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


# ---- members that zipfile trips over, or that lie ------------------------------------------------


def stored(*members, flags=0):
    """A zip of these (name in bytes, data), byte by byte: names as no library writes them."""
    data, listing = b"", b""
    for name, content in members:
        sizes = struct.pack("<3L2H", zlib.crc32(content), len(content), len(content), len(name), 0)
        listing += b"PK\x01\x02" + struct.pack("<6H", 20, 20, flags, 0, 0, 33) + sizes
        listing += struct.pack("<3H2L", 0, 0, 0, 0, len(data)) + name
        data += b"PK\x03\x04" + struct.pack("<5H", 20, flags, 0, 0, 33) + sizes + name + content
    return data + listing + ending(len(members), len(listing), len(data))


def ending(count, size, start):
    return b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, count, count, size, start, 0)


WORK = notebook_bytes("a = 1")
FILE = b"05_temperature.ipynb"


def class_of(tmp_path, *members, **options):
    """What is said of each in the zip of a class with these members."""
    (tmp_path / "class.zip").write_bytes(stored(*members, **options))
    return dict(read_all(tmp_path / "class.zip"))


@pytest.mark.parametrize("name", [b"", b"\0", b"\0x.ipynb"])
def test_a_member_without_a_name_costs_its_zip_only(tmp_path, name):
    hostile = stored((name, b"x"), (FILE, WORK))
    lay(tmp_path / "in", **{"alice/a.ipynb": WORK, "mallory/hw.zip": hostile, "bob/a.ipynb": WORK})

    alice, bob, mallory = read_all(tmp_path / "in")

    assert (alice, bob) == (("alice", "a = 1"), ("bob", "a = 1"))
    assert mallory[0] == "mallory" and "lists a file without a name" in mallory[1]


def test_members_without_names_in_the_zip_of_a_class(tmp_path):
    of_class = class_of(tmp_path, (b"", b"x"), (b"al/" + FILE, WORK), (b"/", b""), (b"..", b""))
    assert of_class["al"] == "a = 1"


@pytest.mark.parametrize(
    ("name", "flags", "learner"),
    [
        (rb"week\al\05_temperature.ipynb", 0, "al"),
        ("week/José/a.ipynb".encode(), 0, "José"),
        ("week/José/a.ipynb".encode(), 0x800, "José"),
        ("week/José/a.ipynb".encode("cp437"), 0, "José"),
        ("week/José/a.ipynb".encode("cp437"), 0x800, "José"),
        (b"./week/./al/a.ipynb", 0, "al"),
        (b"week//al/a.ipynb", 0, "al"),
    ],
)
def test_names_as_many_programs_write_them(tmp_path, name, flags, learner):
    said = class_of(tmp_path, (name, WORK), (b"week/bob/a.ipynb", WORK), flags=flags)

    assert list(said) in (["bob", learner], [learner, "bob"])
    assert said["bob"] == "a = 1"
    assert said[learner] == "a = 1" or (flags and "damaged" in said[learner])


def test_what_has_a_nul_in_its_name_is_its_learners_row(tmp_path):
    said = class_of(tmp_path, (b"week/al/a.ipynb\0.txt", WORK), (b"week/bob/a.ipynb", WORK))

    assert said["bob"] == "a = 1" and len(said) == 2


def test_a_name_of_thousands_of_folders_is_its_learners_row(tmp_path):
    said = class_of(tmp_path, (b"al/" + b"a/" * 30_000 + FILE, WORK), (b"bob/a.ipynb", WORK))

    assert said["bob"] == "a = 1" and "more than 50 folders deep" in said["al"]


def test_one_name_twice_is_two_hand_ins(tmp_path):
    other = notebook_bytes("b = 2")
    (tmp_path / "a.zip").write_bytes(stored((b"al/" + FILE, WORK), (b"al/" + FILE, other)))

    found = found_in(tmp_path / "a.zip")

    assert len({one.where for one in found}) == len({one.below for one in found}) == 2
    assert {source for _, source in read_all(tmp_path / "a.zip")} == {"a = 1", "b = 2"}


def test_bytes_that_look_like_a_list_are_no_members(tmp_path):
    """80 KB of one learner's must not cost the class."""
    fake = (b"mallory/data.bin", archives.ENTRY * 25_000)
    said = class_of(tmp_path, (b"al/a.ipynb", WORK), fake, (b"bo/a.ipynb", WORK))

    assert said.pop("mallory").startswith("There is no notebook (.ipynb) in the folder")
    assert said == {"al": "a = 1", "bo": "a = 1"}


def test_what_a_list_says_of_itself_is_not_believed(tmp_path):
    entry = stored((b"a.ipynb", b""))[37:-22]
    for name, count, size in (("many", 20_001, None), ("few", 1, None), ("huge", 1, 1 << 31)):
        listing = entry * 20_001
        data = listing + ending(count & 0xFFFF, size or len(listing), 0)
        (tmp_path / f"{name}.zip").write_bytes(data)

        assert "no zip" in said_of(tmp_path / f"{name}.zip") or "lists more" in said_of(
            tmp_path / f"{name}.zip"
        )
    assert "lists more" in said_of(tmp_path / "few.zip")


def said_of(path):
    ((_, said),) = read_all(path)
    return said


def test_a_list_that_is_too_long_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_LIST", 1000)
    (tmp_path / "class.zip").write_bytes(stored((b"a" * 2000, b"")))

    assert "lists more than" in said_of(tmp_path / "class.zip")


@pytest.mark.parametrize("end", [b"", ending(1, 6 << 28, 100), ending(1, 46, 0), b"PK\x06\x06"])
def test_a_sparse_zip_of_6_gb_takes_neither_memory_nor_time(tmp_path, end):
    with (tmp_path / "mallory.zip").open("wb") as file:
        file.truncate(6 << 30)
        file.seek(0, 2)
        file.write(end)
    lay(tmp_path, **{"alice.ipynb": WORK})

    alice, mallory = read_all(tmp_path)

    assert alice == ("alice", "a = 1")
    assert "no zip" in mallory[1] or "lists more" in mallory[1]


def test_a_zip_that_shrinks_while_it_is_read_is_one_row(tmp_path):
    path = tmp_path / "class.zip"
    path.write_bytes(stored((b"al/a.ipynb", WORK * 1000), (b"bo/a.ipynb", WORK)))
    found = found_in(path)
    with Contents() as opened:
        opened.zip_at(path)
        os.truncate(path, 100)

        assert all("damaged" in said(opened, one) for one in found)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_mutated_zips_are_rows_and_nothing_else(data):
    """Truncated, bytes flipped, sizes and counts forged: a class's zip, and a learner's."""
    inner = stored((FILE, WORK), (b"x/y.py", b""))
    names = st.binary(max_size=12) | st.sampled_from([b"al/" + FILE, b"bo\\a.ipynb", b"al/", b""])
    members = [(data.draw(names), data.draw(st.sampled_from([WORK, b"", inner]))) for _ in range(3)]
    flags = data.draw(st.sampled_from([0, 0x800]))
    whole = bytearray(stored(*members, (b"cy.zip", inner), flags=flags))
    start = data.draw(st.sampled_from([0, whole.find(archives.ENTRY), len(whole) - 22]))
    for _ in range(data.draw(st.integers(0, 5))):
        place = data.draw(st.integers(start, len(whole) - 1))
        whole[place] = data.draw(st.sampled_from([0, 1, 0x50, 0xFF]) | st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.sampled_from([len(whole)] * 3) | st.integers(0, len(whole)))])
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        lay(root, **{"class.zip": cut, "in/mallory/hw.zip": cut, "in/alice/a.ipynb": WORK})
        with suppress(NothingFound):
            assert all(isinstance(text, str) for _, text in read_all(root / "class.zip"))
        everyone = read_all(root / "in")
        assert ("alice", "a = 1") in everyone
        assert {name for name, _ in everyone} == {"alice", "mallory"}
