"""Records as a table that loses nothing, in CSV (RFC 4180) or Markdown.

Checked cell by cell: CSV is read by Python's csv, Markdown letter by letter. How JSON spells its
letters and which line ends CSV has is free; quotes that nobody needs are not.
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
    compact,
    is_json,
    markdown_line,
    stands_bare,
    true_columns,
    true_leaves,
)
from labkit.grading import Challenge, Submission
from labkit.grading.answers.comparison import wrong_kind
from labkit.grading.checks.diagnosis import same_values
from labkit.grading.source.spoiling import spoiled
from labkit.grading.transports.transport import Reply, Returned


def check_write_table(s: Submission) -> None:
    def expect(records: Records, form: str, because: str) -> None:
        s.write_table(records, form).holds(other_table(records, form), because=because)

    for form in ("csv", "markdown"):
        for because, cases in STEPS.items():
            for records in cases:
                expect(records, form, f"{form}: {because}")
    for form in ("csv", "markdown") * 3:
        expect(drawn_records(s), form, "All of it together, on drawn records.")
    s.write_table([{"a": 1}]).holds(other_table([{"a": 1}], "csv"), because="CSV is the default.")
    s.write_table.raises(ValueError, [], "csv", because="No records make no table.")
    s.write_table.raises(ValueError, [{}, {}], "markdown", because="No keys make no table.")
    for form in ("tsv", "CSV", "Markdown"):
        s.write_table.raises(ValueError, [{"a": 1}], form, because="There are two forms only.")


def other_table(records: Records, form: str) -> Callable[[Any], str | None]:
    """What a table says that the records don't."""
    columns, rows = true_columns(records), [true_leaves(record) for record in records]

    def problem(got: Any) -> str | None:
        if type(got) is not str:
            return wrong_kind(got, "str")
        lines, written = cells_of(got, form), [x for x in re.split("\r?\n", got) if x]
        if form == "markdown":
            if not has_dashes(lines):
                return "a Markdown table has dashes in each column after its header"
            del lines[1], written[1]
        if lines[:1] != [columns]:
            return f"the columns are {lines[0] if lines else []}; {columns} were expected"
        if len(lines) - 1 != len(rows):
            return f"{len(lines) - 1} lines for {len(rows)} records"
        wrong = [
            line_problem(cells, columns, row) for cells, row in zip(lines[1:], rows, strict=True)
        ]
        longer = map(other_line, written, lines_of(lines, form))
        return next(filter(None, [*wrong, *longer]), None)

    return problem


def cells_of(text: str, form: str) -> list[list[str]]:
    """The cells of a table, line by line: by csv, or letter by letter."""
    if form == "csv":
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    return [markdown_line(line) for line in text.split("\n") if line.strip()]


def has_dashes(lines: list[list[str]]) -> bool:
    """Whether each column of the header has dashes below it."""
    if len(lines) < 2 or len(lines[1]) != len(lines[0]):
        return False
    return all(re.fullmatch(":?-+:?", cell) for cell in lines[1])


def line_problem(cells: list[str], columns: list[str], row: dict[str, Any]) -> str | None:
    """What is wrong with the line of a record."""
    if len(cells) != len(columns):
        return f"a line has {len(cells)} cells, and there are {len(columns)} columns"
    for column, cell in zip(columns, cells, strict=True):
        if found := cell_problem(cell, column in row, row.get(column)):
            return f"in column {column!r} {found}"
    return None


def cell_problem(cell: str, there: bool, value: Any) -> str | None:
    """What is wrong with a cell for this value; letters in JSON may be escaped or not."""
    if not there:
        return f"a missing key left {cell!r}" if cell else None
    if type(value) is str and stands_bare(value):
        return None if cell == value else f"the text {value!r} became {cell!r}"
    if cell in (compact(value), json.dumps(value, separators=(",", ":"), ensure_ascii=False)):
        return None
    return f"{value!r} became the cell {cell!r}; {compact(value)!r} was expected"


def lines_of(cells: list[list[str]], form: str) -> list[str]:
    """The lines of a table with these cells: quotes only where they are needed, one space on each
    side of a Markdown cell."""
    if form == "markdown":
        return [f"| {' | '.join(cell.translate(BARS) for cell in line)} |" for line in cells]
    text = io.StringIO()
    csv.writer(text).writerows(cells)
    return text.getvalue().split("\r\n")[:-1]


def other_line(written: str, plain: str) -> str | None:
    """A line whose cells are right, but which is longer than it must be."""
    return None if written == plain else f"the line is {written!r}; {plain!r} says the same"


def same_table(left: Reply, right: Reply) -> bool:
    """Two tables with the same cells, however they are quoted; otherwise the same values."""
    if not (isinstance(left, Returned) and isinstance(right, Returned)):
        return same_values(left, right)
    if type(left.value) is not str or type(right.value) is not str:
        return same_values(left, right)
    form = "markdown" if left.value.startswith("|") else "csv"
    try:
        return alike_cells(left.value, form) == alike_cells(right.value, form)
    except csv.Error:
        return left.value == right.value


def alike_cells(text: str, form: str) -> list[list[str]]:
    """The cells of a table with JSON written in one way."""
    return [
        [json.dumps(json.loads(cell)) if is_json(cell) else cell for cell in line]
        for line in cells_of(text, form)
    ]


challenge = Challenge(
    name="write_table",
    title="Records to CSV and Markdown, nothing lost",
    check=check_write_table,
    points=3,
    hints=(
        "Three steps: make each record flat (column → value), collect the columns of all of them, "
        "then write line by line. What must a reader see to tell missing, null, the empty text "
        "and the text null apart?",
        'By hand: which columns has {"id": 7, "at": {"zip": "4000"}}, and which of its two cells '
        "would come back as something else if it stood there as it is? What tells you so for any "
        "text? Give each step a function of its own.",
        'Flat, by recursion: {"id": 7, "at.zip": "4000"}. json.loads takes the text 4000 for a '
        'number, so its cell is "4000" with quotes, and csv.writer (lineterminator="\\n") makes '
        '"""4000""" of it: it knows where CSV needs quotes. In Markdown double the backslashes '
        "first, then put one before each bar.",
    ),
    alike=same_table,
)

COLUMNS = "list(dict.fromkeys(column for row in rows for column in row))"
NESTED = "if isinstance(value, dict) and value:"
CELL = '_cell(row[c]) if c in row else ""'
TRIED = """\
try:
        json.loads(value or "0")
    except ValueError:
        return value"""
DUMPED = 'json.dumps(value, separators=(",", ":"))'
WRITTEN = r"""csv.writer(text, lineterminator="\n").writerows([columns, *cells])"""
ESCAPED = r"""re.sub(r"([|\\])", r"\\\1", cell)"""


# ---- the columns ---------------------------------------------------------------------------------

challenge.mistake(
    "columns-of-the-first",
    "Your columns are the keys of the first record. What only later records have is lost.",
    hint="Collect the columns of all records; list(dict.fromkeys(...)) keeps the first of equals "
    "and the order.",
    answer=spoiled("for row in rows for", "for row in rows[:1] for"),
)

challenge.mistake(
    "columns-sorted",
    "You sorted the columns. They come in the order of first appearance (a set forgets it).",
    hint="dict.fromkeys(...) is a set that keeps the order.",
    answer=spoiled(COLUMNS, "sorted({column for row in rows for column in row})"),
)

challenge.mistake(
    "nested-as-json",
    "A dict inside a record became JSON in one cell. It makes a column for each of its keys.",
    hint="Go into dicts by recursion, with outer + '.' + key as the column.",
    answer=spoiled('yield from _leaves(value, column + ".")', "yield column, value"),
)

challenge.mistake(
    "one-level",
    "You went into dicts one level deep; a dict inside a dict inside a record stayed JSON.",
    hint="Let the function call itself for every dict that is not empty.",
    answer=spoiled("and value:", "and value and not outer:"),
)

challenge.mistake(
    "dots-not-escaped",
    "The key a.b and the key b inside a make the same column, and one of them is lost.",
    hint="Put a backslash before each dot and each backslash of a key: "
    "re.sub(r'([.\\\\])', r'\\\\\\1', key).",
    answer=spoiled(r"""re.sub(r"([.\\])", r"\\\1", key)""", "key"),
)

challenge.mistake(
    "lists-as-columns",
    "You made a column of each item of a list. Here a list is JSON in one cell, so that the "
    "longest list does not decide how many columns all others get.",
    hint="Go into dicts only.",
    answer=spoiled(
        NESTED,
        f"if isinstance(value, list) and value:\n"
        f"            value = {{str(i): item for i, item in enumerate(value)}}\n"
        f"        {NESTED}",
    ),
)

challenge.mistake(
    "empty-dicts-lost",
    "An empty dict has no keys, so your columns say nothing of it, and it is lost.",
    hint="Treat an empty dict like a list: {} as JSON in its cell.",
    answer=spoiled("else:", "elif value != {}:"),
)

challenge.mistake(
    "keys-quoted",
    'You wrote the header\'s cells by the rule for values: the key 7 became "7". A header '
    "holds nothing but names, so it has no need of that.",
    hint="Leave the columns as they are; only what CSV or Markdown itself needs is done to them.",
    answer=spoiled(
        "lines = [columns",
        "lines = [[*map(_cell, columns)]",
        "writerows([columns",
        "writerows([[*map(_cell, columns)]",
    ),
)


# ---- which cell a value is in --------------------------------------------------------------------

challenge.mistake(
    "own-order",
    "Each line has its record's own values in its own order, so values stand under the wrong "
    "column when a key is missing or the order differs.",
    hint="Go through the columns, not through the record: row[c] if c in row else ''.",
    answer=spoiled(f"{CELL} for c in columns", "_cell(value) for value in row.values()"),
)

challenge.mistake(
    "missing-as-null",
    "A missing key became null (row.get(c) gives None for it). Then it can't be told from a "
    "key whose value is null.",
    hint="Write an empty cell when the column is not in the record, and null only for None.",
    answer=spoiled(CELL, "_cell(row.get(c))"),
)

challenge.mistake(
    "null-as-missing",
    "null became an empty cell, which means that the key is missing.",
    hint="None is written as JSON: null.",
    answer=spoiled("if c in row", "if row.get(c) is not None"),
)

challenge.mistake(
    "empty-text-as-missing",
    'An empty text became an empty cell, which means that the key is missing. Write it as "".',
    hint="Quote the empty text as JSON: json.dumps('') is two quotes.",
    answer=spoiled('json.loads(value or "0")', "json.loads(value)"),
)


# ---- text that could be something else -----------------------------------------------------------

challenge.mistake(
    "text-always-bare",
    "You write every text as it is. The text 42 then comes back as a number, and the text "
    "true as a truth value.",
    hint="Ask json.loads whether it could read the text. If it can, write json.dumps(text).",
    answer=spoiled("_cell(row[c])", "(row[c] if isinstance(row[c], str) else _json(row[c]))"),
)

challenge.mistake(
    "only-digits-quoted",
    "You quote text that looks like a number, and forget what else JSON reads: true, null, "
    "1e5, NaN, [1], a text in quotes.",
    hint="Don't guess from the letters: try json.loads(text), and quote if it does not raise.",
    answer=spoiled(
        TRIED,
        'if value and not value.lstrip("-").replace(".", "", 1).isdigit():\n        return value',
    ),
)

challenge.mistake(
    "quoted-by-float",
    "You asked float() which texts need quotes. It reads more than JSON does: 0815, 1_000, "
    "infinity are no JSON, so these texts stay as they are.",
    hint="Ask json.loads: what it refuses can't be taken for anything but text.",
    answer=spoiled(
        "return value\n",
        "try:\n            float(value)\n        except ValueError:\n            return value\n",
    ),
)

challenge.mistake(
    "spaces-at-the-ends",
    "Text with spaces at its ends stands bare. A Markdown reader drops those spaces.",
    hint="Quote the text when text != text.strip().",
    answer=spoiled(" or value != value.strip()", ""),
)

challenge.mistake(
    "line-ends-bare",
    "A line end inside a text breaks the line of the table.",
    hint="Quote the text when it is not printable: text.isprintable(). json.dumps writes \\n then.",
    answer=spoiled(" or not value.isprintable()", ""),
)

challenge.mistake(
    "text-never-bare",
    "You put every text in quotes. Nothing is lost, but each pair of quotes costs tokens, and "
    "CSV doubles them.",
    hint="Only text that could be taken for something else needs quotes.",
    answer=spoiled("_cell(row[c])", "_json(row[c])"),
)


# ---- JSON ----------------------------------------------------------------------------------------

challenge.mistake(
    "python-values",
    "You wrote values as Python shows them: True, None, ['x']. JSON has true, null, [\"x\"].",
    hint="json.dumps(value), not str(value).",
    answer=spoiled(DUMPED, "json.dumps(value) if isinstance(value, str) else str(value)"),
)

challenge.mistake(
    "spaces-in-json",
    "Your JSON has spaces after commas and colons, as json.dumps writes it by default.",
    hint="json.dumps(value, separators=(',', ':')).",
    answer=spoiled(', separators=(",", ":")', ""),
)


# ---- CSV -----------------------------------------------------------------------------------------

challenge.mistake(
    "commas-not-quoted",
    "You joined the cells with commas. A comma or a quote inside a text then makes cells of "
    "its own.",
    hint="Let csv.writer put the quotes: csv.writer(text, lineterminator='\\n').writerows(lines), "
    "with text = io.StringIO().",
    answer=spoiled(
        WRITTEN, 'text.writelines(",".join(line) + "\\n" for line in [columns, *cells])'
    ),
)

challenge.mistake(
    "quotes-not-doubled",
    'You put quotes around the cells, but a quote inside a cell must be doubled: "say ""hi""".',
    hint="csv.writer does that for you.",
    answer=spoiled(
        WRITTEN,
        """text.writelines(",".join(f'"{x}"' for x in row) + "\\n" for row in [columns, *cells])""",
    ),
)

challenge.mistake(
    "every-cell-quoted",
    "You put quotes around every cell. CSV needs them only where a comma, a quote or a line "
    "end is inside, and each pair costs tokens.",
    hint="csv.writer's own rule, QUOTE_MINIMAL, is the right one.",
    answer=spoiled("csv.writer(text,", "csv.writer(text, quoting=csv.QUOTE_ALL,"),
)


# ---- Markdown ------------------------------------------------------------------------------------

challenge.mistake(
    "no-dashes",
    "A Markdown table has a line of dashes after the header; without it, it is no table.",
    hint="Put ['---'] * len(columns) after the header.",
    answer=spoiled('["---"] * len(columns), ', ""),
)

challenge.mistake(
    "bars-not-escaped",
    "A bar | inside a text ends the Markdown cell.",
    hint="Write it as \\| - and do that in the header too.",
    answer=spoiled(r"([|\\])", r"(\\)"),
)

challenge.mistake(
    "backslashes-not-escaped",
    "A backslash inside a text now looks like the beginning of an escape: the text \\| and the "
    "text | come out the same.",
    hint="Write each backslash as two, before you write | as \\|.",
    answer=spoiled(r"([|\\])", "([|])"),
)

challenge.mistake(
    "bars-before-backslashes",
    "You escaped the bars first and the backslashes after them, so the backslash that you had "
    "put before a bar was doubled too, and the bar ends the cell.",
    hint="The other way round: first each backslash as two, then | as \\|.",
    answer=spoiled(ESCAPED, r"""cell.replace("|", "\\|").replace("\\", "\\\\")"""),
)

challenge.mistake(
    "bars-as-entities",
    "You wrote a bar as an HTML entity. A model, and read_table, see the entity and not a bar.",
    hint="Write | as \\|.",
    answer=spoiled(ESCAPED, r"""cell.replace("\\", "\\\\").replace("|", "&#124;")"""),
)


# ---- what is refused -----------------------------------------------------------------------------

challenge.mistake(
    "nothing-refused",
    "You accept records without any key. The table would be empty, and reading it can't work.",
    hint="Raise ValueError when there are no columns.",
    answer=spoiled(
        'raise ValueError("there is no column: give at least one record with a key")', "pass"
    ),
)

challenge.mistake(
    "any-form",
    "You take every unknown form for one of the two.",
    hint='Raise ValueError for a form that is neither "csv" nor "markdown".',
    answer=spoiled(
        """raise ValueError(f'form is {form!r}; it can be "csv" or "markdown"')""", "pass"
    ),
)


# ---- other right answers -------------------------------------------------------------------------


def flat(record: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Column → value, dictionary by dictionary."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        name = above + key.replace("\\", r"\\").replace(".", r"\.")
        inner = isinstance(value, dict) and flat(value, f"{name}.")
        found |= inner or {name: value}
    return found


def spelled(value: Any, ensure_ascii: bool = True) -> str:
    """Text as it is, where nothing else comes back from it."""
    if isinstance(value, str) and value.isprintable() and value == value.strip() != "":
        try:
            json.loads(value)
        except json.JSONDecodeError:
            return value
    return json.dumps(value, ensure_ascii=ensure_ascii, separators=(",", ":"))


def in_markdown(head: list[str], *lines: list[str]) -> str:
    """The lines of a table between bars."""
    escaped = [
        [x.replace("\\", r"\\").replace("|", r"\|") for x in line] for line in (head, *lines)
    ]
    escaped.insert(1, ["---"] * len(head))
    return "".join("| " + " | ".join(line) + " |\n" for line in escaped)


@challenge.alternative
def by_dictwriter(records: Records, form: str = "csv") -> str:
    """csv.DictWriter fills up what is missing; a Markdown table is made of its lines."""
    rows = [{column: spelled(value) for column, value in flat(r).items()} for r in records]
    names = list({name: None for row in rows for name in row})
    if not names or form not in ("csv", "markdown"):
        raise ValueError("no columns, or no form")
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    if form == "csv":
        return text.getvalue()
    return in_markdown(*csv.reader(io.StringIO(text.getvalue())))


@challenge.alternative
def column_by_column(records: Records, form: str = "csv") -> str:
    """A dict of columns, each with its cells; letters in JSON as they are."""
    table: dict[str, list[str]] = {}
    for number, record in enumerate(records):
        for name, value in flat(record).items():
            table.setdefault(name, [""] * len(records))[number] = spelled(value, ensure_ascii=False)
    if form not in ("csv", "markdown") or not table:
        raise ValueError(f"{len(table)} columns as {form}")
    lines = [[*table], *map(list, zip(*table.values(), strict=True))]
    if form == "markdown":
        return in_markdown(*lines)
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def quoted(cell: str, alone: bool) -> str:
    """A cell in quotes, where RFC 4180 wants them, or where its line would be empty."""
    needed = re.search('[,"\r\n]', cell) or (alone and not cell)
    return '"' + cell.replace('"', '""') + '"' if needed else cell


@challenge.alternative
def by_hand(records: Records, form: str = "csv") -> str:
    """Without the csv module."""
    rows, head = [flat(record) for record in records], list[str]()
    for row in rows:
        head += [name for name in row if name not in head]
    if not head:
        raise ValueError("no columns")
    lines = [head, *([spelled(row[n]) if n in row else "" for n in head] for row in rows)]
    if form == "markdown":
        return in_markdown(*lines)
    if form != "csv":
        raise ValueError(form)
    return "".join(",".join(quoted(x, len(head) == 1) for x in line) + "\n" for line in lines)


challenge.equivalent(
    f"list() left out | columns = {COLUMNS}",
    because="A dict gives its keys in their order, as a list of them does.",
)
challenge.equivalent(
    f"lineterminator= dropped | {WRITTEN}",
    because="RFC 4180 ends lines so; readers take both line ends.",
)
