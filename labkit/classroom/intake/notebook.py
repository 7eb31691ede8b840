"""Reads the bytes of a notebook: its code cells, and the lesson that it says it is.

Nothing else in it is of interest, so outputs are dropped while they are parsed, and cell metadata
is never looked at. The memory that parsing will take is bounded before it begins: JSON can take
forty times its size. What is older than format 4 is converted by nbformat.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from labkit.classroom.intake.found import MEGABYTE, Unreadable
from labkit.classroom.intake.mistaken import ITSELF, broken_json, instead_of_notebook

PROSE = {"markdown": "Markdown", "raw": "raw"}
MAX_CODE = 2 * MEGABYTE
MAX_CELLS = 5_000
MAX_MEMORY = 256 * MEGABYTE
MAX_STRINGS = 1_500_000
MAX_OLD = 32 * MEGABYTE  # of a notebook that nbformat converts, which takes some times as much
OLD = (2, 3)
ANEW = "Ask for it as a Jupyter of today saves it."
# Bytes that Python takes at most for one object, one list, and one more item of either.
COSTS = {b"{": 232, b"[": 96, b",": 64}
# A JSON string with its quotes; one that never ends reaches to the end, so no byte is read twice.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


@dataclass(frozen=True)
class Notebook:
    """The sources of the code cells in order, and `metadata.labkit.lesson` ("" if it has none).

    prose    the other cells: what each is ("Markdown", "raw"), and its source
    """

    cells: tuple[str, ...]
    lesson: str = ""
    prose: tuple[tuple[str, str], ...] = ()


def read_notebook(data: bytes) -> Notebook:
    """The notebook in these bytes; Unreadable says what they are instead."""
    parsed = in_format_4(parse(data))
    cells = list(code_cells(parsed))
    if sum(map(len, cells)) > MAX_CODE or len(cells) > MAX_CELLS:
        raise Unreadable(
            f"It holds more code than anybody writes ({len(cells)} cells, "
            f"{sum(map(len, cells)):,} characters)."
        )
    return Notebook(tuple(cells), stated_lesson(parsed), tuple(prose_cells(parsed)))


def parse(data: bytes) -> dict[str, Any]:
    """The notebook as JSON, without its outputs; Unreadable says what it is instead."""
    if other := instead_of_notebook(data):
        raise Unreadable(other)
    text = ""
    try:
        encoding = json.detect_encoding(data)
        text = data.decode(encoding)
        refuse_costly(data if encoding.startswith("utf-8") else text.encode("utf-8", "replace"))
        parsed = json.loads(text, object_hook=without_outputs)
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"It is not UTF-8 text (byte {error.start}). Ask for it as Jupyter saves it."
        ) from None
    except RecursionError:
        raise Unreadable(
            f"It is not a notebook: no JSON of Jupyter's is nested as deeply. {ANEW}"
        ) from None
    except ValueError as error:
        raise Unreadable(broken_json(data, text, error)) from None
    if type(parsed) is not dict or not ({"cells", "worksheets"} & parsed.keys()):
        raise Unreadable(f"It is not a notebook: it is JSON, but has no cells. {ITSELF}")
    return parsed


def refuse_costly(data: bytes) -> None:
    """Unreadable where parsing would take too much memory; strings are not looked into."""
    strings = (data.count(b'"') - data.count(b'\\"')) // 2
    if strings > MAX_STRINGS or memory_for(data) > MAX_MEMORY < memory_for(STRING.sub(b"", data)):
        raise Unreadable(
            "It is made of so many parts that reading it would take too much memory. Ask for the "
            "notebook without its outputs (Kernel → Restart Kernel and Clear Outputs)."
        )


def memory_for(data: bytes) -> int:
    """At most how many bytes the objects take that this JSON makes."""
    return len(data) + sum(cost * data.count(sign) for sign, cost in COSTS.items())


def without_outputs(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the notebook less its outputs and attachments: they are large and say nothing."""
    if "outputs" in part or part.get("cell_type") == "code":
        part["outputs"] = []
    part.pop("attachments", None)
    return part


def in_format_4(parsed: dict[str, Any]) -> dict[str, Any]:
    """The notebook, converted if its cells are in worksheets, as formats 2 and 3 have them."""
    version = parsed.get("nbformat")
    if "worksheets" not in parsed or ("cells" in parsed and version not in OLD):
        return parsed
    known = {"nbformat": version if version in OLD else OLD[-1], "nbformat_minor": 0}
    try:
        return converted({"metadata": {}, **parsed, **known})
    except Unreadable:
        raise
    except Exception as error:  # nbformat trusts what it reads, so there is no telling which
        raise Unreadable(
            f"It is in an old format and can't be converted ({str(error)[:100]}). {ANEW}"
        ) from None


def converted(old: dict[str, Any]) -> dict[str, Any]:
    """An old notebook in format 4; Unreadable if nbformat would take too much memory for it."""
    text = json.dumps(old)
    if memory_for(text.encode()) > MAX_OLD:
        raise Unreadable(f"It is in an old format and too large to be converted. {ANEW}")
    import nbformat  # takes a second, and hardly any hand-in needs it

    new: dict[str, Any] = nbformat.reads(text, as_version=4)
    return new


def code_cells(parsed: dict[str, Any]) -> Iterator[str]:
    """The source of each code cell, in order."""
    for cell in all_cells(parsed):
        if cell.get("cell_type") == "code":
            yield source_of(cell.get("source", ""))


def prose_cells(parsed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and source of each cell that is not run, in order; as far as there can be code in it."""
    left = MAX_CODE
    for cell in all_cells(parsed):
        kind = cell.get("cell_type")
        if type(kind) is str and kind in PROSE:
            source = source_of(cell.get("source", ""))[:left]
            left -= len(source)
            yield PROSE[kind], source


def all_cells(parsed: dict[str, Any]) -> list[dict[str, Any]]:
    """Every cell that is one."""
    cells = parsed.get("cells")
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


def source_of(source: Any) -> str:
    """A cell's source, kept as one string or as a list of lines; what is neither is empty."""
    lines = source if type(source) is list else [source]
    return readable("".join(line for line in lines if type(line) is str))


def stated_lesson(parsed: dict[str, Any]) -> str:
    """`metadata.labkit.lesson`, if it is text."""
    part: Any = parsed
    for key in ("metadata", "labkit", "lesson"):
        part = part.get(key) if isinstance(part, dict) else None
    return readable(part)[:100] if type(part) is str else ""


def readable(text: str) -> str:
    """The text as it can be encoded: JSON may hold halves of a character."""
    return text.encode("utf-8", "replace").decode("utf-8")
