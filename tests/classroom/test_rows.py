"""Rows for others: the same names every time, and text that no spreadsheet computes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.classroom.rows import COLUMNS, Row, as_csv, as_json, in_order, write

NUMBERS = {"points": 2, "seconds": 0.1}
ROW = Row(**{name: NUMBERS.get(name, name) for name in COLUMNS})
# What harm is made of, often; what begins a formula in some spreadsheet; what parts cells in some.
SIGNS = "=+-@＝＋－＠"
SEPARATORS = ",;\t"
HOSTILE = st.text(st.sampled_from(f"{SIGNS}{SEPARATORS}\n\r\x0b\x85\u2028\0\"' a1\u00a0\u202e"))


def read(text: str, separator: str = ",") -> list[list[str]]:
    """The cells as a spreadsheet takes them where this parts them."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def test_json_and_csv_say_the_same() -> None:
    rows = [ROW, replace(ROW, learner="José 李", message="a `b`, \"c\" and 'd'")]

    from_json = json.loads(as_json(rows))
    header, *from_csv = read(as_csv(rows))

    assert list(from_json[0]) == header == list(COLUMNS)
    assert COLUMNS[:8] == tuple(
        "learner lesson challenge outcome points message seconds isolation".split()
    )
    assert [[str(value) for value in row.values()] for row in from_json] == from_csv


def test_every_cell_is_quoted() -> None:
    assert all(line.count('"') == 2 * len(COLUMNS) for line in as_csv([ROW]).splitlines())


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        *((f"{sign}cmd|x", f"'{sign}cmd|x") for sign in SIGNS),
        ("a;=1+1", "a;'=1+1"),
        ("a; =1;;@b;c", "a;' =1;;'@b;c"),
        ('a;"=1+1', "a;'\"=1+1"),
        ('"=1', "'\"=1"),
        ("a\t=1", "a   =1"),
        ("a\n=1\r\n+2", "a =1 +2"),
        ("tensor([0.5, -1.0])", "tensor([0.5, -1.0])"),
        ("a - b = c; d", "a - b = c; d"),
    ],
)
def test_text_stays_text(text: str, cell: str) -> None:
    assert read(as_csv([replace(ROW, message=text)]))[1][COLUMNS.index("message")] == cell


@pytest.mark.parametrize("separator", SEPARATORS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(learner=HOSTILE, message=HOSTILE)
def test_a_spreadsheet_computes_nothing(separator: str, learner: str, message: str) -> None:
    text = as_csv([replace(ROW, learner=learner, message=message)])

    assert text.count("\n") == 2
    cells = [cell for line in read(text, separator) for cell in line]
    if separator == ";":  # some honour no quotes there
        cells += text.split(separator)
    assert not [cell for cell in cells if cell.lstrip(' "').startswith(tuple(SIGNS))]
    assert len(read(text)[1]) == len(COLUMNS)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(st.one_of(st.characters(), st.sampled_from("\0\x1b\u202e\ud800\n"))))
def test_any_text_can_be_written(words: str) -> None:
    rows = [replace(ROW, learner=words, message=words)]
    for text in (as_csv(rows), as_json(rows)):
        assert all(sign.isprintable() or sign == "\n" for sign in text.encode().decode())
    assert list(json.loads(as_json(rows))[0]) == list(COLUMNS)


def test_order_does_not_depend_on_where_rows_come_from() -> None:
    rows = [replace(ROW, learner=name, challenge=c) for name in "cab" for c in "gf"]
    assert in_order(rows) == in_order(reversed(rows))


def test_the_kind_of_file_is_in_its_name(tmp_path) -> None:
    rows = [replace(ROW, learner="José")]

    for name, data in {
        "marks.csv": as_csv(rows).encode(),
        "MARKS2.CSV": as_csv(rows).encode(),
        "marks.json": as_json(rows).encode(),
    }.items():
        write(rows, tmp_path / name)
        assert (tmp_path / name).read_bytes() == data
    assert json.loads(as_json(rows)) == [asdict(rows[0])]


def test_excel_is_told_that_it_is_utf_8(tmp_path) -> None:
    write([ROW], tmp_path / "marks.csv", excel=True)

    assert (tmp_path / "marks.csv").read_bytes() == b"\xef\xbb\xbf" + as_csv([ROW]).encode()


def test_marks_that_are_there_are_kept(tmp_path) -> None:
    out = tmp_path / "marks.csv"
    out.write_text("mine, by hand")

    kept = write([ROW], out)

    assert kept is not None and kept.read_text() == "mine, by hand"
    assert out.read_text() == as_csv([ROW])
    assert write([ROW], out) is None, "the same marks take nobody's place"
