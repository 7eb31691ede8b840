"""The reference answers: solutions/NN_topic.py, one plain documented function per challenge."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from labkit import paths
from labkit.grading.source import slices
from labkit.grading.source.slices import first_line


def reference(lesson_id: str, name: str) -> Callable[..., Any]:
    """The reference answer to one challenge, ready to be called."""
    find_function(lesson_id, name)
    path = solution_path(lesson_id)
    return getattr(load(path, path.stat().st_mtime_ns), name)


def source(lesson_id: str, name: str) -> str:
    """Its source with the imports, constants and helpers that it needs: it runs when pasted."""
    find_function(lesson_id, name)
    text = solution_path(lesson_id).read_text("utf-8")
    lines = text.splitlines()
    imports: list[str] = []
    definitions: list[str] = []
    for node in needed_for(name, ast.parse(text)):
        written = lines[first_line(node) - 1 : node.end_lineno]
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports += written
        else:
            definitions.append("\n".join(written))
    blocks = ["\n".join(imports), *definitions] if imports else definitions
    return "\n\n\n".join(blocks) + "\n"


def names(lesson_id: str) -> tuple[str, ...]:
    """The challenges that have a reference answer, in the file's order; nothing is imported."""
    return tuple(functions(lesson_id))


def lesson_ids() -> list[str]:
    """The lessons that have reference answers."""
    return [path.stem for path in paths.lesson_files(paths.solutions_dir(), ".py")]


def lesson_of(topic: str) -> str:
    """The lesson with challenges that is meant by its topic, number, id or path (LookupError)."""
    return paths.lesson_named(topic, lesson_ids(), "lesson with challenges")


def find_function(lesson_id: str, name: str) -> ast.FunctionDef:
    known = functions(lesson_id)
    if name not in known:
        nearest = paths.nearest(name, known)
        raise LookupError(f"{lesson_id} has no reference answer for {name!r}: {nearest}")
    return known[name]


def functions(lesson_id: str) -> dict[str, ast.FunctionDef]:
    """The public functions of a lesson's solutions."""
    path = solution_path(lesson_id)
    tree = ast.parse(path.read_text("utf-8")) if path.is_file() else ast.Module([], [])
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: node for node in found if not node.name.startswith("_")}


def solution_path(lesson_id: str) -> Path:
    return paths.solutions_dir() / f"{lesson_id}.py"


@lru_cache
def load(path: Path, changed: int) -> ModuleType:
    """The module at a path whose name no import statement could say; again when it has changed."""
    name = f"labkit_solutions_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"can't load the reference answers in {path}")
    module = module_from_spec(spec)
    sys.modules[name] = module  # where inspect looks for a function's module
    spec.loader.exec_module(module)
    return module


def needed_for(name: str, tree: ast.Module) -> list[ast.stmt]:
    """The top-level statements that define a name, and all that those use, in the file's order."""
    return [tree.body[index] for index in slices.slice_for([name], tree.body)]
