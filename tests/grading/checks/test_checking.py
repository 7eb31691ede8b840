"""Bad input of every kind: each gets its own outcome and words, at the learner's line."""

from __future__ import annotations

import pytest
import torch

from labkit.grading import Challenge, Mistake, Outcome, Verdict, check
from labkit.grading.answers.comparison import difference
from labkit.grading.answers.values import Foreign
from labkit.grading.transports.transport import LocalTransport, call_once


def check_halve(s):
    for size in (5, 1, 3):
        x = torch.arange(1.0, size + 1)
        answer = s.halve(x, 2.0).is_tensor(shape=(size,), dtype=torch.float32)
        answer.close_to(x.double() / 2, because="Each number is divided.")
    s.halve(torch.zeros(2), 1.0).holds(
        lambda got: None if got.sum() == 0 else "it is not 0", because="Zero stays zero."
    )
    s.halve.raises(ValueError, torch.ones(1), 0.0, because="Nothing can be divided by 0.")


def halve(x, by):
    if by == 0:
        raise ValueError("by is 0")
    return x / by


def doubled(x, by):
    return x * by if by else halve(x, by)


def rounded(x, by):
    return (halve(x, by)).round()


HALVE = Challenge(
    name="halve",
    title="Halve",
    points=1,
    check=check_halve,
    mistakes=[
        Mistake("doubled", doubled, "You multiplied.", "Divide."),
        Mistake("rounded", rounded, "You rounded.", "Keep the fraction."),
    ],
    alternatives=[lambda x, by: halve(x, by) * 1],
    hints=("one", "two", "three"),
    limit_seconds=0.5,
)


def verdict_on(cell, body):
    lines = "\n".join("    " + line for line in body.splitlines())
    return check(HALVE, cell(f"def halve(x, by):\n{lines}\n"))


def test_right():
    verdict = check(HALVE, halve)

    assert verdict.outcome is Outcome.PASS
    assert verdict.message == "Right: 5 cases hold."
    assert (verdict.case, verdict.mistake, verdict.line) == (None, None, None)
    assert verdict.seconds > 0


GUARD = "if by == 0:\n    raise ValueError\n"
BAD = {
    "none": ("x / by", "fail", "It returned None: did you forget `return`?", "line 2: x / by"),
    "list": ("return x.tolist()", "fail", "It returned list; torch.Tensor was expected.", "line 2"),
    "number": ("return 3.5", "fail", "It returned float; torch.Tensor was expected.", "line 2"),
    "numpy": ("return x.numpy()", "fail", "It returned numpy.ndarray; exactly torch.T", "line 2"),
    "subclass": ("return torch.nn.Parameter(x / by)", "fail", "exactly torch.Tensor", "line 2"),
    "shape": (
        "return (x / by)[None]",
        "fail",
        "a float32 tensor of shape (1, 1); the sh",
        "line 2",
    ),
    "dtype": ("return (x / by).double()", "fail", "the dtype float32 was expected", "line 2"),
    "nan": ("y = x / by\nz = y * float('nan')\nreturn z", "fail", "holds NaN", "line 3: z = y"),
    "device": ("return (x / by).to('meta')", "fail", "a tensor of another layout", "line 2"),
    "in place": ("x /= by\nreturn x", "fail", "changed its input `x` in place", "line 2: x /= by"),
    "raises": (
        "y = x / by\nreturn y[9]",
        "error",
        "raised IndexError: index 9",
        "line 3: return y[",
    ),
    "name": ("return z / by", "error", "raised NameError: name 'z'", "line 2: return z / by"),
    "exit": ("raise SystemExit", "error", "raised SystemExit", "line 2: raise SystemExit"),
    "loop": ("while True:\n    pass", "error", "was cut after 0.5 s", "line "),
    "accepts": (
        "return x / (by or 1)",
        "fail",
        "It accepted this input where ValueError was ",
        "l",
    ),
    "other error": (
        "return x / by if by else 1 // 0",
        "fail",
        "It raised ZeroDivisionError (integer division or modulo by zero) where ValueError",
        "line 2",
    ),
    "value": (
        GUARD + "return x / by + 1",
        "fail",
        "Each number is divided. 1.5 came back, 0.5",
        "l",
    ),
}


@pytest.mark.parametrize(("body", "outcome", "words", "line"), BAD.values(), ids=BAD)
def test_bad_input(cell, body, outcome, words, line):
    verdict = verdict_on(cell, body)

    assert str(verdict.outcome) == outcome
    assert words in verdict.message
    assert verdict.line.startswith(line)
    assert verdict.case.startswith("halve(tensor(")
    assert verdict.mistake is None


def test_the_smallest_failing_case_is_shown(cell):
    verdict = verdict_on(cell, GUARD + "return x / by + 1")

    assert verdict.case == (
        "halve(tensor([1.0]), by=2.0)\n  expected  tensor([0.5])\n  got       tensor([1.5])"
    )


def test_a_free_form_expectation_has_its_words(cell):
    verdict = verdict_on(cell, GUARD + "return x / by + (0 if x.sum() else 1)")

    assert verdict.message == "Zero stays zero. It is not 0."


def test_a_value_that_cannot_be_looked_at_fails(cell):
    verdict = verdict_on(cell, GUARD + "return x / by if x.sum() else None")

    assert verdict.outcome is Outcome.FAIL
    assert "Zero stays zero. It returned None, and looking at that failed" in verdict.message


def test_a_stub_is_not_attempted(cell):
    verdict = verdict_on(cell, '"""Halve it."""\n...')

    assert verdict.outcome is Outcome.NOT_ATTEMPTED
    assert "halve is still the stub" in verdict.message


@pytest.mark.parametrize("given", [torch.ones(2), None, "halve", 3])
def test_a_result_in_place_of_the_function(given):
    verdict = check(HALVE, given)

    assert verdict.outcome is Outcome.ERROR
    assert "give it the function itself, without brackets: lab.check(halve)." in verdict.message


def test_a_wrong_number_of_arguments_is_shown_at_the_definition(cell):
    verdict = check(HALVE, cell("# my try\ndef halve(x):\n    return x\n"))

    assert verdict.outcome is Outcome.ERROR
    assert "takes 1 positional argument but 2 were given" in verdict.message
    assert verdict.line == "line 2: def halve(x):"


def test_printing_and_warning_cost_nothing(cell, capsys):
    body = GUARD + "import warnings\nprint('working')\nwarnings.warn('hm')\nreturn x / by"

    with pytest.warns(UserWarning, match="hm"):
        assert verdict_on(cell, body).outcome is Outcome.PASS
    assert "working" in capsys.readouterr().out


def test_renamed_arguments_and_odd_callables_pass():
    class Halver:
        def __call__(self, numbers, divisor):
            return halve(numbers, divisor)

    assert check(HALVE, Halver()).outcome is Outcome.PASS


def test_the_mistake_is_named(cell):
    verdict = verdict_on(cell, GUARD + "return by * x")

    assert (verdict.mistake, verdict.message) == ("doubled", "You multiplied.")


def test_an_unknown_mistake_is_not_given_a_name(cell):
    assert verdict_on(cell, GUARD + "return x - by").mistake is None


def test_a_mistake_that_agrees_on_the_shown_case_only_is_not_named(cell):
    body = GUARD + "return x * by if len(x) == 1 else x + 100"

    assert verdict_on(cell, body).mistake is None


def test_objects_that_say_yes_to_everything_get_nothing(cell):
    body = """class Yes(torch.Tensor):
    def __eq__(self, other): return True
    def __sub__(self, other): return torch.zeros(1)
    def isclose(self, *a, **k): return torch.ones(1, dtype=torch.bool)
return torch.zeros(x.shape).as_subclass(Yes)"""
    verdict = verdict_on(cell, body)

    assert verdict.outcome is Outcome.FAIL
    assert "Yes" in verdict.message


def test_state_kept_between_calls_cannot_reach_the_cases(cell):
    body = (
        """halve.seen = getattr(halve, "seen", [])
for old in halve.seen:
    old.zero_()
halve.seen.append(x)
"""
        + GUARD
        + "return x / by"
    )

    assert verdict_on(cell, body).outcome is Outcome.PASS


def test_a_check_that_breaks_gives_no_marks_and_blames_the_course():
    def broken(s):
        s.halve(torch.ones(1), 2.0)
        raise ZeroDivisionError("oops")

    verdict = check(Challenge(**{**vars(HALVE), "check": broken}), halve)

    assert verdict.outcome is Outcome.ERROR
    assert "fault of the course" in verdict.message


def test_a_verdict_reads_the_same_every_time(cell):
    texts = {str(verdict_on(cell, "return x * 3")) for _ in range(3)}

    assert len({text.split("line")[0] for text in texts}) == 1
    assert "seconds" not in repr(Verdict("halve", Outcome.PASS, "Right", seconds=1.5))
    assert Verdict("a", Outcome.PASS, "m", seconds=1) == Verdict("a", Outcome.PASS, "m", seconds=2)


def test_a_missing_function_is_not_attempted():
    from labkit.grading import check_through

    verdict = check_through(HALVE, LocalTransport({}, 1.0))

    assert verdict.outcome is Outcome.NOT_ATTEMPTED


def test_the_same_seed_makes_the_same_cases():
    asked = []

    def watching(s):
        asked.append(torch.rand(3, generator=s.generator))
        s.halve(asked[-1], 1.0).equals(asked[-1], because="By 1 nothing changes.")

    challenge = Challenge(**{**vars(HALVE), "check": watching})
    for seed in (0, 0, 1):
        check(challenge, halve, seed=seed)

    assert torch.equal(asked[0], asked[1])
    assert not torch.equal(asked[0], asked[2])


# ---- gradients -----------------------------------------------------------------------------------


def squared(x, scale):
    return scale * (x * x).mean()


def graded(function):
    def ask(s):
        x = torch.tensor([1.0, 2.0])
        s.squared.gradient(0, x, 3.0).close_to(3.0 * x, because="It leads back to x.")

    hints = ("", "", "")
    asked = Challenge("squared", "S", ask, 1, hints, mistakes=[Mistake("n", squared, "m", "h")])
    return check(asked, function)


def test_a_gradient_can_be_asked_for():
    assert graded(squared).outcome is Outcome.PASS


def test_a_result_that_no_gradient_leads_back_from_is_wrong():
    lost = graded(lambda x, scale: squared(x.detach(), scale))
    elsewhere = graded(lambda x, scale: torch.ones(1, requires_grad=True) * scale)
    number = graded(lambda x, scale: squared(x, scale).item())

    assert "It leads back to x. It returned a float32 tensor" in lost.message
    assert lost.message.rstrip().endswith("exactly torch.Tensor was expected.")
    assert lost.case.startswith("the gradient of squared(")
    assert "that does not depend on this input" in elsewhere.message
    assert "that no gradient leads back from" in number.message
    assert "changed" not in number.message


def test_a_gradient_for_a_list_has_a_part_for_each_of_its_tensors():
    x, y = torch.tensor([1.0, 2.0]), torch.tensor(3.0)

    both = call_once(lambda pair: (pair[0] * pair[1]).sum(), ([x.clone(), y.clone()],), 0)
    one = call_once(lambda pair: pair.pop(0).sum(), ([x.clone(), y.clone()],), 0)
    none = call_once(lambda pair: 1.0, ([x.clone(), y.clone()],), 0)

    assert difference(both.value, [torch.tensor([3.0, 3.0]), torch.tensor(3.0)]) is None
    assert difference(one.value[0], torch.ones(2)) is None
    assert one.value[1] == Foreign("a tensor that does not depend on this input")
    assert len(one.arguments[0]) == 1, "it shows that the list was changed"
    assert none.value == Foreign("float that no gradient leads back from")
