"""A slice holds what a name needs, and nothing else; what is read off bytes is what dis says."""

from __future__ import annotations

import ast
import dis
import textwrap
from pathlib import Path

import pytest

from labkit.grading.source import slices


def sliced(program, *names):
    statements = ast.parse(textwrap.dedent(program)).body
    return [ast.unparse(statements[index]) for index in slices.slice_for(names, statements)]


def test_the_last_definition_with_what_it_uses_in_order():
    program = """
        import math
        import torch
        def helper(x): return math.exp(x)
        def f(x): return 0
        unused = torch.zeros(3)
        def f(x): return helper(x) + SCALE
        SCALE = 2
    """

    assert sliced(program, "f") == [
        "import math",
        "def helper(x):\n    return math.exp(x)",
        "def f(x):\n    return helper(x) + SCALE",
        "SCALE = 2",
    ]


def test_parameters_and_local_variables_pull_in_nothing():
    program = """
        logits = measure_for_a_minute()
        kept = measure_again()
        def f(logits):
            kept = [logits for logits in logits]
            return kept
    """

    assert len(sliced(program, "f")) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "table = {}",
        "for key in range(3): table = key",
        "if True:\n    table = 1\nelse:\n    table = 2",
        "try:\n    import table\nexcept ImportError:\n    table = None",
        "with open('x') as table: pass",
        "(a, *table), b = 1, 2",
        "print(table := 3)",
        "table: int = 1",
        "from x import y as table",
        "import table.part",
        "class table: pass",
        "async def table(): pass",
        "match 1:\n    case table: pass",
        "type_of = [table := 1 for _ in range(2)]",
    ],
)
def test_every_way_to_bind_a_name_counts(statement):
    assert statement.splitlines()[0][:5] in sliced(f"{statement}\ndef f(): return table", "f")[0]


@pytest.mark.parametrize(
    "statement",
    ["table['a'] = 1", "table.size = 1", "table.append(1)", "table['a'].append(2)", "table += [1]"],
)
def test_what_changes_a_name_belongs_to_it(statement):
    assert len(sliced(f"table = []\n{statement}\ndef f(): return table", "f")) == 3


@pytest.mark.parametrize("statement", ["plot(table)", "table.show()", "other = table['a']"])
def test_what_only_looks_at_a_name_does_not(statement):
    assert len(sliced(f"table = []\n{statement}\ndef f(): return table", "f")) == 2


def test_decorators_defaults_annotations_and_base_classes_are_needed():
    program = """
        from functools import cache
        from typing import Any
        N = 3
        class Base: pass
        class Derived(Base): pass
        @cache
        def f(x: Any, n=N): return Derived()
    """

    assert len(sliced(program, "f")) == 6


def test_a_star_import_may_bind_anything():
    assert sliced("from math import *\ndef f(x): return exp(x)", "f")[0] == "from math import *"


def test_a_wrapped_function_brings_its_definition():
    program = "def f(): return 1\nimport functools\nf = functools.cache(f)"

    assert len(sliced(program, "f")) == 3


def test_a_name_that_nobody_binds_has_no_slice():
    assert sliced("x = 1", "f") == []


def test_a_statement_that_cannot_be_compiled_binds_nothing():
    assert slices.bound_by(ast.parse("return 1").body[0]) == set()


def every_code(code):
    yield code
    yield from slices.nested(code)


@pytest.mark.parametrize("module", ["argparse.py", "dataclasses.py", "inspect.py"])
def test_names_read_off_the_bytes_are_those_of_dis(module):
    path = Path(ast.__file__).with_name(module)
    code = compile(path.read_text("utf-8"), module, "exec")
    opnames = {dis.opname[number] for number in slices.USES}
    stores = {dis.opname[number] for number in slices.STORES}

    for each in every_code(code):
        found = list(dis.get_instructions(each))
        used = {item.argval for item in found if item.opname in opnames}
        stored = {item.argval for item in found if item.opname in stores}
        assert slices.names_with(each, slices.USES) == used
        assert slices.names_with(each, slices.STORES) == stored


def test_names_beyond_255_are_found():
    program = "\n".join(f"name_{number} = {number}" for number in range(700))
    tree = ast.parse(f"if True:\n{textwrap.indent(program, '  ')}")

    assert len(slices.bound_by(tree.body[0])) == 700
