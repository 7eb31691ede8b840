"""Whatever bytes a notebook is made of, it is read within bounds, or refused with the reason."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.classroom.intake import (
    Notebook,
    Unreadable,
    lesson_of,
    notebook,
    read_notebook,
)
from tests.classroom.intake.hand_ins import (
    LESSONS,
    cell,
    notebook_bytes,
)


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


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 48213\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"It is empty \(0 bytes\): nothing .* Ask for the \.ipynb file itself"),
        (b"\xef\xbb\xbf \n", r"It is empty \(5 bytes, all of them blank\)"),
        (b" \r\n\t", r"It is empty \(4 bytes, all of them blank\)"),
        (b"\0" * 4096, r"It is empty \(4,096 bytes, all of them blank\)"),
        (b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>", "It is an HTML page, not a noteb"),
        (b"\xef\xbb\xbf<HTML lang='en'>", "It is an HTML page, .* On GitHub: Download raw file"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC>\n", "It is an HTML page"),
        (LFS, r"It is a Git LFS pointer, .* notebook of 48,213 bytes: .* `git lfs pull`"),
        (LFS[:43], r"It is a Git LFS pointer, which stands for the notebook: that was not fetched"),
        (b"%PDF-1.7\n%", "It is a PDF, not a notebook"),
        (b"PK\x03\x04" + b"\0" * 50, "It is a zip or a document of an office program"),
        (b"{\\rtf1\\ansi hello}", r"It is a text of a word processor \(RTF\)"),
        (b"\0\5\x16\7\0\2", "It is what macOS keeps beside a file"),
        (notebook_bytes("a = 1")[:-20], r"It breaks off after \d+ bytes: an upload"),
        (b'{"cells": [{"source": "a = ', r"It breaks off after 27 bytes"),
        (b'{"cells": [', r"It breaks off after 11 bytes"),
        (
            b'{"cells": [\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> b\n]}',
            "a git merge that was not fin",
        ),
        (b"<not html at all>", "no JSON"),
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
def test_anything_but_a_notebook_is_refused_with_the_reason(data, reason):
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


# ---- formats before 4 ----------------------------------------------------------------------------

HEADING = {"cell_type": "heading", "level": 2, "source": "Part"}


def old(*inputs, version=3, **more):
    cells = [{"cell_type": "code", "input": lines, "outputs": [{}] * 3} for lines in inputs]
    return json.dumps({"nbformat": version, "worksheets": [{"cells": [*cells, HEADING]}], **more})


@pytest.mark.parametrize("version", [3, None, "x", 4])
def test_an_old_notebook_is_read_as_nbformat_reads_it(version):
    data = old(["a = 1\n", "b = 2"], ["c = 3", "d = 4"], "e = 5", version=version).encode()

    assert read_notebook(data).cells == ("a = 1\nb = 2", "c = 3\nd = 4", "e = 5")
    assert read_notebook(data).prose == (("Markdown", "## Part"),)


def test_a_notebook_of_format_2_is_read():
    assert read_notebook(old("a = 1\nb = 2", version=2).encode()).cells == ("a = 1\nb = 2",)


def test_an_old_notebook_states_its_lesson():
    about = {"name": "x", "labkit": {"lesson": "06_tokens"}}

    assert read_notebook(old("a = 1", metadata=about).encode()).lesson == "06_tokens"


def test_what_jupyter_does_not_look_at_is_not_read():
    data = json.loads(notebook_bytes("a = 1")) | json.loads(old("b = 2", version=4))

    assert read_notebook(json.dumps(data).encode()).cells == ("a = 1",)


@pytest.mark.parametrize(
    "sheets", [None, [1], [{}], [{"cells": 1}], {"cells": []}, [{"cells": "x"}]]
)
def test_an_old_notebook_that_is_none_is_one_reason(sheets):
    data = json.dumps({"nbformat": 3, "worksheets": sheets}).encode()
    with pytest.raises(Unreadable, match="old format"):
        read_notebook(data)


def test_an_old_notebook_of_too_many_parts_is_not_converted(monkeypatch):
    monkeypatch.setitem(sys.modules, "nbformat", None)
    data = json.dumps({"worksheets": [{"cells": []}], "metadata": [{}] * 200_000}).encode()
    with pytest.raises(Unreadable, match="too large to be converted"):
        read_notebook(data)


def test_nbformat_is_not_loaded_for_a_notebook_of_today(monkeypatch):
    monkeypatch.setitem(sys.modules, "nbformat", None)

    assert read_notebook(notebook_bytes("a = 1")).cells == ("a = 1",)
