"""Reference answers of lesson 03, Token optimization: one plain function per challenge."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any


def learn_merges(words: dict[str, int], count: int) -> list[tuple[str, str]]:
    """Learn the merges of byte-pair encoding: join the most frequent pair, again and again.

    words    how often each word occurs in a corpus; pairs are counted inside words only, every
             two neighbours: aaa has the pair (a, a) twice, and is joined from the left
    count    how many merges to learn; fewer when no word has two tokens left
    returns  the merged pairs in the order in which they were learned, each a tuple of two tokens

    Of equally frequent pairs the one is merged whose first token is older, then the one whose
    second is: letters are the oldest tokens, in alphabetical order, then the results of the merges.
    Write it in Python: the trainer of `tokenizers` is what it is compared with.

    learn_merges({"low": 5, "lower": 2}, 2)  →  [("l", "o"), ("lo", "w")]
    """
    tokens = {word: list(word) for word in words}
    age = {letter: i for i, letter in enumerate(sorted(set("".join(words))))}
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(tokens[word]):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], age[pair[0]], age[pair[1]]))
        merges.append(best)
        age.setdefault("".join(best), len(age))
        tokens = {word: _merged(parts, best) for word, parts in tokens.items()}
    return merges


def _merged(tokens: list[str], pair: tuple[str, str]) -> list[str]:
    """The tokens of a word with each occurrence of the pair joined, from the left."""
    joined: list[str] = []
    for token in tokens:
        if joined and (joined[-1], token) == pair:
            joined[-1] += token
        else:
            joined.append(token)
    return joined


def write_table(records: list[dict[str, Any]], form: str = "csv") -> str:
    """Write records as a table that loses nothing: CSV (RFC 4180) or a Markdown table.

    records  what JSON can hold; a key is printable (str.isprintable: no line end, no tab, no other
             control character), not empty, and has no spaces at its ends
    form     "csv" or "markdown"; anything else is a ValueError, and so are records of which none
             has a key; a record without keys among others is a line of empty cells
    returns  a header of the columns, then one line for each record, each with a line end. CSV
             quotes a cell only where it must; a line whose only cell is empty is `""`. Markdown
             lines are `| a | b |`, with dashes after the header; a backslash is written as two,
             and | as \\|

    A column for each key, in the order of first appearance. A key inside a dict makes a column
    `outer.inner`, where a dot or a backslash in a key has a backslash before it. Cells below the
    header, which holds the columns as they are:
      a missing key       nothing
      text                as it is, if str.isprintable holds, it is not empty, without spaces at its
                          ends, and no JSON (json.loads refuses it, as it does 0815); else, quoted,
                          as JSON
      everything else     JSON without spaces: numbers, true, false, null, lists, empty dicts

    write_table([{"id": 7, "at": {"zip": "4000"}}])  →  'id,at.zip\\n7,\"\"\"4000\"\"\"\\n'
    """
    rows = [dict(_leaves(record)) for record in records]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if not columns:
        raise ValueError("there is no column: give at least one record with a key")
    cells = [[_cell(row[c]) if c in row else "" for c in columns] for row in rows]
    if form == "markdown":
        lines = [columns, ["---"] * len(columns), *cells]
        return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines)
    if form != "csv":
        raise ValueError(f'form is {form!r}; it can be "csv" or "markdown"')
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *cells])
    return text.getvalue()


def _leaves(record: dict[str, Any], outer: str = "") -> Iterator[tuple[str, Any]]:
    """Column and value of everything in a record that is no dict with keys."""
    for key, value in record.items():
        column = outer + re.sub(r"([.\\])", r"\\\1", key)
        if isinstance(value, dict) and value:
            yield from _leaves(value, column + ".")
        else:
            yield column, value


def _cell(value: Any) -> str:
    """Text as it is where it can't be taken for anything else; JSON otherwise."""
    if not isinstance(value, str) or not value.isprintable() or value != value.strip():
        return _json(value)
    try:
        json.loads(value or "0")
    except ValueError:
        return value
    return _json(value)


def _json(value: Any) -> str:
    """JSON without spaces between its parts."""
    return json.dumps(value, separators=(",", ":"))


def _escaped(cell: str) -> str:
    """A Markdown cell in which no | ends it."""
    return re.sub(r"([|\\])", r"\\\1", cell)


def read_table(text: str, form: str = "csv") -> list[dict[str, Any]]:
    """Read what write_table has written; the records come back as they were.

    text     a table in the form that write_table describes; its last newline may be missing
    form     "csv" or "markdown"; anything else is a ValueError, and so is a line with more or
             fewer cells than the header
    returns  a record for each line after the header, dicts inside dicts where a column has a dot

    read_table('id,at.zip\\n7,\"\"\"4000\"\"\"\\n')  →  [{"id": 7, "at": {"zip": "4000"}}]
    """
    if form == "markdown":
        lines = [_markdown_cells(line) for line in text.strip().split("\n")]
        columns, rows = lines[0], lines[2:]
    elif form == "csv":
        columns, *rows = csv.reader(io.StringIO(text))
    else:
        raise ValueError(f'form is {form!r}; it can be "csv" or "markdown"')
    paths = [_keys(column) for column in columns]
    return [_record(paths, cells) for cells in rows]


def _markdown_cells(line: str) -> list[str]:
    """The cells between the bars of a line, without their escapes."""
    cells = re.findall(r"((?:\\.|[^|\\])*)\|", line.removeprefix("|"))
    return [_unescaped(cell.strip()) for cell in cells]


def _unescaped(text: str) -> str:
    """Each escaped character without its backslash."""
    return re.sub(r"\\(.)", r"\1", text)


def _keys(column: str) -> list[str]:
    """The keys on the way to a value: a column's name, cut at its plain dots."""
    return [_unescaped(key) for key in re.findall(r"(?:\\.|[^.\\])+", column)]


def _record(paths: list[list[str]], cells: list[str]) -> dict[str, Any]:
    """One line as a record; an empty cell is a key that is missing."""
    record: dict[str, Any] = {}
    for (*outer, last), cell in zip(paths, cells, strict=True):
        if not cell:
            continue
        inner = record
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = _value(cell)
    return record


def _value(cell: str) -> Any:
    """What a cell says: JSON if it is that, else its text."""
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def request_cost(
    prompt: list[int],
    output_tokens: int,
    rates: dict[str, float],
    cached: list[int],
    block: int = 128,
) -> float:
    """The price of one request when the provider still holds an earlier prompt in its cache.

    prompt         token ids of this request
    output_tokens  how many tokens the model writes; below 0 is a ValueError
    rates          dollars for a million tokens: "input", "cached" (input that was read from the
                   cache, instead of "input") and "output"
    cached         token ids of the earlier prompt; empty when there is none
    block          a cache holds whole blocks of this many tokens: only as many tokens count as
                   cached as fill whole blocks that both prompts begin with
    returns        dollars

    With block=2, [5, 6, 7, 8] after [5, 6, 7, 9]: two tokens are cached, two are new.
    """
    if output_tokens < 0:
        raise ValueError(f"output_tokens must be 0 or more, got {output_tokens}")
    same = 0
    for ours, theirs in zip(prompt, cached, strict=False):
        if ours != theirs:
            break
        same += 1
    hit = same // block * block
    dollars = (
        (len(prompt) - hit) * rates["input"]
        + hit * rates["cached"]
        + output_tokens * rates["output"]
    )
    return dollars / 1e6
