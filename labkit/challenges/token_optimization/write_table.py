"""Tables that say what the records say, cell by cell; how CSV is quoted is free."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

from labkit.challenges.token_optimization.shared import (
    BARS,
    STEPS,
    Records,
    compact,
    drawn_records,
    is_json,
    markdown_line,
    stands_bare,
    true_cell,
    true_columns,
    true_leaves,
)
from labkit.grading import Challenge, Submission
from labkit.grading.comparison import wrong_kind
from labkit.grading.diagnosis import same_values
from labkit.grading.transport import Reply, Returned


def cells_of(text: str, form: str) -> list[list[str]]:
    """The cells of a table, line by line: by csv, or letter by letter."""
    if form == "csv":
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    return [markdown_line(line) for line in text.split("\n") if line.strip()]


def other_table(records: Records, form: str) -> Callable[[Any], str | None]:
    """What a table says that the records don't."""
    columns, rows = true_columns(records), [true_leaves(record) for record in records]

    def problem(got: Any) -> str | None:
        if type(got) is not str:
            return wrong_kind(got, "str")
        lines = cells_of(got, form)
        if form == "markdown":
            dashes = lines[1] if len(lines) > 1 else []
            if len(dashes) != len(lines[0]) or not all(re.fullmatch(":?-+:?", x) for x in dashes):
                return "a Markdown table has dashes in each column after its header"
            del lines[1]
        if not lines or lines[0] != columns:
            return f"the columns are {lines[0] if lines else []}; {columns} were expected"
        if len(lines) - 1 != len(rows):
            return f"{len(lines) - 1} lines for {len(rows)} records"
        found = next((p for p in map(line_problem, lines[1:], rows) if p), None)
        plain = lines_of(lines, form)
        written = [line for line in re.split("\r?\n", got) if line]
        if form == "markdown":
            del written[1]
        return found or next((p for p in map(other_line, written, plain) if p), None)

    def line_problem(cells: list[str], row: dict[str, Any]) -> str | None:
        if len(cells) != len(columns):
            return f"a line has {len(cells)} cells, and there are {len(columns)} columns"
        for column, cell in zip(columns, cells, strict=True):
            if found := cell_problem(cell, column in row, row.get(column)):
                return f"in column {column!r} {found}"
        return None

    return problem


def minimal_quotes(lines: list[list[str]]) -> str:
    """As csv writes them: quotes only where they are needed, and Windows' line ends."""
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def lines_of(cells: list[list[str]], form: str) -> list[str]:
    """The lines of a table with these cells: quotes only where they are needed, one space on each
    side of a Markdown cell."""
    if form == "csv":
        return minimal_quotes(cells).split("\r\n")[:-1]
    return [f"| {' | '.join(cell.translate(BARS) for cell in line)} |" for line in cells]


def other_line(written: str, plain: str) -> str | None:
    """A line whose cells are right, but which is longer than it must be."""
    return None if written == plain else f"the line is {written!r}; {plain!r} says the same"


def cell_problem(cell: str, there: bool, value: Any) -> str | None:
    """What is wrong with a cell for this value; letters in JSON may be escaped or not."""
    if not there:
        return f"a missing key left {cell!r}" if cell else None
    if type(value) is str and stands_bare(value):
        return None if cell == value else f"the text {value!r} became {cell!r}"
    if cell in (compact(value), json.dumps(value, separators=(",", ":"), ensure_ascii=False)):
        return None
    return f"{value!r} became the cell {cell!r}; {compact(value)!r} was expected"


def check_write_table(s: Submission) -> None:
    """Tables that say what the records say, cell by cell; how CSV is quoted is free."""
    for form in ("csv", "markdown"):
        for because, cases in STEPS:
            for records in cases:
                answer = s.write_table(records, form)
                answer.holds(other_table(records, form), because=f"{form}: {because}")
    together = "All of it together, on drawn records."
    for form in ("csv", "markdown") * 3:
        records = drawn_records(s)
        s.write_table(records, form).holds(other_table(records, form), because=together)
    s.write_table([{"a": 1}]).holds(other_table([{"a": 1}], "csv"), because="CSV is the default.")
    s.write_table.raises(ValueError, [], "csv", because="No records make no table.")
    s.write_table.raises(ValueError, [{}, {}], "markdown", because="No keys make no table.")
    for form in ("tsv", "CSV", "Markdown"):
        s.write_table.raises(ValueError, [{"a": 1}], form, because="There are two forms only.")


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


def dashes(columns: list[str]) -> list[list[str]]:
    return [["---"] * len(columns)]


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


Leaves = Callable[[dict[str, Any]], dict[str, Any]]


Cell = Callable[[Any], str]


def csv_lines(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def joined_lines(lines: list[list[str]]) -> str:
    return "\n".join(map(",".join, lines)) + "\n"


def bars_escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|")


def line_by_columns(columns: list[str], row: dict[str, Any], cell: Cell) -> list[str]:
    return [cell(row[c]) if c in row else "" for c in columns]


def columns_of_all(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(c for row in rows for c in row))


def leaves_by_recursion(record: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Column → value, dictionary by dictionary."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        name = above + re.sub(r"([\\\\.])", r"\\\1", key)
        inner = isinstance(value, dict) and leaves_by_recursion(value, f"{name}.")
        found |= inner or {name: value}
    return found


def cell_read_back(value: Any) -> str:
    """Text as it is, where nothing else comes back from it."""
    if isinstance(value, str) and value.isprintable() and value == value.strip() != "":
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, separators=(",", ":"))


def writer(
    leaves: Leaves = leaves_by_recursion,
    cell: Cell = cell_read_back,
    columns: Callable[[list[dict[str, Any]]], list[str]] = columns_of_all,
    line: Callable[[list[str], dict[str, Any], Cell], list[str]] = line_by_columns,
    csv_text: Callable[[list[list[str]]], str] = csv_lines,
    escape: Callable[[str], str] = bars_escaped,
    second: Callable[[list[str]], list[list[str]]] = dashes,
    refuse: bool = True,
    head: Cell = str,
) -> Callable[..., Any]:
    """A complete answer with one part exchanged."""

    def write_table(records: Records, form: str = "csv") -> str:
        rows = [leaves(record) for record in records]
        if refuse and not any(rows):
            raise ValueError("no columns")
        if form not in ("csv", "markdown"):
            raise ValueError(f"unknown form {form!r}")
        names = columns(rows) if rows else []
        body = [line(names, row, cell) for row in rows]
        header = [head(name) for name in names]
        if form == "csv":
            return csv_text([header, *body])
        lines = [header, *second(names), *body]
        return "".join("| " + " | ".join(map(escape, cells)) + " |\n" for cells in lines)

    return write_table


challenge.mistake(
    "commas-not-quoted",
    "You joined the cells with commas. A comma or a quote inside a text then makes cells of "
    "its own.",
    hint="Let csv.writer put the quotes: csv.writer(text, lineterminator='\\n').writerows(lines), "
    "with text = io.StringIO().",
    answer=writer(csv_text=joined_lines),
)


def quoted_lines(lines: list[list[str]]) -> str:
    return "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines) + "\n"


challenge.mistake(
    "quotes-not-doubled",
    'You put quotes around the cells, but a quote inside a cell must be doubled: "say ""hi""".',
    hint="csv.writer does that for you.",
    answer=writer(csv_text=quoted_lines),
)


def columns_of_the_first(rows: list[dict[str, Any]]) -> list[str]:
    return list(rows[0])


challenge.mistake(
    "columns-of-the-first",
    "Your columns are the keys of the first record. What only later records have is lost.",
    hint="Collect the columns of all records; list(dict.fromkeys(...)) keeps the first of equals "
    "and the order.",
    answer=writer(columns=columns_of_the_first),
)


def columns_sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(columns_of_all(rows))


challenge.mistake(
    "columns-sorted",
    "You sorted the columns. They come in the order of first appearance (a set forgets it).",
    hint="dict.fromkeys(...) is a set that keeps the order.",
    answer=writer(columns=columns_sorted),
)


def line_in_its_own_order(columns: list[str], row: dict[str, Any], cell: Cell) -> list[str]:
    return [cell(value) for value in row.values()]


challenge.mistake(
    "own-order",
    "Each line has its record's own values in its own order, so values stand under the wrong "
    "column when a key is missing or the order differs.",
    hint="Go through the columns, not through the record: row[c] if c in row else ''.",
    answer=writer(line=line_in_its_own_order),
)


def missing_as_null(columns: list[str], row: dict[str, Any], cell: Cell) -> list[str]:
    return [cell(row.get(c)) for c in columns]


challenge.mistake(
    "missing-as-null",
    "A missing key became null (row.get(c) gives None for it). Then it can't be told from a "
    "key whose value is null.",
    hint="Write an empty cell when the column is not in the record, and null only for None.",
    answer=writer(line=missing_as_null),
)


def none_as_nothing(value: Any) -> str:
    return "" if value is None else true_cell(value)


challenge.mistake(
    "null-as-missing",
    "null became an empty cell, which means that the key is missing.",
    hint="None is written as JSON: null.",
    answer=writer(cell=none_as_nothing),
)


def empty_text_bare(value: Any) -> str:
    return "" if value == "" else true_cell(value)


challenge.mistake(
    "empty-text-as-missing",
    'An empty text became an empty cell, which means that the key is missing. Write it as "".',
    hint="Quote the empty text as JSON: json.dumps('') is two quotes.",
    answer=writer(cell=empty_text_bare),
)


def text_bare(value: Any) -> str:
    return value if isinstance(value, str) else compact(value)


challenge.mistake(
    "text-always-bare",
    "You write every text as it is. The text 42 then comes back as a number, and the text "
    "true as a truth value.",
    hint="Ask json.loads whether it could read the text. If it can, write json.dumps(text).",
    answer=writer(cell=text_bare),
)


def only_digits_quoted(value: Any) -> str:
    if isinstance(value, str) and value and value == value.strip() and value.isprintable():
        return compact(value) if value.lstrip("-").replace(".", "", 1).isdigit() else value
    return compact(value)


challenge.mistake(
    "only-digits-quoted",
    "You quote text that looks like a number, and forget what else JSON reads: true, null, "
    "1e5, NaN, [1], a text in quotes.",
    hint="Don't guess from the letters: try json.loads(text), and quote if it does not raise.",
    answer=writer(cell=only_digits_quoted),
)


def by_float(value: Any) -> str:
    """Quotes what float() reads, and 0815 and 1_000 are among that."""
    if not isinstance(value, str) or not stands_bare(value):
        return compact(value)
    try:
        float(value)
    except ValueError:
        return value
    return compact(value)


challenge.mistake(
    "quoted-by-float",
    "You asked float() which texts need quotes. It reads more than JSON does: 0815, 1_000, "
    "infinity are no JSON, so these texts stay as they are.",
    hint="Ask json.loads: what it refuses can't be taken for anything but text.",
    answer=writer(cell=by_float),
)


challenge.mistake(
    "keys-quoted",
    'You wrote the header\'s cells by the rule for values: the key 7 became "7". A header '
    "holds nothing but names, so it has no need of that.",
    hint="Leave the columns as they are; only what CSV or Markdown itself needs is done to them.",
    answer=writer(head=true_cell),
)


def text_never_bare(value: Any) -> str:
    return compact(value)


challenge.mistake(
    "text-never-bare",
    "You put every text in quotes. Nothing is lost, but each pair of quotes costs tokens, and "
    "CSV doubles them.",
    hint="Only text that could be taken for something else needs quotes.",
    answer=writer(cell=text_never_bare),
)


def python_values(value: Any) -> str:
    return value if isinstance(value, str) and stands_bare(value) else as_python(value)


def as_python(value: Any) -> str:
    return compact(value) if isinstance(value, str) else str(value)


challenge.mistake(
    "python-values",
    "You wrote values as Python shows them: True, None, ['x']. JSON has true, null, [\"x\"].",
    hint="json.dumps(value), not str(value).",
    answer=writer(cell=python_values),
)


def every_cell_quoted(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue()


challenge.mistake(
    "every-cell-quoted",
    "You put quotes around every cell. CSV needs them only where a comma, a quote or a line "
    "end is inside, and each pair costs tokens.",
    hint="csv.writer's own rule, QUOTE_MINIMAL, is the right one.",
    answer=writer(csv_text=every_cell_quoted),
)


def spaced_cell(value: Any) -> str:
    return value if isinstance(value, str) and stands_bare(value) else json.dumps(value)


challenge.mistake(
    "spaces-in-json",
    "Your JSON has spaces after commas and colons, as json.dumps writes it by default.",
    hint="json.dumps(value, separators=(',', ':')).",
    answer=writer(cell=spaced_cell),
)


def spaces_bare(value: Any) -> str:
    if isinstance(value, str) and value.strip() and not is_json(value) and value.isprintable():
        return value
    return compact(value)


challenge.mistake(
    "spaces-at-the-ends",
    "Text with spaces at its ends stands bare. A Markdown reader drops those spaces.",
    hint="Quote the text when text != text.strip().",
    answer=writer(cell=spaces_bare),
)


def line_ends_bare(value: Any) -> str:
    if isinstance(value, str) and value and value == value.strip() and not is_json(value):
        return value
    return compact(value)


challenge.mistake(
    "line-ends-bare",
    "A line end inside a text breaks the line of the table.",
    hint="Quote the text when it is not printable: text.isprintable(). json.dumps writes \\n then.",
    answer=writer(cell=line_ends_bare),
)


def not_nested(record: dict[str, Any]) -> dict[str, Any]:
    keys = ((key.replace("\\", "\\\\").replace(".", "\\."), v) for key, v in record.items())
    return dict(keys)


challenge.mistake(
    "nested-as-json",
    "A dict inside a record became JSON in one cell. It makes a column for each of its keys.",
    hint="Go into dicts by recursion, with outer + '.' + key as the column.",
    answer=writer(leaves=not_nested),
)


def one_level(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in not_nested(record).items():
        inner = not_nested(value) if isinstance(value, dict) and value else None
        found |= {key: value} if inner is None else {f"{key}.{k}": v for k, v in inner.items()}
    return found


challenge.mistake(
    "one-level",
    "You went into dicts one level deep; a dict inside a dict inside a record stayed JSON.",
    hint="Let the function call itself for every dict that is not empty.",
    answer=writer(leaves=one_level),
)


def plain_dots(record: dict[str, Any], outer: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in record.items():
        deep = isinstance(value, dict) and value
        found |= plain_dots(value, f"{outer}{key}.") if deep else {outer + key: value}
    return found


challenge.mistake(
    "dots-not-escaped",
    "The key a.b and the key b inside a make the same column, and one of them is lost.",
    hint="Put a backslash before each dot and each backslash of a key: "
    "re.sub(r'([.\\\\])', r'\\\\\\1', key).",
    answer=writer(leaves=plain_dots),
)


def lists_too(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in true_leaves(record).items():
        if isinstance(value, list) and value:
            inner = lists_too({str(i): item for i, item in enumerate(value)})
            found |= {f"{column}.{key}": item for key, item in inner.items()}
        else:
            found[column] = value
    return found


challenge.mistake(
    "lists-as-columns",
    "You made a column of each item of a list. Here a list is JSON in one cell, so that the "
    "longest list does not decide how many columns all others get.",
    hint="Go into dicts only.",
    answer=writer(leaves=lists_too),
)


def empty_dicts_lost(record: dict[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in true_leaves(record).items() if value != {}}


challenge.mistake(
    "empty-dicts-lost",
    "An empty dict has no keys, so your columns say nothing of it, and it is lost.",
    hint="Treat an empty dict like a list: {} as JSON in its cell.",
    answer=writer(leaves=empty_dicts_lost),
)


def bars_left(cell: str) -> str:
    return cell.replace("\\", "\\\\")


challenge.mistake(
    "bars-not-escaped",
    "A bar | inside a text ends the Markdown cell.",
    hint="Write it as \\| - and do that in the header too.",
    answer=writer(escape=bars_left),
)


def entity_for_bars(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "&#124;")


challenge.mistake(
    "bars-as-entities",
    "You wrote a bar as an HTML entity. A model, and read_table, see the entity and not a bar.",
    hint="Write | as \\|.",
    answer=writer(escape=entity_for_bars),
)


def only_bars_escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


challenge.mistake(
    "backslashes-not-escaped",
    "A backslash inside a text now looks like the beginning of an escape: the text \\| and the "
    "text | come out the same.",
    hint="Write each backslash as two, before you write | as \\|.",
    answer=writer(escape=only_bars_escaped),
)


def bars_before_backslashes(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\\", "\\\\")


challenge.mistake(
    "bars-before-backslashes",
    "You escaped the bars first and the backslashes after them, so the backslash that you had "
    "put before a bar was doubled too, and the bar ends the cell.",
    hint="The other way round: first each backslash as two, then | as \\|.",
    answer=writer(escape=bars_before_backslashes),
)


def no_dashes(columns: list[str]) -> list[list[str]]:
    return []


challenge.mistake(
    "no-dashes",
    "A Markdown table has a line of dashes after the header; without it, it is no table.",
    hint="Put ['---'] * len(columns) after the header.",
    answer=writer(second=no_dashes),
)


challenge.mistake(
    "nothing-refused",
    "You accept records without any key. The table would be empty, and reading it can't work.",
    hint="Raise ValueError when there are no columns.",
    answer=writer(refuse=False),
)


@challenge.mistake(
    "any-form",
    "You take every unknown form for one of the two.",
    hint='Raise ValueError for a form that is neither "csv" nor "markdown".',
)
def any_form(records: Records, form: str = "csv") -> str:
    return writer()(records, form if form == "markdown" else "csv")


challenge.alternative(writer())


def quoted_where_needed(lines: list[list[str]]) -> str:
    """Right too: by hand, and with Windows' line ends."""
    needed = re.compile('[,"\r\n]')
    escaped = [[f'"{x.replace(chr(34), 2 * chr(34))}"' if needed.search(x) else x for x in line]
               for line in lines]  # fmt: skip
    return "".join(f"{','.join(line) or 2 * chr(34)}\r\n" for line in escaped)


challenge.alternative(writer(csv_text=quoted_where_needed))


def unescaped_cell(value: Any) -> str:
    """Right too: JSON with its letters as they are."""
    if isinstance(value, str) and stands_bare(value):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


challenge.alternative(writer(cell=unescaped_cell))


challenge.equivalent(
    ("list() left out | columns = list(dict.fromkeys(column for row in rows for column in row))"),
    because="A dict gives its keys in their order, as a list of them does.",
)


challenge.equivalent(
    (
        'lineterminator= dropped | csv.writer(text, lineterminator="\\n").writerows([columns, '
        "*cells])"
    ),
    because="RFC 4180 ends lines so; readers take both line ends.",
)
