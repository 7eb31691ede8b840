"""Mutants: what each operator makes of a line, and ids that mean the same tomorrow."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.grading.source.mutants import function_from, mutants


def changes(line, head="def f(x, y, n: int, m: int):"):
    """Label and changed line of each mutant of a function of one statement."""
    source = "import torch\nimport math\n" + head + "".join(f"\n    {part}" for part in line)
    found = {}
    for mutant in mutants(source, "f"):
        label = mutant.id.removeprefix("f: ").partition(" | ")[0]
        body = ast.parse(mutant.source).body[-1].body
        found.setdefault(label, "\n".join(map(ast.unparse, body)))
    return found


@pytest.mark.parametrize(
    ("line", "label", "mutated"),
    [
        ("return n + 1", "Add->Sub", "return n - 1"),
        ("return n + m", "Add left only", "return n"),
        ("return n / m", "Div swapped", "return m / n"),
        ("n += m", "Add->Sub", "n -= m"),
        ("n += m", "Add not added up", "n = m"),
        ("return n < m", "Lt->LtE", "return n <= m"),
        ("return n == m", "Eq->NotEq", "return n != m"),
        ("return 0 < n < m", "Lt->GtE", "return 0 >= n < m"),
        ("return n and m", "And->Or", "return n or m"),
        ("return n and m", "And without operand 1", "return m"),
        ("return not n", "Not dropped", "return n"),
        ("return ~x", "Invert dropped", "return x"),
        ("return n if m else 0", "if True", "return n if True else 0"),
        ("return [i for i in x if i]", "comprehension without if", "return [i for i in x]"),
        ("return 3", "3->4", "return 4"),
        ("return 3", "3->2", "return 2"),
        ("return 3", "3->0", "return 0"),
        ("return 0.5", "0.5->-0.5", "return -0.5"),
        ("return True", "True->False", "return False"),
        ("return x.sum(dim=-1)", "dim=-1->0", "return x.sum(dim=0)"),
        ("return x.sum(dim=-1)", "dim=-1->-2", "return x.sum(dim=-2)"),
        ("return x.sum(dim=-1)", "dim= dropped", "return x.sum()"),
        ("return x.clone()", "clone() left out", "return x"),
        ("return torch.exp(x)", "exp() left out", "return x"),
        ("return math.floor(n)", "floor->ceil", "return math.ceil(n)"),
        ("return x.amax(dim=0)", "amax->amin", "return x.amin(dim=0)"),
        ("return max(n, m)", "max->min", "return min(n, m)"),
        ("return x.float()", "float->double", "return x.double()"),
        ("return sorted(x)", "sorted reverse=True", "return sorted(x, reverse=True)"),
        ("return x.topk(n)", "topk largest=False", "return x.topk(n, largest=False)"),
        ("return x / 2", ".div_()", "return x.div_(2)"),
        ("return x.exp()", ".exp_()", "return x.exp_()"),
        ("return n", "n->m", "return m"),
        ("return x[:n]", "slice upper +1", "return x[:n + 1]"),
        ("return x[:n]", "slice without upper", "return x[:]"),
        ("return x[1:]", "1->2", "return x[2:]"),
        ("return range(n)", "range -1", "return range(n - 1)"),
        ("raise ValueError('no')", "raises RuntimeError", "raise RuntimeError('no')"),
        ("return n", "line dropped", "pass"),
    ],
)
def test_an_operator_changes_one_thing(line, label, mutated):
    assert changes([line])[label] == mutated


@pytest.mark.parametrize(
    ("lines", "label", "mutated"),
    [
        (["for i in x:", "    n = i"], "loop no item", "for i in ():\n    n = i"),
        (
            ["for i in x:", "    n = i"],
            "loop without last item",
            "for i in list(x)[:-1]:\n    n = i",
        ),
        (["for i in x:", "    break"], "break->continue", "for i in x:\n    continue"),
        (["while n:", "    n = m"], "if False", "while False:\n    n = m"),
        (
            ["if n:", "    return 1", "else:", "    return 2"],
            "else dropped",
            "if n:\n    return 1",
        ),
        (["z = x * 2", "return z"], "z->x", "z = x * 2\nreturn x"),
    ],
)
def test_an_operator_changes_loops_and_blocks(lines, label, mutated):
    assert changes(lines)[label] == mutated


def test_no_endless_loop_is_made_on_purpose():
    assert "if True" not in changes(["while n:", "    n = m"])


WHOLE = '''import torch

LIMIT = 3


def _helper(x):
    return x + 1


def other(x):
    return x * 2


def f(x: torch.Tensor, n: int = 0) -> torch.Tensor:
    """Adds up to 1 and -1."""
    if n < 0:
        raise ValueError(f"n must be {0} or more, got {n + 1}")
    return other(_helper(x))  # at most 3
'''


def ids(source, name="f"):
    return [mutant.id for mutant in mutants(source, name)]


def test_what_belongs_to_the_challenge_is_mutated():
    found = ids(WHOLE)

    assert "3->4 | LIMIT = 3" in found
    assert "Add->Sub | return x + 1" in found
    assert "other() left out | return other(_helper(x))" in found
    assert not [name for name in found if "x * 2" in name], "another challenge's reference"


def test_words_types_and_imports_are_left_alone():
    found = ids(WHOLE)
    message = [name for name in found if "raise ValueError" in name]

    assert [name.split(" | ")[0] for name in message] == [
        "raises RuntimeError",
        "line dropped",
    ]
    assert not [name for name in found if "import" in name or '"""' in name or "Tensor->" in name]


def test_an_id_stays_when_something_else_changes():
    moved = WHOLE.replace("LIMIT = 3\n", "LIMIT = 3\n\n# more\n").replace(
        '1."""', '1.\n\n    x\n"""'
    )

    assert ids(moved) == ids(WHOLE)


def test_ids_and_sources_are_unique_and_sources_parse():
    found = mutants(WHOLE + "\n    return x[1 + 1], x[1 + 1]\n", "f")

    assert len({mutant.id for mutant in found}) == len(found)
    assert len({mutant.source for mutant in found}) == len(found)
    assert any(mutant.id.endswith("#2") for mutant in found)
    for mutant in found:
        ast.parse(mutant.source)


def test_a_mutant_is_a_function_with_lines():
    mutant = next(m for m in mutants("def f(n):\n    return n + 1\n", "f") if "Add->Sub" in m.id)

    assert mutant.function()(3) == 2
    assert mutant.function().__code__.co_filename == f"<mutant {mutant.id}>"


def test_a_mutant_that_does_not_load_raises():
    with pytest.raises(NameError):
        function_from("def f(n=nobody): ...", "f", "<mutant>")


leaves = st.sampled_from(["a", "b", "1", "-2", "0.5", "True", "a.sum(dim=-1)", "b[:a]"])
expressions = st.recursive(
    leaves,
    lambda part: st.builds(
        "({} {} {})".format, part, st.sampled_from("+ - * / < == and or".split()), part
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(expressions)
def test_every_mutant_differs_from_the_original_and_changes_one_place(expression):
    source = f"def f(a, b):\n    return {expression}\n"
    original = ast.unparse(ast.parse(source))

    found = mutants(source, "f")

    assert found
    assert original not in {mutant.source for mutant in found}
    assert found == mutants(source, "f"), "the tree is put back after each change"
