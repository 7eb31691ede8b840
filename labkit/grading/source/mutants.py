"""Mutants of a reference answer: the same source with one small thing wrong.

A good check tells each from the right answer. One that it can't tell must be as right as the
original, and is registered with the reason in the challenge's file, by its id:

    challenge.equivalent("GtE->Gt | if top_p >= 1:", because="…")

which is the change, and the line as it stands in the reference. No line number, so that an id
stays what it is when something above it changes.
"""

from __future__ import annotations

import ast
import linecache
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.grading.source.mutation_operators import OPERATORS, Place

NOT_MUTATED = {"annotation", "returns", "decorator_list", "type_comment"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """One mutant: its id, and its whole source, which runs as it is."""

    id: str
    challenge: str
    source: str

    def function(self) -> Callable[..., Any]:
        """The mutated function; what the source does when it is loaded may raise here."""
        return function_from(self.source, self.challenge, f"<mutant {self.id}>")


def function_from(source: str, name: str, filename: str) -> Callable[..., Any]:
    """The function of this name that a source defines, with lines that can be looked up."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": "mutant"}
    exec(compile(source, filename, "exec"), namespace)
    return namespace[name]


def mutants(source: str, challenge: str) -> list[Mutant]:
    """Every mutant of a reference answer, each source once.

    source     the function with the imports, constants and helpers that it needs
    challenge  the function's name. Other public functions in the source are other challenges'
               references, and are mutated there
    """
    tree = ast.parse(source)
    seen, ids, found = {ast.unparse(tree)}, Counter[str](), []
    for line, label, mutated in changed_sources(tree, challenge, source.splitlines()):
        if mutated in seen:
            continue
        seen.add(mutated)
        name = f"{label} | {line}"
        ids[name] += 1
        found.append(Mutant(name if ids[name] == 1 else f"{name} #{ids[name]}", challenge, mutated))
    return found


def changed_sources(
    tree: ast.Module, challenge: str, lines: list[str]
) -> Iterator[tuple[str, str, str]]:
    """Line, label and source of each change. The tree is changed and put back, one by one."""
    for site in sites(tree, challenge):
        line = code_on(lines[site.line - 1])
        for operator in OPERATORS:
            for label, changed in operator(site.place):
                site.put(changed)
                mutated = ast.unparse(tree)
                site.put(site.place.node)
                yield line, label, mutated


def code_on(line: str) -> str:
    """A line without its indentation and comment."""
    return line.partition("  #")[0].strip()


@dataclass(frozen=True)
class Site:
    """A node's place in the tree, where another can be put; and the line that it stands on."""

    place: Place
    field: str
    index: int | None
    line: int

    def put(self, node: ast.AST) -> None:
        """Have this node there."""
        if self.index is None:
            setattr(self.place.parent, self.field, node)
        else:
            getattr(self.place.parent, self.field)[self.index] = node


def sites(tree: ast.Module, challenge: str) -> Iterator[Site]:
    """Every node that may be changed, in the order of the source."""
    modules = frozenset(imported_names(tree))
    for statement in tree.body:
        if belongs(statement, challenge):
            yield from sites_below(statement, {}, modules, statement.lineno)


def imported_names(tree: ast.Module) -> Iterator[str]:
    """The names that imports bind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield (alias.asname or alias.name).partition(".")[0]


def belongs(statement: ast.stmt, challenge: str) -> bool:
    """Whether a statement is this challenge's own: the function, a private helper, a constant."""
    if isinstance(statement, Function):
        return statement.name == challenge or statement.name.startswith("_")
    return isinstance(statement, ast.ClassDef | ast.Assign | ast.AnnAssign)


def sites_below(
    parent: ast.AST, parameters: Mapping[str, str], modules: frozenset[str], line: int
) -> Iterator[Site]:
    """The sites under a node; a function adds its parameters."""
    if isinstance(parent, Function):
        parameters = {**parameters, **parameters_of(parent)}
    for field, index, node in children(parent):
        here = getattr(node, "lineno", line)
        yield Site(Place(node, parent, parameters, modules), field, index, here)
        if not is_leaf(node):
            yield from sites_below(node, parameters, modules, here)


def children(parent: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """The nodes right under a node, with field and index; without types and docstrings."""
    for field, value in ast.iter_fields(parent):
        if field in NOT_MUTATED:
            continue
        if isinstance(value, ast.AST):
            yield field, None, value
        elif isinstance(value, list):
            for index, node in enumerate(value):
                if isinstance(node, ast.AST) and not is_text(node):
                    yield field, index, node


def is_text(node: ast.AST) -> bool:
    """Whether a statement is a docstring: a string and nothing else."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str | type(...))
    )


def is_leaf(node: ast.AST) -> bool:
    """Where nothing below is a matter of right and wrong: imports, words, the sign of a number."""
    words = ast.Import | ast.ImportFrom | ast.Raise | ast.Assert | ast.JoinedStr
    number = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    return isinstance(node, words) or number


def parameters_of(function: Function) -> dict[str, str]:
    """The parameters with their annotations."""
    given = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    return {each.arg: ast.unparse(each.annotation) if each.annotation else "" for each in given}
