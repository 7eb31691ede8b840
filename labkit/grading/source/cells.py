"""A notebook's code cells as top-level Python statements, as IPython would take them.

Runs in the jail: even parsing a stranger's text is not done in the grader. A cell that is plain
Python is parsed as it is; the others go through IPython's own transformations first. What would
reach outside (`!`, most magics) is left out, each with a word for the learner.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.inputtransformer2 import TransformerManager

CODE = "code"  # the kind of cell that is run
BODY_MAGICS = {"time", "capture", "prun"}  # %%time and its like: their cell is run as it is
RUN_MAGICS = {"time", "prun"}  # %time x = f(): the rest of the line is run
SILENT_MAGICS = {"matplotlib", "config", "load_ext", "reload_ext", "autoreload", "precision"}
CELL_MAGIC = re.compile(r"\s*%%(\w+)[^\n]*\n?")
# What a paste from a web page brings along: a byte order mark, spaces and joiners without width.
INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad"))
MAX_NOTES = 50


@dataclass(frozen=True)
class Broken:
    """A cell that is not run: its text, and why, with its place."""

    text: str
    why: str


@dataclass
class Program:
    """The statements of a notebook, where each comes from, and what was left out.

    lessons  the lesson's own statements, which the learner has left as they are
    broken   cells that can't be read, or are no code
    """

    statements: list[ast.stmt] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    lessons: set[int] = field(default_factory=set)
    flags: int = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # and those of `from __future__` imports
    notes: list[str] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES and text not in self.notes:
            self.notes.append(text)

    def leave_out(self, text: str, why: str) -> None:
        """Note a cell that is not run."""
        self.broken.append(Broken(text, why))
        self.note(why)


def program_of(
    cells: Sequence[str],
    prose: Sequence[tuple[str, str]] = (),
    lessons: Collection[str] = (),
) -> Program:
    """All that can be read of a notebook's code cells.

    prose    the other cells: what each is (Markdown, raw), and its text
    lessons  fingerprints of the lesson's own statements (see fingerprint)
    """
    program = Program()
    for number, cell in enumerate(cells, start=1):
        filename = f"cell {number}"
        try:
            tree = parsed(cell, program, filename)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            program.leave_out(cell, f"{filename} can't be read: {problem(error)}")
            continue
        for node in tree.body:
            keep(program, node, filename, lessons)
    program.broken += [
        Broken(text, f"it stands in a {kind} cell: change that to a code cell")
        for kind, text in prose
    ]
    return program


def fingerprint(node: ast.stmt) -> str:
    """Names a statement by what it does: layout and comments count for nothing."""
    return hashlib.sha256(ast.dump(node).encode("utf-8", "replace")).hexdigest()


def fingerprints(cells: Sequence[str]) -> frozenset[str]:
    """The fingerprints of all statements in a lesson's code cells."""
    return frozenset(map(fingerprint, program_of(cells).statements))


def problem(error: BaseException) -> str:
    """A syntax error with its line."""
    line = getattr(error, "lineno", None)
    where = f" (line {line})" if line else ""
    return f"{type(error).__name__}: {getattr(error, 'msg', None) or error}{where}"


def parsed(cell: str, program: Program, filename: str) -> ast.Module:
    """The cell's tree, whose lines are then found under its file's name. Raises as `read_cell`."""
    tree, source = read_cell(cell, program, filename)
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    return tree


def read_cell(cell: str, program: Program, filename: str = "cell") -> tuple[ast.Module, str]:
    """The cell's tree and the Python that it is of, line by line where the cell has it: by
    IPython's rules where plain Python has none.

    Raises SyntaxError or ValueError for what is no Python, RecursionError or MemoryError for what
    is nested too deeply.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a string is the learner's own affair
        try:
            return ast.parse(cell), cell
        except SyntaxError:
            source = transformed(cell.translate(INVISIBLE), program, filename)
            return ast.parse(source), source


def transformed(cell: str, program: Program, filename: str) -> str:
    """The cell as IPython would hand it to Python; of a %%magic its body, or nothing."""
    above = 0
    while magic := CELL_MAGIC.match(cell):
        if magic[1] not in BODY_MAGICS:
            why = f"{filename} is not run: it begins with %%{magic[1]}"
            program.leave_out(cell, f"{why}, so take that line out where the cell is Python")
            return ""
        above += magic[0].count("\n")
        cell = cell[magic.end() :]
    above += sum(
        1 for _ in takewhile(str.isspace, cell.splitlines(keepends=True))
    )  # which IPython drops
    return "\n" * above + line_by_line().transform_cell(cell)


def line_by_line() -> TransformerManager:
    """IPython's transformations, but each line keeps its number: they join a magic's lines."""
    from IPython.core.inputtransformer2 import TransformerManager

    class LineByLine(TransformerManager):
        def do_one_token_transform(self, lines: list[str]) -> tuple[bool, list[str]]:
            changed, new = super().do_one_token_transform(lines)
            pairs = zip(lines, new, strict=False)
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            blank = ["\n"] * (len(lines) - len(new))
            return changed, [*new[: same + 1], *blank, *new[same + 1 :]]

    return LineByLine()


def keep(program: Program, node: ast.stmt, filename: str, lessons: Collection[str]) -> None:
    """Take a statement into the program; a magic is replaced by what is run of it."""
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        program.flags |= future_flags(node)
        return
    for each in instead_of_magic(program, node, filename):
        if lessons and fingerprint(each) in lessons:
            program.lessons.add(len(program.statements))
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
