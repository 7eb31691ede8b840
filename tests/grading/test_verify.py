"""The proof must fail where a check is bad: too strict, too lax, or wrong about a mistake."""

from __future__ import annotations

import argparse
import json

import pytest
import torch

from labkit.cli import verify as command
from labkit.grading import Challenge, Mistake
from labkit.grading.verify import verify


def double(x):
    return x * 2


def tripled(x):
    return x * 3


def check_double(s):
    s.double(torch.ones(2)).equals(torch.full((2,), 2.0), because="It is doubled.")
    s.double(torch.zeros(2)).equals(torch.zeros(2), because="Zero stays.")


def challenge(**changes):
    given = {
        "name": "double",
        "title": "Double",
        "points": 1,
        "check": check_double,
        "mistakes": (Mistake("tripled", tripled, "You tripled.", "Twice only."),),
        "alternatives": (lambda x: x + x,),
        "hints": (
            "Think of twice as much.",
            "Multiply, or add to itself.",
            "2 becomes 4, and 3 is 6.",
        ),
    }
    return Challenge(**{**given, **changes})


def broken(made, reference=double):
    return {proof.answer: proof.got for proof in verify(made, reference, [0]) if not proof.holds}


def test_a_good_challenge_holds():
    assert broken(challenge()) == {}


def test_a_wrong_reference_is_found():
    assert broken(challenge(), reference=tripled) == {"reference": "wrong: tripled"}


def test_a_check_that_lets_everything_pass_is_found():
    assert broken(challenge(check=lambda s: s.double(torch.ones(1)))) == {
        "mistake: tripled": "pass"
    }


def test_a_check_that_refuses_a_right_answer_is_found():
    alternatives = (lambda x: (x + x).double(),)

    def strict(s):
        s.double(torch.ones(2)).is_tensor(shape=(2,), dtype=torch.float32)
        check_double(s)

    found = broken(challenge(check=strict, alternatives=alternatives))
    assert found == {"alternative 1": "fail"}


def test_two_mistakes_that_cannot_be_told_apart_are_found():
    twin = Mistake("three times", lambda x: 3 * x, "Three times.", "Twice only.")
    mistakes = (*challenge().mistakes, twin)

    assert broken(challenge(mistakes=mistakes)) == {"mistake: three times": "wrong: tripled"}


def test_an_empty_hint_is_found():
    assert broken(
        challenge(hints=("Think of twice as much.", " ", "2 becomes 4, and 3 is 6."))
    ) == {"hint 2": "empty"}


def run(capsys, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    code = command.main(parser.parse_args(list(words)))
    return code, capsys.readouterr()


def test_the_command_shows_a_row_for_each_challenge(capsys):
    code, shown = run(capsys, "--lesson", "05", "--seeds", "1")

    rows = shown.out.splitlines()
    assert code == 0
    assert len(rows) == 5
    assert all(row.startswith("05_temperature") and row.endswith("ok") for row in rows[:-1])
    assert rows[-1].endswith("proofs hold.")


def test_the_command_fails_with_what_does_not_hold(capsys, monkeypatch):
    monkeypatch.setattr("labkit.course.solutions.reference", lambda lesson, name: tripled)
    monkeypatch.setattr("labkit.challenges.find_challenge", lambda lesson, name: challenge())

    code, shown = run(capsys, "--lesson", "temperature", "--seeds", "1")

    assert code == 1
    assert "FAILED" in shown.out
    assert "double, reference, seed 0: expected 'pass', got 'wrong: tripled'" in shown.out


def test_the_command_speaks_json(capsys, monkeypatch):
    monkeypatch.setattr("labkit.course.solutions.reference", lambda lesson, name: double)
    monkeypatch.setattr("labkit.challenges.find_challenge", lambda lesson, name: challenge())

    code, shown = run(capsys, "--json", "--seeds", "1", "--lesson", "05")

    rows = json.loads(shown.out)
    assert code == 0
    assert {"lesson", "challenge", "answer", "seed", "expected", "got", "holds"} <= rows[0].keys()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lesson", "05_temprature"], "did you mean 05_temperature?"),
        (["--seeds", "0"], "--seeds must be 1 or more, got 0"),
    ],
)
def test_bad_words_are_answered(capsys, words, said):
    code, shown = run(capsys, *words)

    assert code == 2
    assert said in shown.err
