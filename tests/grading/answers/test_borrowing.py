"""An answer is written by the learner: what leaves the task to a library or labkit is refused."""

from __future__ import annotations

import pytest

from labkit.grading import Challenge, Outcome, check
from labkit.grading.answers.borrowing import borrowed

NOT_ALLOWED = ("tokenizers.trainers.BpeTrainer", "torch.nn.functional.cross_entropy")

BORROWED = {
    "attribute": (
        "import torch.nn.functional as F\ndef f(x): return F.cross_entropy(x, x)",
        "torch.nn.functional.cross_entropy",
    ),
    "import in the function": (
        "def f(x):\n    from tokenizers.trainers import BpeTrainer as T\n    return T(x)",
        "tokenizers.trainers.BpeTrainer",
    ),
    "another name": (
        "from torch.nn.functional import cross_entropy as loss\ndef f(x): return loss(x, x)",
        "torch.nn.functional.cross_entropy",
    ),
    "in a helper": (
        "from torch.nn import functional\n"
        "def helper(x): return functional.cross_entropy(x, x)\ndef f(x): return helper(x)",
        "torch.nn.functional.cross_entropy",
    ),
    "in a method": (
        "from torch.nn import functional\nclass Loss:\n    def of(self, x):\n"
        "        return functional.cross_entropy(x, x)\ndef f(x): return Loss().of(x)",
        "torch.nn.functional.cross_entropy",
    ),
    "bound in a closure": (
        "from torch.nn.functional import cross_entropy\ndef make(loss):\n"
        "    def inner(x): return loss(x, x)\n    return inner\nf = make(cross_entropy)",
        "torch.nn.functional.cross_entropy",
    ),
    "as it is": (
        "from torch.nn.functional import cross_entropy\nf = cross_entropy",
        "torch.nn.functional.cross_entropy",
    ),
    "of the course": (
        "from labkit.instruments.tokens import library_merges\n"
        "def f(x): return library_merges(x, 1)",
        "labkit.instruments.tokens.library_merges",
    ),
    "the course's, under the answer's name": (
        "from labkit.instruments.tokens import library_merges as f",
        "labkit.instruments.tokens.library_merges",
    ),
    "a module of the course's": (
        "import labkit.instruments.tokens as t\ndef f(x): return t.library_merges(x, 1)",
        "labkit.instruments.tokens",
    ),
}
OWN = {
    "torch": "import torch\ndef f(x): return torch.softmax(x, -1).log()",
    "a helper of the same name": (
        "def cross_entropy(x): return x\ndef f(x): return cross_entropy(x)"
    ),
    "a class of the same name": "class BpeTrainer:\n    def go(self): pass\n"
    "def f(x): return BpeTrainer().go()",
    "the name in a text": "def f(x): return 'cross_entropy'",
    "a local variable": "def f(x):\n    cross_entropy = x\n    return cross_entropy",
    "something that is not used": "from torch.nn.functional import cross_entropy\n"
    "def f(x): return x",
    "recursion": "def f(x): return f(x)",
}


def function(source):
    space = {"__name__": "__main__"}
    exec(compile(source, "cell 1", "exec"), space)
    return space["f"]


@pytest.mark.parametrize("case", BORROWED)
def test_what_does_the_whole_task_is_found(case):
    source, found = BORROWED[case]

    assert borrowed(function(source), NOT_ALLOWED) == found


@pytest.mark.parametrize("case", OWN)
def test_an_answer_of_ones_own_borrows_nothing(case):
    assert borrowed(function(OWN[case]), NOT_ALLOWED) is None


def test_a_borrowed_answer_is_wrong_though_its_values_are_right():
    asked = Challenge(
        name="f", title="F", points=1, hints=("", "", ""), not_allowed=("copy.copy",),
        check=lambda s: s.f(2).equals(2, because="It is the same."),
    )  # fmt: skip
    asked.mistake("none", "You returned nothing.", hint="return it.", answer=lambda x: None)

    refused = check(asked, function("from copy import copy\ndef f(x): return copy(x)"))

    assert refused.outcome is Outcome.FAIL
    assert "`f` is to be written by you: it uses `copy.copy`" in refused.message
    assert check(asked, function("def f(x): return x")).outcome is Outcome.PASS
