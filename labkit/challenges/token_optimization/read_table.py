"""The records that the table was made of, types included."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from labkit.challenges.token_optimization.shared import (
    BARS,
    STEPS,
    Records,
    drawn_records,
    is_json,
    markdown_line,
    true_cell,
    true_columns,
    true_leaves,
)
from labkit.grading import Challenge, Submission
from labkit.grading.comparison import difference


def true_table(records: Records, form: str) -> str:
    """One right table: every CSV cell quoted that may be."""
    columns, rows = true_columns(records), [true_leaves(record) for record in records]
    cells = [[true_cell(row[c]) if c in row else "" for c in columns] for row in rows]
    if form == "csv":
        quoted = ([f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in line] for line in cells)
        head = ",".join(f'"{column.replace(chr(34), chr(34) * 2)}"' for column in columns)
        return "\n".join([head, *map(",".join, quoted)]) + "\n"
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
    """The records that the table was made of, types included."""
    for form in ("csv", "markdown"):
        for because, cases in STEPS:
            for records in cases:
                answer = s.read_table(true_table(records, form), form)
                answer.holds(other_records(records), because=f"{form}: {because}")
    bare = "csv: Quotes around a cell are needed only where there is a comma or a quote in it."
    plain = [{"a": "x", "b": "y z", "c": 1}]
    s.read_table("a,b,c\nx,y z,1\n", "csv").holds(other_records(plain), because=bare)
    last = "The last newline may be missing."
    s.read_table('a\n"""7"""', "csv").holds(other_records([{"a": "7"}]), because=last)
    s.read_table("| a |\n| --- |\n| 1 |", "markdown").holds(other_records([{"a": 1}]), because=last)
    together = "All of it together, on drawn records."
    for form in ("csv", "markdown") * 3:
        records = drawn_records(s)
        s.read_table(true_table(records, form), form).holds(
            other_records(records), because=together
        )
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


def true_keys(column: str) -> list[str]:
    """A column's name cut at its plain dots, letter by letter."""
    keys, letters = [""], iter(column)
    for letter in letters:
        if letter == ".":
            keys.append("")
        else:
            keys[-1] += next(letters, "") if letter == "\\" else letter
    return keys


def true_value(cell: str) -> Any:
    return json.loads(cell) if is_json(cell) else cell


def put(record: dict[str, Any], keys: list[str], value: Any) -> None:
    """Into a record, at the end of a way of keys."""
    *outer, last = keys
    for key in outer:
        record = record.setdefault(key, {})
    record[last] = value


def csv_cells(text: str) -> list[list[str]]:
    return [line for line in csv.reader(io.StringIO(text)) if line]


def markdown_cells(text: str) -> list[list[str]]:
    return [markdown_line(line) for line in text.strip().split("\n")]


def after_dashes(lines: list[list[str]]) -> list[list[str]]:
    return lines[2:]


Put = Callable[[dict[str, Any], list[str], Any], None]


def loader(
    csv_part: Callable[[str], list[list[str]]] = csv_cells,
    markdown_part: Callable[[str], list[list[str]]] = markdown_cells,
    body: Callable[[list[list[str]]], list[list[str]]] = after_dashes,
    keys: Callable[[str], list[str]] = true_keys,
    value: Callable[[str], Any] = true_value,
    put_in: Put = put,
    missing: Iterable[Any] = (),
    refuse: bool = True,
    whole: bool = True,
) -> Callable[..., Any]:
    """A complete answer with one part exchanged; `missing` holds what an empty cell becomes."""

    def read_table(text: str, form: str = "csv") -> Records:
        if refuse and form not in ("csv", "markdown"):
            raise ValueError(f"unknown form {form!r}")
        lines = csv_part(text) if form == "csv" else markdown_part(text)
        records: Records = []
        for cells in body(lines) if form != "csv" else lines[1:]:
            record: dict[str, Any] = {}
            for column, cell in zip(lines[0], cells, strict=whole):
                if cell:
                    put_in(record, keys(column), value(cell))
                for stand_in in missing if not cell else ():
                    put_in(record, keys(column), stand_in)
            records.append(record)
        return records

    return read_table


def as_text(cell: str) -> Any:
    return cell


challenge.mistake(
    "all-text",
    "Every value came back as text: numbers, true, null and lists too.",
    hint="Try json.loads(cell), and keep the text where it raises ValueError.",
    answer=loader(value=as_text),
)


def numbers_only(cell: str) -> Any:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell


challenge.mistake(
    "numbers-only",
    "You read numbers only. true, null, lists and quoted text are JSON too - and int() reads "
    "0815 and 1_000, which are texts here.",
    hint="One rule for all of it: json.loads(cell), or the text where that raises ValueError.",
    answer=loader(value=numbers_only),
)


def python_literal(cell: str) -> Any:
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError):
        return cell


challenge.mistake(
    "python-literals",
    "You read cells as Python literals: True and 1_000 are Python, and true and null are not.",
    hint="json.loads instead of ast.literal_eval (or eval, which would run what it reads).",
    answer=loader(value=python_literal),
)


def read_twice(cell: str) -> Any:
    once = true_value(cell)
    return true_value(once) if isinstance(once, str) else once


challenge.mistake(
    "read-twice",
    "You read the JSON of a text again: the quoted text 42 became a number.",
    hint="json.loads once. What comes out is the value.",
    answer=loader(value=read_twice),
)


def quotes_stripped(cell: str) -> Any:
    bare = cell.strip('"')
    return bare if bare != cell else true_value(cell)


challenge.mistake(
    "quotes-stripped",
    "You took the quotes off instead of reading the JSON: \\n and \\u2028 inside stay escaped.",
    hint="json.loads(cell) reads a quoted text too.",
    answer=loader(value=quotes_stripped),
)


challenge.mistake(
    "missing-as-null",
    "An empty cell became None. It means that the key is missing.",
    hint="Leave the key out when the cell is empty: if not cell: continue.",
    answer=loader(missing=(None,)),
)


challenge.mistake(
    "missing-as-empty-text",
    "An empty cell became an empty text. It means that the key is missing; an empty text is "
    'written as "".',
    hint="Leave the key out when the cell is empty: if not cell: continue.",
    answer=loader(missing=("",)),
)


def cut_at_commas(text: str) -> list[list[str]]:
    lines = text.rstrip("\n").split("\n")
    return [[cell.strip('"').replace('""', '"') for cell in line.split(",")] for line in lines]


challenge.mistake(
    "cut-at-commas",
    "You cut the lines at commas. A comma inside quotes belongs to the cell.",
    hint="csv.reader(io.StringIO(text)) gives the cells of each line.",
    answer=loader(csv_part=cut_at_commas),
)


def put_flat(record: dict[str, Any], keys: list[str], value: Any) -> None:
    record[".".join(keys)] = value


challenge.mistake(
    "not-nested",
    "The columns a.b stayed keys with a dot. They are the key b in a dict under a.",
    hint="Cut the column's name at its dots; make the dicts on the way with setdefault(key, {}).",
    answer=loader(put_in=put_flat),
)


def put_alone(record: dict[str, Any], keys: list[str], value: Any) -> None:
    first, *rest = keys
    for key in reversed(rest):
        value = {key: value}
    record[first] = value


challenge.mistake(
    "neighbours-overwritten",
    "Each column a.x made a new dict under a, and the one before it was lost.",
    hint="inner = record.setdefault('a', {}) takes the dict that is there already.",
    answer=loader(put_in=put_alone),
)


def dots_cut(column: str) -> list[str]:
    return [key.replace("\\\\", "\\") for key in column.split(".")]


challenge.mistake(
    "escaped-dots-cut",
    "You cut columns at every dot. A dot with a backslash before it belongs to the key.",
    hint=r"re.findall(r'(?:\\.|[^.\\])+', column) cuts at plain dots only.",
    answer=loader(keys=dots_cut),
)


def backslashes_in_keys(column: str) -> list[str]:
    return re.findall(r"(?:\\.|[^.\\])+", column)


challenge.mistake(
    "backslashes-left-in-keys",
    "The backslashes before dots stayed in the keys.",
    hint=r"Take them out after cutting: re.sub(r'\\(.)', r'\1', key).",
    answer=loader(keys=backslashes_in_keys),
)


def after_header(lines: list[list[str]]) -> list[list[str]]:
    return lines[1:]


challenge.mistake(
    "dashes-as-record",
    "The line of dashes became a record.",
    hint="In Markdown the records begin at the third line.",
    answer=loader(body=after_header),
)


def cut_at_bars(text: str) -> list[list[str]]:
    lines = (line.strip().strip("|").split("|") for line in text.strip().split("\n"))
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in lines]


challenge.mistake(
    "cut-at-bars",
    "You cut Markdown lines at every bar. One with a backslash before it belongs to the cell.",
    hint=r"re.findall(r'((?:\\.|[^|\\])*)\|', line[1:]) gives the cells.",
    answer=loader(markdown_part=cut_at_bars),
)


def escapes_kept(text: str) -> list[list[str]]:
    found = (re.findall(r"((?:\\.|[^|\\])*)\|", line[1:]) for line in text.strip().split("\n"))
    return [[cell.strip() for cell in line] for line in found]


challenge.mistake(
    "escapes-kept",
    "The backslashes of Markdown's escapes stayed in the cells.",
    hint=r"Take them out of each cell: re.sub(r'\\(.)', r'\1', cell).",
    answer=loader(markdown_part=escapes_kept),
)


def spaces_kept(text: str) -> list[list[str]]:
    found = (re.findall(r"((?:\\.|[^|\\])*)\|", line[1:]) for line in text.strip().split("\n"))
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in line] for line in found]


challenge.mistake(
    "spaces-kept",
    "The spaces beside the bars stayed in the cells.",
    hint="cell.strip(): text that has spaces of its own at its ends is in quotes.",
    answer=loader(markdown_part=spaces_kept),
)


challenge.mistake(
    "other-lengths-accepted",
    "You accept a line with more or fewer cells than the header has columns: values are lost, "
    "or stand under the wrong key, and nobody hears of it.",
    hint="zip(columns, cells, strict=True) raises ValueError for such a line.",
    answer=loader(whole=False),
)


challenge.mistake(
    "any-form",
    "You take every unknown form for one of the two.",
    hint='Raise ValueError for a form that is neither "csv" nor "markdown".',
    answer=loader(refuse=False),
)


challenge.alternative(loader())


def bars_after_spaces(text: str) -> list[list[str]]:
    """Right too: a bar that ends a cell has a space before it, an escaped one a backslash."""
    lines = (re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in text.strip().split("\n"))
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in lines]


challenge.alternative(loader(markdown_part=bars_after_spaces))


@challenge.alternative
def by_dictreader(text: str, form: str = "csv") -> Records:
    """Another right answer: csv.DictReader, and Markdown made into CSV first."""
    if form == "markdown":
        head, _, *rows = [markdown_line(line) for line in text.splitlines()]
        again = io.StringIO()
        csv.writer(again, quoting=csv.QUOTE_ALL).writerows([head, *rows])
        text = again.getvalue()
    elif form != "csv":
        raise ValueError("csv or markdown")
    records = []
    for line in csv.DictReader(io.StringIO(text, newline="")):
        record: dict[str, Any] = {}
        if None in line or None in line.values():
            raise ValueError("a line of another length")
        for column, cell in line.items():
            if cell != "":
                put(record, true_keys(column), true_value(cell))
        records.append(record)
    return records
