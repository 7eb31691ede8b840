"""The proof must fail where a check is bad: too strict, too lax, or wrong about a mistake."""

from __future__ import annotations

import argparse
import json

import pytest
import torch

from labkit.challenges import find_challenge
from labkit.cli import verify as command
from labkit.grading import Challenge, Mistake, Outcome, check
from labkit.grading.proofs import proof_cache
from labkit.grading.proofs.cheats import CHEATS
from labkit.grading.proofs.verify import prove_spoiled, score, verify
from labkit.grading.source.spoiling import spoiled


def double(x):
    return x * 2


def tripled(x):
    return x * 3


def check_double(s):
    s.double(torch.ones(2)).equals(torch.full((2,), 2.0), because="It is doubled.")
    s.double(torch.zeros(2)).equals(torch.zeros(2), because="Zero stays.")
    drawn = torch.rand(3, generator=s.generator)
    s.double(drawn).equals(drawn + drawn, because="It is doubled.")


def challenge(**changes):
    given = {
        "name": "double",
        "title": "Double",
        "points": 1,
        "check": check_double,
        "mistakes": [
            Mistake("tripled", tripled, "You tripled.", "Twice only."),
            Mistake("quadrupled", lambda x: x * 4, "You took it four times.", "Twice only."),
            Mistake("halved", lambda x: x / 2, "You divided.", "Multiply by 2."),
            Mistake("negated", lambda x: x * -2, "You turned the sign.", "Multiply by 2."),
            Mistake("added", lambda x: x + 2, "You added 2.", "Multiply by 2."),
        ],
        "alternatives": [lambda x: x + x],
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
    found = broken(challenge(check=lambda s: s.double(torch.ones(1))))

    assert found["mistake: tripled"] == "pass"


def test_a_check_that_refuses_a_right_answer_is_found():
    alternatives = [lambda x: (x + x).double()]

    def strict(s):
        s.double(torch.ones(2)).is_tensor(shape=(2,), dtype=torch.float32)
        check_double(s)

    found = broken(challenge(check=strict, alternatives=alternatives))
    assert found == {"alternative 1": "fail"}


def test_two_mistakes_that_cannot_be_told_apart_are_found():
    twin = Mistake("three times", lambda x: 3 * x, "Three times.", "Twice only.")
    mistakes = [*challenge().mistakes, twin]

    assert broken(challenge(mistakes=mistakes)) == {"mistake: three times": "wrong: tripled"}


def test_too_few_mistakes_are_found():
    assert broken(challenge(mistakes=challenge().mistakes[:4])) == {"known mistakes": "4"}


def test_a_mistake_without_a_hint_is_found():
    wordless = Mistake("added", lambda x: x + 2, "You added 2.", " ")
    mistakes = [*challenge().mistakes[:4], wordless]

    assert broken(challenge(mistakes=mistakes)) == {"hint of added": "empty"}


def test_a_spoiled_reference_that_only_crashes_is_found():
    made = find_challenge("05_temperature", "apply_temperature")
    for new, holds in (("temperature < None", False), ("temperature < -2", True)):
        wrong = spoiled("temperature < 0", new).of("temperature", "apply_temperature")
        proof = prove_spoiled(made, Mistake("below", wrong, "Never below 0.", "0 or more."), seed=0)

        assert proof.holds == holds and ("TypeError" in proof.message) != holds


def test_an_empty_hint_is_found():
    assert broken(
        challenge(hints=("Think of twice as much.", " ", "2 becomes 4, and 3 is 6."))
    ) == {"hint 2": "empty"}


# ---- cheats --------------------------------------------------------------------------------------


def test_a_check_that_believes_what_it_is_told_lets_cheats_pass():
    found = broken(challenge(check=lambda s: s.double(torch.ones(1)), mistakes=[wrong_type()]))

    assert found["cheat: equals everything"] == "pass"
    assert found["cheat: first argument"] == "pass"
    assert "cheat: leaves" not in found, "it raises"


def wrong_type():
    return Mistake("none", lambda x: None, "You returned nothing.", "return it.")


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_passes_where_anything_is_asked(name):
    assert check(challenge(), CHEATS[name]).outcome in (Outcome.FAIL, Outcome.ERROR)


def test_a_check_that_draws_nothing_can_be_answered_by_a_table():
    def literal(s):
        s.double(torch.full((2,), 3.0)).equals(torch.full((2,), 6.0), because="It is doubled.")

    assert broken(challenge(check=literal)) == {"cheat: recorded table": "pass"}


# ---- mutants -------------------------------------------------------------------------------------

DOUBLE = "def double(x):\n    return x * 2\n"


def mutant_proofs(made, source=DOUBLE, equivalent=None, seeds=(0,)):
    for mutant, reason in (equivalent or {}).items():
        made.equivalent(mutant, because=reason)
    proofs = verify(made, double, seeds, source=source)
    return {
        proof.answer.removeprefix("mutant: "): proof
        for proof in proofs
        if proof.answer.startswith("mutant: ")
    }


def test_a_good_check_finds_every_mutant_wrong():
    proofs = mutant_proofs(challenge())

    assert len(proofs) > 5
    assert {proof.got for proof in proofs.values()} == {"killed"}
    assert score(proofs.values()) == (len(proofs), len(proofs), 0)


def check_ones(s):
    s.double(torch.ones(2)).close_to(torch.full((2,), 2.0), because="It is doubled.")


def lax():
    """A challenge whose check asks for no number but 1."""
    return challenge(check=check_ones)


ONLY_FOR_ONE = "def double(x):\n    return x + x ** 1\n"
PLUS = "def double(x):\n    y = x\n    return y * 2\n"


def test_a_survivor_is_found_with_advice():
    proof = mutant_proofs(lax(), ONLY_FOR_ONE)["1->2 | return x + x ** 1"]

    assert (proof.expected, proof.got) == ("killed", "survives")
    assert "Add a case that tells it from the reference" in proof.message


def test_an_equivalent_mutant_must_survive_and_have_a_reason():
    name = "y->x | return y * 2"
    reason = "y is x, under another name."

    listed = mutant_proofs(challenge(), PLUS, {name: reason})
    alone = mutant_proofs(challenge(), PLUS)
    empty = mutant_proofs(challenge(), PLUS, {name: " "})

    assert listed[name].holds and listed[name].message == reason
    assert score(listed.values())[2] == 1
    assert not alone[name].holds and "challenge.equivalent(ID" in alone[name].message
    assert empty[name].got == "survives without a reason"


def test_an_equivalent_mutant_that_is_found_wrong_is_an_error():
    proof = mutant_proofs(challenge(), equivalent={"2->3 | return x * 2": "No reason why."})

    assert not proof["2->3 | return x * 2"].holds
    assert "the check tells it from the reference" in proof["2->3 | return x * 2"].message


def test_an_equivalent_mutant_that_does_not_exist_is_an_error():
    name = "2->3 | return x * 22"

    proof = mutant_proofs(challenge(), equivalent={name: "As it was, long ago."})

    assert proof["2->3 | return x * 22"].got == "no such mutant"


def test_one_seed_that_finds_a_mutant_wrong_is_enough():
    def sometimes(s):
        check_ones(s)
        if s.seed == 2:
            s.double(torch.full((1,), 3.0)).equals(torch.full((1,), 6.0), because="Doubled.")

    proofs = mutant_proofs(challenge(check=sometimes), ONLY_FOR_ONE, seeds=range(4))
    proof = proofs["1->2 | return x + x ** 1"]

    assert (proof.got, proof.seed) == ("killed", 2)


def test_a_loop_without_end_is_cut_and_counts_as_found():
    source = "def double(x):\n    n = 0\n    while n < 2:\n        n += 1\n    return x * n\n"

    proof = mutant_proofs(challenge(limit_seconds=0.2), source)["Add->Sub | n += 1"]

    assert proof.got == "killed"
    assert "cut after 0.2 s" in proof.message


def test_a_mutant_that_can_not_be_loaded_counts_as_found():
    source = "LIMITS = [1, 2]\nTWO = LIMITS[1]\n\n\ndef double(x):\n    return x * TWO\n"

    proof = mutant_proofs(challenge(), source)["1->2 | TWO = LIMITS[1]"]

    assert proof.got == "killed"
    assert proof.message.startswith("It does not load: IndexError")


def test_a_check_that_breaks_has_not_found_anything():
    def fragile(s):
        if float(s.double(torch.ones(1)).value[0]) != 2.0:
            raise ZeroDivisionError

    proofs = mutant_proofs(challenge(check=fragile))

    assert proofs["2->3 | return x * 2"].got == "broken check"
    assert not proofs["2->3 | return x * 2"].holds


# ---- the command ---------------------------------------------------------------------------------


def run(capsys, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    code = command.main(parser.parse_args(list(words)))
    return code, capsys.readouterr()


@pytest.fixture
def of_double(monkeypatch, tmp_path):
    """The command sees lesson 05 with the challenge `double` alone, and a cache of its own."""
    monkeypatch.setattr(command, "names_of", lambda lesson: ["double"])
    monkeypatch.setattr("labkit.challenges.find_challenge", lambda lesson, name: challenge())
    monkeypatch.setattr("labkit.challenges.module_of", lambda lesson, name: "labkit.challenges")
    monkeypatch.setattr("labkit.grading.source.solutions.source", lambda lesson, name: DOUBLE)
    monkeypatch.setattr(proof_cache, "default_folder", lambda: tmp_path / "proofs")

    def give(reference):
        monkeypatch.setattr(
            "labkit.grading.source.solutions.reference", lambda lesson, name: reference
        )

    give(double)
    return give


@pytest.mark.slow
def test_every_proof_of_the_course_holds(capsys):
    """The cheap part of `labkit verify`: one seed, everything run."""
    code, shown = run(capsys, "--seeds", "1", "--no-cache")

    rows = shown.out.splitlines()
    assert code == 0, shown.out
    assert len(rows) >= 5
    assert all(row[:3].strip("_").isdigit() and row.endswith("ok") for row in rows[:-1])
    assert rows[-1].endswith("proofs hold.")


def test_the_command_fails_with_what_does_not_hold(capsys, of_double):
    of_double(tripled)

    code, shown = run(capsys, "--lesson", "temperature", "--seeds", "1")

    assert code == 1
    assert "FAILED" in shown.out
    assert "double, reference, seed 0: expected 'pass', got 'wrong: tripled'" in shown.out
    again = run(capsys, "--lesson", "temperature", "--seeds", "1")[1]
    assert "(cached)" not in again.out, "what does not hold is run again"


def test_the_command_speaks_json(capsys, of_double):
    code, shown = run(capsys, "--json", "--seeds", "1", "--lesson", "05")

    rows = json.loads(shown.out)
    assert code == 0
    assert {"lesson", "challenge", "answer", "seed", "expected", "got", "holds"} <= rows[0].keys()
    assert any(row["answer"].startswith("mutant: ") for row in rows)
    assert any(row["answer"].startswith("cheat: ") for row in rows)


def test_what_held_is_not_run_again_until_something_changes(capsys, of_double, monkeypatch):
    first = run(capsys, "--lesson", "05", "--seeds", "1")[1].out.splitlines()
    run_again = []
    proofs = command.with_progress
    monkeypatch.setattr(
        command, "with_progress", lambda *given: run_again.append(given) or proofs(*given)
    )

    second = run(capsys, "--lesson", "05", "--seeds", "1")[1].out.splitlines()
    assert run_again == []
    assert second == [f"{row}  (cached)" for row in first[:-1]] + first[-1:]

    run(capsys, "--lesson", "05", "--seeds", "1", "--no-cache")
    assert len(run_again) == len(first) - 1
    run(capsys, "--lesson", "05", "--seeds", "2")
    assert len(run_again) == 2 * (len(first) - 1)
    monkeypatch.setattr(
        "labkit.grading.source.solutions.source", lambda lesson, name: DOUBLE + "\n"
    )
    run(capsys, "--lesson", "05", "--seeds", "2")
    assert len(run_again) == 3 * (len(first) - 1)


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
