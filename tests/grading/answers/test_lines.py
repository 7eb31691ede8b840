from __future__ import annotations

import functools

import pytest
import torch

from labkit.grading.answers import lines
from labkit.grading.answers.lines import code_of, definition_line, is_learners
from labkit.grading.transports.transport import LocalTransport
from labkit.paths import PACKAGE


def find(function, symptom, *arguments):
    return str(LocalTransport({"f": function}, 5.0).find_line("f", arguments, symptom))


def test_the_line_that_changed_an_argument(cell):
    source = """
def f(logits):
    x = logits
    x -= x.max()
    return x.softmax(-1)
"""
    assert find(cell(source), "changed", torch.tensor([1.0, 2.0])) == "line 4: x -= x.max()"


def test_a_change_in_the_return_line(cell):
    source = "def f(logits):\n    return logits.div_(2)\n"

    assert find(cell(source), "changed", torch.ones(2)) == "line 2: return logits.div_(2)"


def test_a_change_made_in_a_helper_is_found_in_the_helper(cell):
    source = """
def helper(x):
    x[0] = 9
def f(x):
    y = x + 1
    helper(x)
    return y
"""
    assert find(cell(source), "changed", torch.ones(2)) == "line 3: x[0] = 9"


def test_the_first_line_with_nan(cell):
    source = """
def f(x):
    scaled = x / 0.0
    weights = scaled.exp()
    p = weights / weights.sum()
    return p
"""
    assert find(cell(source), "nan", torch.ones(2)) == "line 5: p = weights / weights.sum()"


def test_nan_made_in_the_return_line(cell):
    source = "def f(x):\n    y = x * 2\n    return (y / 0).softmax(-1)\n"

    assert find(cell(source), "nan", torch.ones(2)) == "line 3: return (y / 0).softmax(-1)"


def test_the_line_that_returned(cell):
    source = "def f(x):\n    if x > 1:\n        return 1\n    return 2\n"

    assert find(cell(source), "returned", 5) == "line 3: return 1"


def test_the_last_line_when_nothing_is_returned(cell):
    assert find(cell("def f(x):\n    y = x\n    z = y\n"), "returned", 5) == "line 3: z = y"


def test_where_no_line_is_found_the_definition_is_shown(cell):
    source = "@torch.no_grad()\ndef f(x):\n    return x\n"

    assert find(cell(source), "nan", torch.ones(1)) == "line 2: def f(x):"
    assert find(len, "returned", "abc") == "None"
    assert str(definition_line(functools.partial(cell(source)))) == "line 2: def f(x):"


def test_without_source_the_number_is_shown():
    namespace = {}
    exec(compile("def f(x):\n    return x\n", "<no source>", "exec"), namespace)

    assert find(namespace["f"], "returned", 5) == "line 2"


@pytest.mark.parametrize("module", ["json", "torch.functional", "labkit.grading.answers.lines"])
def test_library_code_is_not_the_learners(module):
    from importlib import import_module

    assert not is_learners(import_module(module).__file__)


@pytest.mark.parametrize("filename", ["/tmp/ipykernel_7/123.py", "<ipython-input-1>", __file__])
def test_cells_and_files_are(filename):
    assert is_learners(filename)


def test_an_object_that_claims_endless_layers_has_no_code():
    class Endless:
        def __call__(self):
            return self

        def __getattr__(self, name):
            if name in ("func", "__wrapped__"):
                return Endless()
            raise AttributeError(name)

    assert code_of(Endless()) is code_of(Endless.__call__)


def test_the_course_is_no_learners_however_it_is_reached(tmp_path, monkeypatch):
    link = tmp_path / "labkit"
    link.symlink_to(PACKAGE)
    monkeypatch.setattr(lines, "__file__", str(link / "grading" / "answers" / "lines.py"))
    monkeypatch.setattr(lines, "library_folders", lines.library_folders.__wrapped__)

    assert not lines.is_learners(str(link / "grading" / "withheld.py"))
    assert not lines.is_learners(str(PACKAGE / "grading" / "withheld.py"))
    assert lines.is_learners(str(tmp_path / "answers.py"))
