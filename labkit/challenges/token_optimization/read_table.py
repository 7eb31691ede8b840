"""What write_table has written, read: the records come back as they were, types included.

Checked on tables that are written here, every CSV cell in quotes that may be.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

from labkit.challenges.token_optimization.records import STEPS, Records, drawn_records
from labkit.challenges.token_optimization.truths import (
    BARS,
    markdown_line,
    true_cell,
    true_columns,
    true_leaves,
)
from labkit.grading import Challenge, Submission
from labkit.grading.answers.comparison import difference
from labkit.grading.source.spoiling import spoiled


def true_table(records: Records, form: str) -> str:
    """One right table: every CSV cell quoted that may be."""
    columns, rows = true_columns(records), [true_leaves(record) for record in records]
    cells = [[true_cell(row[c]) if c in row else "" for c in columns] for row in rows]
    if form == "csv":
        quoted = (
            [f'"{x.replace(chr(34), chr(34) * 2)}"' for x in line] for line in [columns, *cells]
        )
        return "".join(",".join(line) + "\n" for line in quoted)
    lines = [columns, ["---"] * len(columns), *cells]
    return "".join("| " + " | ".join(x.translate(BARS) for x in line) + " |\n" for line in lines)


def same_json(left: Any, right: Any) -> bool:
    """Equal, with 1, 1.0 and true kept apart."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def other_records(expected: Records) -> Callable[[Any], str | None]:
    """Where records differ from the expected ones, types included."""

    def problem(got: Any) -> str | None:
        found = difference(got, expected)
        if found is None and not same_json(got, expected):
            found = f"{got!r} came back, {expected!r} was expected"
        return found

    return problem


def check_read_table(s: Submission) -> None:
    def expect(text: str, form: str, records: Records, because: str) -> None:
        s.read_table(text, form).holds(other_records(records), because=because)

    for form in ("csv", "markdown"):
        for because, cases in STEPS.items():
            for records in cases:
                expect(true_table(records, form), form, records, f"{form}: {because}")
    bare = "csv: Quotes around a cell are needed only where there is a comma or a quote in it."
    expect("a,b,c\nx,y z,1\n", "csv", [{"a": "x", "b": "y z", "c": 1}], bare)
    last = "The last newline may be missing."
    expect('a\n"""7"""', "csv", [{"a": "7"}], last)
    expect("| a |\n| --- |\n| 1 |", "markdown", [{"a": 1}], last)
    for form in ("csv", "markdown") * 3:
        records = drawn_records(s)
        together = "All of it together, on drawn records."
        expect(true_table(records, form), form, records, together)
    s.read_table("a\n1\n").holds(other_records([{"a": 1}]), because="CSV is the default.")
    for form in ("tsv", "CSV", "Markdown"):
        s.read_table.raises(ValueError, "a\n1\n", form, because="There are two forms only.")
    ragged = "A line with more or fewer cells than the header was not written by write_table."
    s.read_table.raises(ValueError, "a,b\n1\n", "csv", because=ragged)
    s.read_table.raises(ValueError, "a,b\n1,2,3\n", "csv", because=ragged)
    bars = "| a | b |\n| --- | --- |\n| 1 |\n"
    s.read_table.raises(ValueError, bars, "markdown", because=ragged)


challenge = Challenge(
    name="read_table",
    title="And back again",
    check=check_read_table,
    points=2,
    hints=(
        "Go the way back: text → lines of cells → values → nested records. Which of these steps "
        "has the standard library for CSV, and for values?",
        r"By hand: which record is the column a\.b.c with the cell 7, and which with the cell "
        '"7" in quotes? Which dot and which bar may you cut at, and which not? What is a cell that '
        "json.loads refuses, and what is an empty one?",
        'The column is cut at its plain dots, into a\\.b and c: {"a.b": {"c": 7}}, and with '
        'quotes {"a.b": {"c": "7"}}. csv.reader for one form; for the other go letter by letter: '
        "a backslash takes the next letter along, a bar ends the cell. record.setdefault(key, {}) "
        "goes down a key.",
    ),
)

READ = "return json.loads(cell)"
CELLS = r"""re.findall(r"((?:\\.|[^|\\])*)\|", line.removeprefix("|"))"""
CELL = "_unescaped(cell.strip())"
KEYS = r"""re.findall(r"(?:\\.|[^.\\])+", column)"""


# ---- what a cell says ----------------------------------------------------------------------------

challenge.mistake(
    "all-text",
    "Every value came back as text: numbers, true, null and lists too.",
    hint="Try json.loads(cell), and keep the text where it raises ValueError.",
    answer=spoiled(READ, "return cell"),
)

challenge.mistake(
    "numbers-only",
    "You read numbers only. true, null, lists and quoted text are JSON too - and int() reads "
    "0815 and 1_000, which are texts here.",
    hint="One rule for all of it: json.loads(cell), or the text where that raises ValueError.",
    answer=spoiled(
        READ,
        "return int(cell)\n    except ValueError:\n        pass\n"
        "    try:\n        return float(cell)",
    ),
)

challenge.mistake(
    "python-literals",
    "You read cells as Python literals: True and 1_000 are Python, and true and null are not.",
    hint="json.loads instead of ast.literal_eval (or eval, which would run what it reads).",
    answer=spoiled(
        READ,
        "import ast\n\n        return ast.literal_eval(cell)",
        "except ValueError",
        "except (ValueError, SyntaxError)",
    ),
)

challenge.mistake(
    "read-twice",
    "You read the JSON of a text again: the quoted text 42 became a number.",
    hint="json.loads once. What comes out is the value.",
    answer=spoiled(
        "= _value(cell)",
        "= _value(_value(cell))",
        "except ValueError",
        "except (ValueError, TypeError)",
    ),
)

challenge.mistake(
    "quotes-stripped",
    "You took the quotes off instead of reading the JSON: \\n and \\u2028 inside stay escaped.",
    hint="json.loads(cell) reads a quoted text too.",
    answer=spoiled(
        READ, "return json.loads(cell) if cell == cell.strip('\"') else cell.strip('\"')"
    ),
)

challenge.mistake(
    "missing-as-null",
    "An empty cell became None. It means that the key is missing.",
    hint="Leave the key out when the cell is empty: if not cell: continue.",
    answer=spoiled("continue", 'cell = "null"'),
)

challenge.mistake(
    "missing-as-empty-text",
    "An empty cell became an empty text. It means that the key is missing; an empty text is "
    'written as "".',
    hint="Leave the key out when the cell is empty: if not cell: continue.",
    answer=spoiled("continue", "pass"),
)


# ---- where it belongs ----------------------------------------------------------------------------

challenge.mistake(
    "not-nested",
    "The columns a.b stayed keys with a dot. They are the key b in a dict under a.",
    hint="Cut the column's name at its dots; make the dicts on the way with setdefault(key, {}).",
    answer=spoiled("_keys(column) for", '[".".join(_keys(column))] for'),
)

challenge.mistake(
    "neighbours-overwritten",
    "Each column a.x made a new dict under a, and the one before it was lost.",
    hint="inner = record.setdefault('a', {}) takes the dict that is there already.",
    answer=spoiled(
        "inner = inner.setdefault(key, {})", "inner[key] = {}\n            inner = inner[key]"
    ),
)

challenge.mistake(
    "escaped-dots-cut",
    "You cut columns at every dot. A dot with a backslash before it belongs to the key.",
    hint=r"re.findall(r'(?:\\.|[^.\\])+', column) cuts at plain dots only.",
    answer=spoiled(KEYS, 'column.split(".")'),
)

challenge.mistake(
    "backslashes-left-in-keys",
    "The backslashes before dots stayed in the keys.",
    hint=r"Take them out after cutting: re.sub(r'\\(.)', r'\1', key).",
    answer=spoiled("_unescaped(key)", "key"),
)


# ---- what a line is made of ----------------------------------------------------------------------

challenge.mistake(
    "cut-at-commas",
    "You cut the lines at commas. A comma inside quotes belongs to the cell.",
    hint="csv.reader(io.StringIO(text)) gives the cells of each line.",
    answer=spoiled(
        "csv.reader(io.StringIO(text))",
        "[[cell.strip('\"').replace('\"\"', '\"') for cell in line.split(',')]"
        " for line in text.splitlines()]",
    ),
)

challenge.mistake(
    "cut-at-bars",
    "You cut Markdown lines at every bar. One with a backslash before it belongs to the cell.",
    hint=r"re.findall(r'((?:\\.|[^|\\])*)\|', line[1:]) gives the cells.",
    answer=spoiled(CELLS, 'line.strip("|").split("|")'),
)

challenge.mistake(
    "escapes-kept",
    "The backslashes of Markdown's escapes stayed in the cells.",
    hint=r"Take them out of each cell: re.sub(r'\\(.)', r'\1', cell).",
    answer=spoiled(CELL, "cell.strip()"),
)

challenge.mistake(
    "spaces-kept",
    "The spaces beside the bars stayed in the cells.",
    hint="cell.strip(): text that has spaces of its own at its ends is in quotes.",
    answer=spoiled(CELL, "_unescaped(cell)"),
)

challenge.mistake(
    "dashes-as-record",
    "The line of dashes became a record.",
    hint="In Markdown the records begin at the third line.",
    answer=spoiled("lines[2:]", "lines[1:]"),
)

challenge.mistake(
    "other-lengths-accepted",
    "You accept a line with more or fewer cells than the header has columns: values are lost, "
    "or stand under the wrong key, and nobody hears of it.",
    hint="zip(columns, cells, strict=True) raises ValueError for such a line.",
    answer=spoiled("strict=True", "strict=False"),
)

challenge.mistake(
    "any-form",
    "You take every unknown form for one of the two.",
    hint='Raise ValueError for a form that is neither "csv" nor "markdown".',
    answer=spoiled('form == "markdown"', 'form != "csv"'),
)


# ---- other right answers -------------------------------------------------------------------------


def value_of(cell: str) -> Any:
    try:
        return json.loads(cell)
    except json.JSONDecodeError:
        return cell


def keys_of(column: str) -> list[str]:
    """A column's name cut at its plain dots, letter by letter."""
    keys, letters = [""], iter(column)
    for letter in letters:
        if letter == ".":
            keys.append("")
        else:
            keys[-1] += next(letters) if letter == "\\" else letter
    return keys


def put(record: dict[str, Any], keys: list[str], value: Any) -> None:
    """A value into a record, and into the dicts inside it, by recursion."""
    first, *rest = keys
    if rest:
        put(record.setdefault(first, {}), rest, value)
    else:
        record[first] = value


@challenge.alternative
def by_dictreader(text: str, form: str = "csv") -> Records:
    """csv.DictReader; a Markdown table is made CSV first."""
    if form == "markdown":
        head, _, *rows = [markdown_line(line) for line in text.splitlines()]
        again = io.StringIO()
        csv.writer(again, quoting=csv.QUOTE_ALL).writerows([head, *rows])
        text = again.getvalue()
    elif form != "csv":
        raise ValueError("csv or markdown")
    records: Records = []
    for line in csv.DictReader(io.StringIO(text, newline="")):
        if None in line or None in line.values():
            raise ValueError("a line of another length")
        records.append({})
        for column in filter(line.get, line):
            put(records[-1], keys_of(column), value_of(line[column]))
    return records


def cells_by_split(line: str) -> list[str]:
    """A bar that ends a cell has a space before it, one of a text has a backslash."""
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    return [cell.strip().replace(r"\|", "|").replace(r"\\", "\\") for cell in cells]


@challenge.alternative
def column_by_column(text: str, form: str = "csv") -> Records:
    """Down each column, instead of along each line."""
    if form not in ("csv", "markdown"):
        raise ValueError(f"{form} is no form")
    rows = text.splitlines()
    lines = list(csv.reader(rows) if form == "csv" else map(cells_by_split, rows[:1] + rows[2:]))
    if len({len(line) for line in lines}) > 1:
        raise ValueError("lines of several lengths")
    records: Records = [{} for _ in lines[1:]]
    for column, *cells in zip(*lines, strict=True):
        for record, cell in zip(records, cells, strict=True):
            if cell:
                put(record, keys_of(column), value_of(cell))
    return records


def nested(found: list[tuple[list[str], Any]]) -> dict[str, Any]:
    """A record of ways and values: what begins with the same key stands in the same dict."""
    groups: dict[str, list[tuple[list[str], Any]]] = {}
    for (first, *rest), value in found:
        groups.setdefault(first, []).append((rest, value))
    return {key: nested(group) if group[0][0] else group[0][1] for key, group in groups.items()}


@challenge.alternative
def by_groups(text: str, form: str = "csv") -> Records:
    """Line by line, and in each line the columns by their first key."""
    if form not in ("csv", "markdown"):
        raise ValueError(f"not a form: {form}")
    rows = text.splitlines()
    head, *lines = csv.reader(rows) if form == "csv" else map(markdown_line, rows[:1] + rows[2:])
    ways = [keys_of(column) for column in head]
    return [
        nested([(way, value_of(cell)) for way, cell in zip(ways, cells, strict=True) if cell])
        for cells in lines
    ]
