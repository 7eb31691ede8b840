from __future__ import annotations

import functools

import pytest
import torch

from labkit.grading.answers.untouched import is_untouched

UNTOUCHED = {
    "docstring and dots": 'def f(x):\n    """Doc."""\n    ...\n',
    "dots": "def f(x): ...\n",
    "pass": "def f(x):\n    pass\n",
    "docstring only": 'def f(x):\n    """Doc."""\n',
    "comments": "def f(x):\n    # your code here\n    pass\n",
    "bare error": "def f(x):\n    raise NotImplementedError\n",
    "error with words": 'def f(x):\n    raise NotImplementedError("your turn")\n',
    "error called": "def f(x):\n    raise NotImplementedError()\n",
    "two lines": 'def f(x, y=1):\n    """Doc."""\n    ...\n    pass\n',
}
TOUCHED = {
    "returns": "def f(x):\n    return x\n",
    "returns text": 'def f(x):\n    return "text"\n',
    "returns a number": "def f(x):\n    return 1\n",
    "assigns": "def f(x):\n    y = x\n",
    "another error": "def f(x):\n    raise ValueError\n",
    "calls": "def f(x):\n    print(x)\n",
    "error under a condition": "def f(x):\n    if x:\n        raise NotImplementedError\n",
    "generator": "def f(x):\n    yield\n",
    "the text of a stub, with code below": 'def f(x):\n    """Doc: ..."""\n    ...\n    return x\n',
}


@pytest.mark.parametrize("source", UNTOUCHED.values(), ids=UNTOUCHED)
def test_a_stub_is_untouched(cell, source):
    assert is_untouched(cell(source))


@pytest.mark.parametrize("source", TOUCHED.values(), ids=TOUCHED)
def test_a_body_is_not(cell, source):
    assert not is_untouched(cell(source))


def test_a_decorated_stub_is_untouched(cell):
    source = "@torch.no_grad()\ndef f(x):\n    ...\n"

    assert is_untouched(cell(source))


def test_other_callables_are_looked_into():
    class Stub:
        def __call__(self, x): ...

        def method(self, x): ...

    assert is_untouched(Stub())
    assert is_untouched(Stub().method)
    assert is_untouched(functools.partial(Stub().method, 1))
    assert not is_untouched(torch.softmax)
    assert not is_untouched(len)
