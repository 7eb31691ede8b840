"""A notebook's code cells as top-level Python statements, as IPython would take them.

Runs in the jail: even parsing a stranger's text is not done in the grader. A cell that is plain
Python is parsed as it is; the others go through IPython's own transformations first. What would
reach outside (`!`, most magics) is left out, each with a word for the learner.
"""

from __future__ import annotations

import ast
import linecache
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

BODY_MAGICS = {"time", "capture", "prun"}  # %%time and its like: their cell is run as it is
RUN_MAGICS = {"time", "prun"}  # %time x = f(): the rest of the line is run
SILENT_MAGICS = {"matplotlib", "config", "load_ext", "reload_ext", "autoreload", "precision"}
MAX_NOTES = 50


@dataclass
class Program:
    """The statements of a notebook, where each comes from, and what was left out."""

    statements: list[ast.stmt] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    flags: int = 0  # of `from __future__` imports
    notes: list[str] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)  # a cell's text, why unreadable

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES and text not in self.notes:
            self.notes.append(text)

    def why_missing(self, name: str) -> str | None:
        """Why a function is not there although a cell defines it: that cell can't be read."""
        definition = re.compile(rf"^\s*(async\s+)?def\s+{re.escape(name)}\b", re.MULTILINE)
        return next((why for cell, why in self.broken if definition.search(cell)), None)


def program_of(cells: Sequence[str]) -> Program:
    """All that can be read of a notebook's code cells."""
    program = Program()
    for number, cell in enumerate(cells, start=1):
        filename = f"cell {number}"
        try:
            tree = parsed(cell, program, filename)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = f"{filename} can't be read: {problem(error)}"
            program.broken.append((cell, why))
            program.note(why)
            continue
        for node in tree.body:
            keep(program, node, filename)
    return program


def problem(error: BaseException) -> str:
    """A syntax error with its line."""
    line = getattr(error, "lineno", None)
    where = f" (line {line})" if line else ""
    return f"{type(error).__name__}: {getattr(error, 'msg', None) or error}{where}"


def parsed(cell: str, program: Program, filename: str) -> ast.Module:
    """The cell's tree; by IPython's rules where plain Python has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a string is the learner's own affair
        try:
            tree, source = ast.parse(cell), cell
        except SyntaxError:
            source = transformed(cell, program, filename)
            tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    return tree


def transformed(cell: str, program: Program, filename: str) -> str:
    """The cell as IPython would hand it to Python; of a %%magic its body, or nothing."""
    from IPython.core.inputtransformer2 import TransformerManager

    lines = cell.lstrip("\n").splitlines(keepends=True)
    if lines and (magic := re.match(r"%%(\w+)", lines[0])):
        if magic[1] not in BODY_MAGICS:
            program.note(f"{filename}: %%{magic[1]} was left out")
            return ""
        cell = "#\n" + "".join(lines[1:])  # the lines keep their numbers
    return TransformerManager().transform_cell(cell)


def keep(program: Program, node: ast.stmt, filename: str) -> None:
    """Take a statement into the program; a magic is replaced by what is run of it."""
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        program.flags |= future_flags(node)
        return
    for each in instead_of_magic(program, node, filename):
        program.statements.append(each)
        program.files.append(filename)


def future_flags(node: ast.ImportFrom) -> int:
    """What `from __future__ import annotations` asks of the compiler."""
    import __future__

    features = [getattr(__future__, alias.name, None) for alias in node.names]
    return sum({feature.compiler_flag for feature in features if feature is not None})


def instead_of_magic(program: Program, node: ast.stmt, filename: str) -> list[ast.stmt]:
    """The statement itself; for `get_ipython().…` what IPython would run of it, or nothing."""
    call = getattr(node, "value", None)
    if not isinstance(node, ast.Expr | ast.Assign) or not is_ipython_call(call):
        return [node]
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    if call.func.attr != "run_line_magic" or not words:
        program.note(f"{filename}: a line with ! was left out")
        return []
    if words[0] in RUN_MAGICS and len(words) > 1 and isinstance(node, ast.Expr):
        return body_of(str(words[1]), node)
    if words[0] not in SILENT_MAGICS:
        program.note(f"{filename}: %{words[0]!s} was left out")
    return []


def is_ipython_call(call: object) -> bool:
    """Whether an expression is get_ipython().something(…), as IPython writes a magic."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")))):
            return True
    return False


def body_of(code: str, node: ast.stmt) -> list[ast.stmt]:
    """The code behind `%time`, at the place of the magic."""
    try:
        body = ast.parse(code).body
    except SyntaxError:
        return []
    for each in body:
        for part in ast.walk(each):
            if hasattr(part, "lineno"):
                ast.copy_location(part, node)
    return body
