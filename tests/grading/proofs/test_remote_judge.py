"""The known answers run as submissions are run: the same verdicts, from source alone."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from labkit.challenges import find_challenge
from labkit.grading.proofs.remote_judge import cells_of, expression_for, module_of, remote_judge
from labkit.grading.proofs.verify import Answer, answers, cheats, judge_here, prove
from labkit.grading.source.mutants import function_from, mutants
from labkit.grading.source.solutions import reference, source

LESSON = "05_temperature"
NAMES = ("apply_temperature", "top_p_filter", "min_p_filter", "sample_next")


def known(name):
    challenge = find_challenge(LESSON, name)
    found = list(answers(challenge, reference(LESSON, name), source(LESSON, name)))
    return challenge, {answer.name: answer for answer in [*found, *cheats()]}


@pytest.mark.parametrize("name", NAMES)
def test_alternatives_and_mistakes_are_reached_by_the_names_of_their_module(name):
    challenge, found = known(name)
    for answer in found.values():
        if answer.source is None and answer.name.startswith(("alternative", "mistake")):
            module = module_of(challenge, answer)
            written = expression_for(module, answer.name)
            assert parts(eval(written, vars(module))) == parts(answer.function())


def parts(function):
    """A function's code with what it encloses: alike for two that were made the same way."""
    code = function.__code__
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return code.co_code, code.co_names, [parts(c) if hasattr(c, "__code__") else c for c in cells]


@pytest.mark.parametrize(
    "answer", ["stub: empty", "reference", "mistake: edge-dropped", "cheat: 0"]
)
def test_a_source_does_what_its_answer_does(answer):
    challenge, found = known("min_p_filter")
    text = "\n".join(cells_of(challenge, found[answer]))
    same = replace(found[answer], function=lambda: function_from(text, "min_p_filter", "<cell>"))

    assert prove(challenge, same, 0, judge_here).holds


def test_a_mutant_is_its_own_source():
    challenge, _ = known("min_p_filter")
    mutant = mutants(source(LESSON, "min_p_filter"), "min_p_filter")[0]

    assert cells_of(challenge, Answer("mutant", mutant.function, "", mutant.source)) == [
        mutant.source
    ]


def test_an_answer_that_is_not_written_out_is_said():
    challenge, found = known("min_p_filter")
    strange = replace(found["reference"], name="mistake: made-in-a-loop", source=None)

    with pytest.raises(LookupError, match="min_p_filter registers no 'mistake: made-in-a-loop'"):
        cells_of(challenge, strange)


SOME = (
    "stub: empty",
    "reference",
    "alternative 2",
    "mistake: edge-dropped",
    "mistake: nothing-filtered",
    "cheat: equals everything",
    "cheat: lying tensor",
    "cheat: leaves",
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix sockets")
def test_both_transports_agree():
    challenge, found = known("min_p_filter")
    made = mutants(source(LESSON, "min_p_filter"), "min_p_filter")[::5]
    chosen = [found[name] for name in SOME]
    chosen += [Answer(f"mutant: {m.id}", m.function, "", m.source) for m in made]

    with remote_judge() as judge:
        for answer in chosen:
            there = judge(challenge, answer, 1)
            here = judge_here(challenge, answer, 1)
            assert (there.outcome, there.mistake) == (here.outcome, here.mistake), answer.name
            assert there.message == here.message.replace("labkit.", ""), answer.name
