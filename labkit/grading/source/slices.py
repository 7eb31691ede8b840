"""The part of a program that a name needs: its definition and what that uses, transitively.

Works on top-level statements in the order of the text. What a statement binds and uses is read off
its compiled code, so that local variables and parameters count for nothing; nothing is run.
"""

from __future__ import annotations

import ast
import dis
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import CodeType

EXTENDED = dis.EXTENDED_ARG
# Operations on names, and by how much their argument is shifted.
USES = {
    dis.opmap[name]: shift
    for name, shift in (("LOAD_NAME", 0), ("LOAD_GLOBAL", 1), ("LOAD_FROM_DICT_OR_GLOBALS", 0))
    if name in dis.opmap
}
STORES = {dis.opmap["STORE_NAME"]: 0, dis.opmap["STORE_GLOBAL"]: 0}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
GLOBALS = {dis.opmap["STORE_GLOBAL"]: 0, dis.opmap["DELETE_GLOBAL"]: 0}
# Methods that change what they are called on: `table.append(3)` belongs to `table`. So do all of
# torch's that end in `_`.
CHANGING = frozenset(
    "add append appendleft clear discard eval extend extendleft insert pop popitem popleft "
    "register remove reverse rotate setdefault sort subtract train update".split()
)


def slice_for(names: Iterable[str], statements: Sequence[ast.stmt]) -> list[int]:
    """The indices of the statements that these names need, in order.

    Of each name itself the last statement that binds it; of what those use, every one.
    """
    binders = bindings(statements)
    found: set[int] = set()
    fresh = {binders[name][-1] for name in names if name in binders}
    while fresh:
        found |= fresh
        used = {name for index in fresh for name in used_by(statements[index])}
        fresh = {index for name in used for index in binders.get(name, ())} - found
    return sorted(found)


def bindings(statements: Sequence[ast.stmt]) -> dict[str, list[int]]:
    """For each name the statements that bind or change it."""
    binders, changers = binders_of(statements), by_name(statements, changed_by)
    names = {*binders, *changers}
    return {name: sorted({*binders[name], *changers[name]}) for name in names}


def binders_of(statements: Sequence[ast.stmt]) -> defaultdict[str, list[int]]:
    """For each name the statements that bind it. `from x import *` might bind any."""
    binders = by_name(statements, bound_by)
    stars = [index for index, node in enumerate(statements) if is_star(node)]
    for name in {name for node in statements for name in used_by(node)} if stars else ():
        binders[name] = sorted({*binders[name], *stars})
    return binders


def by_name(
    statements: Sequence[ast.stmt], names_of: Callable[[ast.stmt], set[str]]
) -> defaultdict[str, list[int]]:
    """For each name the statements that have it, in order."""
    found = defaultdict[str, list[int]](list)
    for index, node in enumerate(statements):
        for name in names_of(node):
            found[name].append(index)
    return found


def bound_by(node: ast.stmt) -> set[str]:
    """The names that a top-level statement gives to the module, or may when it is called."""
    if isinstance(node, Definition):
        return {node.name} | set_by_calls(node)
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        return set() if getattr(node, "module", "") == "__future__" else set(names)
    code = code_of(node)
    inside = [inner for inner in nested(code) if inner.co_name.startswith("<")]  # comprehensions
    return {name for each in (code, *inside) for name in names_with(each, STORES)}


def used_by(node: ast.stmt) -> set[str]:
    """The names of the module (or builtins) that a statement looks up, now or when called."""
    code = code_of(node)
    return {name for each in (code, *nested(code)) for name in names_with(each, USES)}


def touched_by(node: ast.stmt) -> set[str]:
    """The names that a statement looks up when it runs itself, not in the functions it defines."""
    code = code_of(node)
    inside = [inner for inner in nested(code) if inner.co_name in COMPREHENSIONS]
    return {name for each in (code, *inside) for name in names_with(each, USES)}


def set_by_calls(node: ast.stmt) -> set[str]:
    """The names that functions in a statement declare `global` and bind, or delete."""
    return {name for each in nested(code_of(node)) for name in names_with(each, GLOBALS)}


def changed_by(node: ast.stmt) -> set[str]:
    """Names whose value a statement changes in its own lines: `table["a"] = 1`, `del table[0]`,
    `table.append(1)`, alone or inside a block, an assignment or a call."""
    found: set[str | None] = set()
    for part in run_at_once(node):
        if isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
            found.add(root(part))
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Del):
            found.add(part.id)
        elif isinstance(part, ast.Call) and is_changing(part.func):
            found.add(root(part.func))
    return {name for name in found if name is not None}


def run_at_once(node: ast.AST) -> Iterator[ast.AST]:
    """A statement's parts that run when it does: of a function its decorators and defaults."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        arguments = node.args
        inside: list[ast.AST] = [*arguments.defaults, *filter(None, arguments.kw_defaults)]
        inside += getattr(node, "decorator_list", [])
    else:
        inside = list(ast.iter_child_nodes(node))
    for part in inside:
        yield from run_at_once(part)


def is_changing(method: ast.expr) -> bool:
    """Whether what is called is a method that changes its object."""
    if not isinstance(method, ast.Attribute):
        return False
    name = method.attr
    return name in CHANGING or (name.endswith("_") and not name.endswith("__"))


def root(node: ast.expr) -> str | None:
    """The name at the beginning of `table.rows["a"].first()`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def is_star(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


def first_line(node: ast.stmt) -> int:
    """The line in which a statement begins, with its decorators."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])


@lru_cache(maxsize=1024)  # each is asked for several times: what it binds, uses, touches
def code_of(node: ast.stmt) -> CodeType:
    """A statement compiled by itself; an empty one where it can't be (`return` outside of def)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            return compile(ast.Module([node], []), "<slice>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return compile("", "<slice>", "exec")


def nested(code: CodeType) -> Iterator[CodeType]:
    """The code objects inside a code object, at any depth."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested(constant)


def names_with(code: CodeType, operations: Mapping[int, int]) -> set[str]:
    """The names on which a code object does any of these operations.

    Read off the bytes, as dis does but many times faster: one byte of operation, one of argument,
    which is an index into co_names, shifted for some.
    """
    found = set()
    operation, argument = code.co_code[::2], code.co_code[1::2]
    for wanted, shift in operations.items():
        at = operation.find(wanted)
        while at >= 0:
            index, before = argument[at], at - 1
            while before >= 0 and operation[before] == EXTENDED:
                index |= argument[before] << 8 * (at - before)
                before -= 1
            found.add(code.co_names[index >> shift])
            at = operation.find(wanted, at + 1)
    return found
