"""Everything that is handed in is hostile: it is read within bounds, or it is one bad row."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.grading.intake import (
    Contents,
    Notebook,
    NothingFound,
    Unreadable,
    archives,
    contents,
    gather,
    gathering,
    lesson_of,
    notebook,
    read_notebook,
)
from labkit.grading.intake.found import MAX_NOTEBOOK
from labkit.grading.intake.learners import owners_of
from labkit.grading.intake.names import readable_name

LESSONS = {"05_temperature": ("top_p", "min_p"), "06_tokens": ("merge", "min_p", "split")}


def cell(source, kind="code", **more):
    return {"cell_type": kind, "source": source, "metadata": {}, **more}


def notebook_bytes(*sources, **metadata):
    cells = [cell(source, outputs=[], execution_count=None) for source in sources]
    return json.dumps({"nbformat": 4, "cells": cells, "metadata": metadata}).encode()


def lay(root, **files):
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def zipped(members, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def found_in(*paths):
    return gather([str(path) for path in paths], LESSONS)


def learners(*paths):
    return [found.learner for found in found_in(*paths)]


def read_all(*paths):
    """(learner, source of the first cell, or the problem) of everything found."""
    with Contents() as opened:
        return [(found.learner, said(opened, found)) for found in found_in(*paths)]


def said(opened, found):
    try:
        return read_notebook(opened.of(found)).cells[0]
    except Unreadable as error:
        return str(error)


# ---- notebooks -----------------------------------------------------------------------------------


def test_code_cells_in_order_and_the_lesson_they_state():
    data = json.dumps(
        {
            "metadata": {"labkit": {"lesson": "05_temperature"}},
            "cells": [cell("a = 1"), cell("# words", "markdown"), cell(["b = 2\n", "c = 3"])],
        }
    ).encode()

    assert read_notebook(data) == Notebook(
        ("a = 1", "b = 2\nc = 3"), "05_temperature", (("Markdown", "# words"),)
    )


def test_format_3_has_its_cells_in_worksheets():
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1"]}]}]}

    assert read_notebook(json.dumps(old).encode()).cells == ("a = 1",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_encoding_of_unicode_is_read(encoding):
    text = json.dumps({"cells": [cell("é = 'ü'")]}, ensure_ascii=False)

    assert read_notebook(text.encode(encoding)).cells == ("é = 'ü'",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JSON"),
        (b"print('hello')", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"cells": [' + b"[" * 90_000 + b"]" * 90_000 + b"]}", "no JSON"),
        (b'{"cells": [' + b"9" * 5000 + b"]}", "no JSON"),
        (b"[1, 2]", "has no cells"),
        (b'{"a": 1}', "has no cells"),
        ('{"cells": "é"}'.encode("latin-1"), "not UTF-8"),
        (b"\x80\x04\x95cos\nsystem\n", "not UTF-8"),
        (b'{"cells": [' + b"{}," * 2_000_000 + b"{}]}", "too much memory"),
        (b'{"cells": [' + b'"",' * 1_600_000 + b'""]}', "too much memory"),
        (b'{"cells": [' + b"0," * 5_000_000 + b"0]}", "too much memory"),
        (notebook_bytes("#" * 3_000_000), "more code than anybody writes"),
        (notebook_bytes(*["a"] * 6000), "more code than anybody writes"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_what_is_no_notebook_is_refused_with_the_reason(data, reason):
    with pytest.raises(Unreadable, match=reason):
        read_notebook(data)


def test_commas_in_a_long_output_are_no_memory():
    flood = cell("a = 1", outputs=[{"text": "0,[{" * 4_000_000}])

    assert read_notebook(json.dumps({"cells": [flood]}).encode()).cells == ("a = 1",)


def test_a_string_that_never_ends_is_looked_through_once():
    assert notebook.STRING.sub(b"", b'{"a": "' + b'\\"' * 1_000_000) == b"{: "


def test_halves_of_characters_can_be_encoded_afterwards():
    (source,) = read_notebook(
        b'{"cells": [{"cell_type": "code", "source": "a = \\"\\ud800\\""}]}'
    ).cells

    assert source.encode() == b'a = "?"'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
near_notebooks = st.fixed_dictionaries(
    {"cells": json_values},
    optional={"metadata": json_values, "worksheets": json_values, "nbformat": json_values},
)


@settings(max_examples=60, deadline=None)
@given(near_notebooks | json_values)
def test_any_json_is_a_notebook_or_unreadable(value):
    try:
        read = read_notebook(json.dumps(value).encode())
    except Unreadable:
        return
    assert all(type(source) is str for source in (*read.cells, read.lesson))


@settings(max_examples=200, deadline=None)
@given(st.binary())
def test_any_bytes_are_a_notebook_or_unreadable(data):
    try:
        read_notebook(data)
    except Unreadable as error:
        assert str(error)


# ---- lessons -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "stated", "file", "expected"),
    [
        (["def merge(): ..."], "05_temperature", "x", "05_temperature"),
        (["def merge(): ..."], "../etc/passwd", "x", "06_tokens"),
        (
            ["def top_p(): ...", "  async  def min_p(): ..."],
            "",
            "06_tokens.ipynb",
            "05_temperature",
        ),
        (["x = 1"], "", "alice_06_tokens (1).ipynb", "06_tokens"),
        (["x = 'def merge():'"], "", "work.ipynb", None),
    ],
)
def test_the_lesson_by_statement_then_functions_then_name(cells, stated, file, expected):
    assert lesson_of(Notebook(tuple(cells), stated), file, LESSONS) == expected


# ---- learners ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["alice/05_temperature.ipynb"], ["alice"]),
        (["alice/work/bob/05_temperature.ipynb"], ["alice"]),
        (["alice/bob_05_temperature.ipynb"], ["alice"]),
        (["class/alice/05_temperature.ipynb", "class/bob/a.ipynb"], ["alice", "bob"]),
        (["class/alice_05_temperature.ipynb", "class/05_temperature-bob.ipynb"], ["alice", "bob"]),
        (["05_temperature/alice/a.ipynb", "06_tokens/alice/a.ipynb"], ["alice", "alice"]),
        (["submitted/alice/ps1/a.ipynb", "submitted/bob/ps1/a.ipynb"], ["alice", "bob"]),
        (["alice_05_temperature.ipynb", "bob.05_temperature.ipynb"], ["alice", "bob"]),
        (["alice.ipynb", "bob (2).ipynb"], ["alice", "bob (2)"]),
        (["05_temperature.ipynb", "05_temperature-Copy1.ipynb"], ["ROOT", "ROOT"]),
        (["05_temperature (1).ipynb", "05_temperature.new-2026-11-20.ipynb"], ["ROOT", "ROOT"]),
        (
            [
                "Jane Doe_123_assignsubmission_file_/05_temperature.ipynb",
                "Jane Doe_124_assignsubmission_file_/Bob_9_assignsubmission_file_.ipynb",
                "O'Neil, J._125_assignsubmission_file_05_temperature.ipynb",
            ],
            ["Jane Doe (123)", "Jane Doe (124)", "O'Neil, J. (125)"],
        ),
        (
            ["doejane_LATE_123_456_05_temperature-1.ipynb", "roejo_124_457_x.ipynb"],
            ["doejane (123)", "roejo (124)"],
        ),
        (["Lab 5_jdoe_attempt_2026-11-20-10-00-00_05_temperature.ipynb"], ["jdoe"]),
    ],
)
def test_whose_it_is_from_folders_first(paths, expected):
    owners = owners_of([tuple(path.split("/")) for path in paths], "ROOT", LESSONS)
    assert [owner.name for owner in owners] == expected


@settings(deadline=None)
@given(st.text())
def test_a_name_can_always_be_shown(name):
    shown = readable_name(name)
    assert shown and len(shown) <= 80 and shown.isprintable() and shown.encode()


# ---- folders and links ---------------------------------------------------------------------------


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


# ---- zips ----------------------------------------------------------------------------------------


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
