"""In a child labkit is a stand-in: the lesson's lines run without effect, and no answer uses it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from labkit.grading import Challenge, Mistake, Outcome
from labkit.grading.transports import remote
from labkit.grading.transports.remote import Limits, Work, Zygote
from labkit.grading.tries import Tries

pytestmark = pytest.mark.skipif(not remote.LINUX, reason="children are jailed on Linux only")
CHALLENGE = Challenge(
    "f", "F", lambda s: s.f(2).equals(2, because="It is the same."), 1, ("", "", ""),
    not_allowed=("copy.copy",), mistakes=[Mistake("none", lambda x: None, "Nothing.", "return")],
)  # fmt: skip


@pytest.fixture(scope="module")
def zygote():
    with Zygote(trusted=True, imports=("torch", "labkit.instruments.tokens")) as warm:
        yield warm


@pytest.fixture
def graded(zygote):
    opened = []

    def run(*cells):
        tries = Tries(zygote, Work(cells), ["f"], Limits())
        opened.append(tries)
        return tries.verdict(CHALLENGE)

    run.opened = opened
    yield run
    for tries in opened:
        tries.close()


BORROWED = {
    "its name": "from labkit.instruments.tokens import library_merges as f",
    "a call": "from labkit.instruments import tokens\ndef f(x): return tokens.library_merges(x)",
    "what is loaded already": "import labkit.instruments.tokens as t\ndef f(x): return t.merges(x)",
    "an import in the function": (
        "def f(x):\n    from labkit.models import zoo\n    return zoo.f(x)"
    ),
    "what grades": "from labkit.classroom import worker\ndef f(x): return worker.known_lessons()",
    "the course's top": "import labkit\ndef f(x): return labkit.load_model(x)",
}


@pytest.mark.parametrize("how", BORROWED)
def test_an_answer_of_labkits_is_refused_in_words(graded, how):
    verdict = graded(BORROWED[how])

    assert verdict.outcome is Outcome.FAIL
    assert "which belongs to the course" in verdict.message


def test_an_answer_of_a_librarys_is_refused_in_words(graded):
    verdict = graded("import copy\ndef f(x): return copy.copy(x)")

    assert verdict.outcome is Outcome.FAIL and "`copy.copy`" in verdict.message


def test_the_lessons_lines_run_without_effect(graded):
    verdict = graded(
        "from labkit import Lab, load_model\nfrom labkit.instruments import plots, sampling\n"
        "lab = Lab('05_temperature')\nplots.setup(3).show()",
        "def helper(x): return x\nhelper = lab.use(helper)",
        "def f(x):\n    lab.check(f)\n    display(x)\n    return helper(x)",
    )

    assert verdict.outcome is Outcome.PASS, str(verdict)
    assert graded.opened[0].notes == {}


def test_what_is_not_there_is_said(graded):
    graded("from labkit import load_model\nmodel, tokens = load_model('base')",
           "def f(x): return model(x)")  # fmt: skip

    (note,) = graded.opened[0].notes
    assert note.endswith("RuntimeError: load_model of labkit is not there in grading")


def test_a_star_import_of_labkit_binds_nothing():
    code = (
        "from labkit.grading.transports.withheld import withhold_labkit; withhold_labkit();"
        "from labkit.instruments.plots import *; import labkit.paths; print(labkit.paths.PACKAGE)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "StandIn" in said.stdout
