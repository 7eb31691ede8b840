"""Lessons as notebooks: from an author's text to what a learner opens, and back to plain sources.

`to_notebook` reads the text (py:percent, jupytext), `solve` puts the reference answers into the
stubs, `strip` takes out of an executed notebook what would differ the next time: widget state,
timings, the plotting library's signature. Built twice, a lesson has the same bytes.
"""

from __future__ import annotations

import ast
import base64
import copy
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.course.execution import first_line

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from labkit.course.catalog import Lesson

Function = ast.FunctionDef | ast.AsyncFunctionDef

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_REMARKS = {b"tEXt", b"zTXt", b"iTXt", b"tIME"}  # chunks that say who drew it, and when
EMBEDDED_PNG = re.compile(r"(?<=data:image/png;base64,)[A-Za-z0-9+/=]+")
ADDRESS = re.compile(r"\b0x[0-9a-f]{7,}\b", re.IGNORECASE)

# Fixed, so that a notebook built under another Python version still has the same bytes.
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "pygments_lexer": "ipython3",
}
EDITOR_METADATA = {"lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker"}
THIS_MACHINE = "this-machine"  # the tag of a cell whose output is not kept
RUN_METADATA = {"execution", "ExecuteTime", "collapsed", "scrolled", "trusted"}


class NotebookError(ValueError):
    """A lesson's text or its outputs can't be made into a notebook; the message says where."""


# From the text to the notebook


def to_notebook(lesson: Lesson) -> NotebookNode:
    """The notebook of a lesson's text, not executed."""
    return from_text(lesson.path.with_suffix(".py").read_text("utf-8"), lesson.id)


def from_text(text: str, lesson_id: str) -> NotebookNode:
    """A notebook of a py:percent text: stable cell ids, no metadata that nobody reads."""
    import jupytext

    notebook = jupytext.reads(text, fmt="py:percent")
    about = dict(notebook.metadata.get("labkit", {}))
    notebook.metadata = _node(
        kernelspec=KERNELSPEC, language_info=LANGUAGE, labkit={"lesson": lesson_id, **about}
    )
    for cell, cell_id in zip(notebook.cells, _cell_ids(notebook.cells), strict=True):
        cell.id = cell_id
        _drop(cell.metadata, EDITOR_METADATA)
    return notebook


def _cell_ids(cells: Iterable[NotebookNode]) -> Iterator[str]:
    """An id per cell that outlives edits elsewhere in the lesson.

    A stub keeps its function's name, so that a learner's answer finds its cell in the next
    version; any other cell is known by its text, a repeated text by its turn.
    """
    seen: Counter[str] = Counter()
    for cell in cells:
        stub = next(iter(_stub_names(cell)), None)
        text = f"{cell.cell_type}\n{cell.source}".encode()
        name = f"stub-{stub}" if stub else hashlib.sha256(text).hexdigest()[:12]
        seen[name] += 1
        yield name[:60] if seen[name] == 1 else f"{name[:60]}-{seen[name]}"


def _node(**content: Any) -> NotebookNode:
    from nbformat import from_dict

    return from_dict(copy.deepcopy(content))


def _drop(mapping: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        mapping.pop(name, None)


# Stubs and their answers


def stub_cells(notebook: NotebookNode, lesson_id: str) -> dict[str, int]:
    """Challenge name -> index of the cell that defines its function, in the lesson's order."""
    from labkit.grading.source import solutions

    challenges = solutions.names(lesson_id)
    return {
        name: index
        for index, cell in enumerate(notebook.cells)
        for name in _functions(cell)
        if name in challenges
    }


def markdown_in(notebook: NotebookNode) -> str:
    """All that a notebook says in words."""
    cells = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return "\n\n".join(cells)


def code_nodes(notebook: NotebookNode) -> Iterator[ast.AST]:
    """Every part of the code of a notebook's cells; a cell that is no Python has none."""
    trees = (parsed(cell.source) for cell in notebook.cells if cell.cell_type == "code")
    return (node for tree in trees if tree for node in ast.walk(tree))


def named_in(notebook: NotebookNode, call: str) -> set[str]:
    """The names that cells give to a call of the lab, such as "lab.alt": those written out."""
    calls = [node for node in code_nodes(notebook) if isinstance(node, ast.Call) and node.args]
    given = [each.args[0] for each in calls if ast.unparse(each.func) == call]
    return {str(name.value) for name in given if isinstance(name, ast.Constant)}


def solve(notebook: NotebookNode, lesson_id: str) -> NotebookNode:
    """A copy of the notebook with the reference answers where the stubs were.

    Only the function is replaced, and the imports that its answer needs are put above; whatever
    else stands in the cell stays as it is.
    """
    from labkit.grading.source import solutions

    solved = copy.deepcopy(notebook)
    for name, index in stub_cells(solved, lesson_id).items():
        cell = solved.cells[index]
        cell.source = _replace_function(cell.source, name, solutions.source(lesson_id, name))
    return solved


def _replace_function(cell_source: str, name: str, answer: str) -> str:
    tree = parsed(cell_source)
    assert tree is not None  # _functions read it before
    stub = next(function for function in _functions_of(tree) if function.name == name)
    lines = cell_source.splitlines()
    above, below = lines[: _first_lineno(stub) - 1], lines[stub.end_lineno :]
    imports, definition = _split_imports(answer)
    new = [line for line in imports if line not in above]
    head = _comment_lines(above)
    put = [*new, *([""] if new else [])]
    return "\n".join([*above[:head], *put, *above[head:], *definition, *below])


def _split_imports(source: str) -> tuple[list[str], list[str]]:
    """The import lines at the top of an answer, and the rest of it."""
    lines = source.strip("\n").splitlines()
    imports, end = [], 0
    for node in ast.parse(source.strip("\n")).body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            break
        imports += lines[node.lineno - 1 : node.end_lineno]
        end = node.end_lineno or end
    rest = "\n".join(lines[end:]).strip("\n")
    return imports, rest.splitlines()


def _comment_lines(lines: list[str]) -> int:
    """How many lines at the top of a cell are comments or magics, which stay at the top."""
    top, goes_on = 0, False
    for number, line in enumerate(lines, start=1):
        if goes_on or line.startswith(("#", "%", "!")):
            top = number
            goes_on = line.endswith("\\") and not line.startswith("#")
        elif line.strip():
            break
    return top


def _functions(cell: NotebookNode) -> list[str]:
    return [function.name for function in _definitions(cell)]


def _stub_names(cell: NotebookNode) -> list[str]:
    """Functions of a cell that say what they shall do and leave the doing to the learner."""
    return [function.name for function in _definitions(cell) if _is_stub(function)]


def _definitions(cell: NotebookNode) -> list[Function]:
    tree = parsed(cell.source) if cell.cell_type == "code" else None
    return _functions_of(tree) if tree else []


def _functions_of(tree: ast.Module) -> list[Function]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _is_stub(function: Function) -> bool:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return len(body) == 1 and ast.unparse(body[0]) == "..."


def _first_lineno(function: Function) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


def parsed(source: str) -> ast.Module | None:
    """The cell's syntax tree with its lines in place, or None where it isn't Python.

    By the rules that hold for what is handed in (labkit/grading/source/cells.py).
    """
    from labkit.grading.source.cells import Program, read_cell

    try:
        return read_cell(source, Program())[0]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


# What is kept of a run


def strip(
    notebook: NotebookNode, lesson_id: str = "notebook", private: tuple[str, ...] = ()
) -> NotebookNode:
    """A copy that keeps what a reader needs (text, html, pictures) and no trace of the run.

    Of a cell with the tag `this-machine` no output is kept.

    Raises NotebookError naming the cell when an output would differ the next time: a memory
    address, one of the `private` paths of this machine, or a warning on stderr.
    """
    kept = copy.deepcopy(notebook)
    _drop(kept.metadata, ["widgets"])
    ran = count(1)
    for index, cell in enumerate(kept.cells):
        _drop(cell.metadata, RUN_METADATA)
        if cell.cell_type == "code":
            if cell.execution_count is not None:  # nbval compares no cell without a count
                cell.execution_count = next(ran)
            kept_outputs = (_strip_output(out, cell.execution_count) for out in _merged(cell))
            cell.outputs = [output for output in kept_outputs if output and not _is_local(cell)]
            _refuse(cell, f"{lesson_id}, cell {index} (`{first_line(cell.source)}`)", private)
    return kept


def _is_local(cell: NotebookNode) -> bool:
    """Whether a cell tells of the machine that it runs on: what it said at the author's is no
    use to a reader."""
    return THIS_MACHINE in cell.metadata.get("tags", [])


def _merged(cell: NotebookNode) -> list[NotebookNode]:
    """Outputs with neighbouring pieces of one stream joined: the pieces depend on the moment."""
    merged: list[NotebookNode] = []
    for output in cell.outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _strip_output(output: NotebookNode, turn: int | None) -> NotebookNode | None:
    """The output as it is kept; None where nothing of it is. `turn` is its cell's count."""
    if "execution_count" in output:
        output.execution_count = turn
    if "data" not in output:
        return output
    data = output.data
    data.pop(WIDGET_VIEW, None)
    if "image/png" in data:
        data["image/png"] = _plain_png(data["image/png"])
    if "text/html" in data:
        data["text/html"] = EMBEDDED_PNG.sub(lambda found: _plain_png(found[0]), data["text/html"])
    return output if data else None


def _plain_png(encoded: str) -> str:
    """A PNG (base64) without the chunks that name its software and its time."""
    picture = base64.b64decode(encoded)
    if not picture.startswith(PNG_SIGNATURE):
        raise NotebookError("an image/png output does not hold a PNG file")
    chunks = b"".join(raw for kind, raw in _png_chunks(picture) if kind not in PNG_REMARKS)
    return base64.b64encode(PNG_SIGNATURE + chunks).decode("ascii")


def _png_chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and raw bytes (length, type, data, checksum) of each chunk."""
    start = len(PNG_SIGNATURE)
    while start < len(picture):
        length = int.from_bytes(picture[start : start + 4], "big")
        yield picture[start + 4 : start + 8], picture[start : start + 12 + length]
        start += 12 + length


def _refuse(cell: NotebookNode, where: str, private: tuple[str, ...]) -> None:
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            raise NotebookError(
                f"{where} wrote to stderr: {first_line(output.text, 200)}\n"
                "  A reader would see this as a warning. Quieten it where it arises."
            )
        for kind, text in _texts(output):
            if found := ADDRESS.search(text):
                raise NotebookError(
                    f"{where} shows the memory address {found[0]} ({kind}): another run shows "
                    "another.\n  Give the object a readable repr, or end the line with a semicolon."
                )
            if folder := next((path for path in private if path in text), None):
                raise NotebookError(
                    f"{where} shows {folder} ({kind}), a folder that only this machine has.\n"
                    "  Show the path from the work folder on, or its name alone."
                )


def _texts(output: NotebookNode) -> Iterator[tuple[str, str]]:
    if output.output_type == "stream":
        yield output.name, output.text
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/") or kind == "image/svg+xml":
            yield kind, EMBEDDED_PNG.sub("", value)


# Files


def to_bytes(notebook: NotebookNode) -> bytes:
    """The notebook file: sorted keys, one space of indent, a newline at the end."""
    import nbformat

    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4).rstrip("\n").encode("utf-8") + b"\n"


def read(path: Path) -> NotebookNode:
    """A notebook file; a damaged one raises NotebookError."""
    import nbformat

    try:
        return nbformat.reads(path.read_text("utf-8"), as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise NotebookError(f"{path.name} is not a notebook: {error}") from error


def first_difference(built: NotebookNode, text: NotebookNode) -> str | None:
    """Where a built notebook's sources part from the text's, or None where they agree."""
    for index, (old, new) in enumerate(zip(built.cells, text.cells, strict=False)):
        if difference := _cell_difference(old, new):
            return f"cell {index} (`{first_line(new.source)}`): {difference}"
    if len(built.cells) != len(text.cells):
        return f"the notebook has {len(built.cells)} cells, the text has {len(text.cells)}"
    if built.metadata != text.metadata:
        return "the notebook's metadata (title, minutes, models, kernel)"
    return None


def _cell_difference(old: NotebookNode, new: NotebookNode) -> str | None:
    if old.cell_type != new.cell_type:
        return f"a {old.cell_type} cell in the notebook, a {new.cell_type} cell in the text"
    if old.source != new.source:
        return _line_difference(old.source, new.source)
    if old.metadata != new.metadata:
        return f"metadata {dict(old.metadata)} in the notebook, {dict(new.metadata)} in the text"
    return None if old.id == new.id else f"id {old.id} in the notebook, {new.id} in the text"


def _line_difference(old: str, new: str) -> str:
    olds, news = [*old.splitlines(), "(end)"], [*new.splitlines(), "(end)"]
    pairs = enumerate(zip(olds, news, strict=False), start=1)
    number, (was, now) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
    return f"line {number} is `{was}` in the notebook, `{now}` in the text"
