"""What a table says of records: its columns and its cells, read letter by letter."""

from __future__ import annotations

import json
from typing import Any

from labkit.challenges.token_optimization.records import Records

BARS = str.maketrans({"|": "\\|", "\\": "\\\\"})  # in a cell of Markdown


def true_leaves(record: dict[str, Any]) -> dict[str, Any]:
    """Column → value, by a stack and not by recursion."""
    found, todo = {}, [([key], value) for key, value in reversed(record.items())]
    while todo:
        path, value = todo.pop()
        if type(value) is dict and value:
            todo += [([*path, key], inner) for key, inner in reversed(value.items())]
        else:
            escaped = (key.replace("\\", "\\\\").replace(".", "\\.") for key in path)
            found[".".join(escaped)] = value
    return found


def true_columns(records: Records) -> list[str]:
    """The columns of all records in the order of first appearance."""
    columns: list[str] = []
    for record in records:
        columns += [name for name in true_leaves(record) if name not in columns]
    return columns


def is_json(text: str) -> bool:
    """Whether Python's json module reads it."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def stands_bare(text: str) -> bool:
    """Whether a text can stand in a cell as it is."""
    return bool(text) and text == text.strip() and text.isprintable() and not is_json(text)


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def true_cell(value: Any) -> str:
    """One right way to write a value."""
    return value if type(value) is str and stands_bare(value) else compact(value)


def markdown_line(line: str) -> list[str]:
    """The cells of a Markdown line; a backslash takes the next letter as it is."""
    cells: list[list[str]] = [[]]
    letters = iter(line.strip())
    for letter in letters:
        if letter == "|":
            cells.append([])
        else:
            cells[-1].append(next(letters, "") if letter == "\\" else letter)
    return ["".join(cell).strip() for cell in cells[1:-1]]
