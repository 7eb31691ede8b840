"""Whatever a learner's function returns is a wrong answer in plain words, and costs no more."""

from __future__ import annotations

import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.challenges import challenges_of, topics
from labkit.grading import Challenge, Outcome, check
from labkit.grading.answers.values import copy_value
from labkit.grading.checks import diagnosis, submission
from labkit.grading.checks.checking import check_through
from labkit.grading.proofs.verify import BROKEN
from labkit.grading.transports.transport import CutOff, InProcess, LocalTransport, Returned
from labkit.grading.transports.wire import Body, Message, TooLarge, pack, unpack

CHALLENGES = [(topic, name) for topic in topics() for name in challenges_of(topic)]


class Prepared(InProcess):
    """Returns the same value to every call; it must be a copy, as it arrives in the grader."""

    def __init__(self, name, value):
        super().__init__({name: lambda *_: value})
        self.value = value

    def call(self, name, arguments, wrt=None):
        return Returned(self.value, arguments)


def holding_itself():
    value = []
    value += [value, value]
    return value


ODD = {
    "an empty giant": lambda: torch.empty(400_000_000, 0),
    "an empty giant that crosses": lambda: torch.empty(900_000, 0),
    "many dimensions": lambda: torch.zeros([1] * 64),
    "distinct ints": lambda: torch.arange(1_000_000),
    "a list of ints": lambda: list(range(5_000)),
    "a long text": lambda: "x" * 20_000,
    "a longer text": lambda: "x" * 100_000,
    "many commas": lambda: "," * 20_000,
    "many bars": lambda: "| a " * 5_000,
    "deep JSON": lambda: "[" * 20_000,
    "deep JSON in braces": lambda: '{"a":' * 4_000,
    "a huge int": lambda: 10**400,
    "huge ints": lambda: [10**400, -(10**400)],
    "complex": lambda: torch.ones(2, 3, dtype=torch.complex64),
    "half": lambda: torch.full((2, 3), math.nan, dtype=torch.float16),
    "bytes": lambda: torch.ones(5, dtype=torch.uint8),
    "bools": lambda: [True, False],
    "surrogates": lambda: "\ud800\udfff",
    "NaN for a key": lambda: {math.nan: 1, "a": math.inf},
    "many keys": lambda: dict.fromkeys(range(3_000), 0.5),
    "itself": holding_itself,
    "negative zero": lambda: -0.0,
    "an inf": lambda: -math.inf,
    "a conjugate view": lambda: torch.ones(2, dtype=torch.complex64).conj(),
    "an expanded one": lambda: torch.zeros(1).expand(999_999),
    "many tensors": lambda: [torch.tensor(True)] * 3_000,
    "a list of nothing": lambda: [[], {}, (), None],
    "pairs": lambda: (torch.empty(0), torch.tensor(2**62)),
}


@pytest.mark.parametrize("odd", ODD)
def test_no_check_stumbles(odd):
    """Each challenge, with each odd value: wrong, in words that have an end."""
    value = copy_value(ODD[odd]())
    for topic, name in CHALLENGES:
        challenge = challenges_of(topic)[name]
        verdict = check_through(challenge, Prepared(name, value))

        assert verdict.outcome is Outcome.FAIL, f"{name}: {verdict}"
        assert not verdict.message.startswith(BROKEN), f"{name}: {verdict}"
        assert len(str(verdict)) < 10_000


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
        st.sampled_from([torch.bool, torch.uint8, torch.int64, torch.bfloat16, torch.float64,
                         torch.complex64]).map(lambda dtype: torch.ones(2, 1).to(dtype)),
        st.lists(st.integers(0, 3), max_size=5).map(torch.zeros),
        st.sampled_from([10**400, "[" * 999, torch.empty(5000, 0)]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner)
    | st.tuples(inner, inner),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(VALUES, st.sampled_from(CHALLENGES))
def test_no_value_breaks_a_check(value, which):
    challenge = challenges_of(which[0])[which[1]]

    verdict = check_through(challenge, Prepared(which[1], copy_value(value)))

    assert verdict.outcome is not Outcome.PASS
    assert not verdict.message.startswith(BROKEN), str(verdict)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(VALUES)
def test_what_is_copied_crosses_and_comes_back(value):
    blobs = []
    copy = copy_value(value)
    try:
        node = pack(copy, blobs)
        frame = Message({"v": node}, blobs).frame()
    except TooLarge:
        return
    assert len(frame) < 25 << 20

    body = Body(b"".join(blobs))
    back = unpack(node, body)
    body.finish()
    assert type(back) is type(copy)


# ---- checks that stumble -------------------------------------------------------------------------


def asked(ask, **more):
    hints = ("", "", "")
    made = Challenge("f", "F", ask, 1, hints, alternatives=[lambda x: [x, x]], **more)
    made.mistake("none", "You returned nothing.", hint="return it.", answer=lambda x: None)
    return made


def careless(s):
    answer = s.f(2)
    if sum(answer.value) != 4:  # no sum, where the value is no list
        answer.equals([2, 2], because="Twice.")


def test_a_check_that_stumbles_over_a_value_has_found_a_wrong_one():
    verdict = check(asked(careless), lambda x: x)

    assert verdict.outcome is Outcome.FAIL
    assert "It returned int, and looking at that failed: 'int' object is not iterable" in (
        verdict.message
    )


def test_a_check_that_stumbles_by_itself_is_the_courses_fault():
    right = check(asked(lambda s: s.f(2).nothing_of_this_name()), lambda x: [x, x])
    looked = check(asked(lambda s: s.f(2).holds(abs, because="Twice.")), lambda x: [x, x])

    assert right.message.startswith(BROKEN)
    assert looked.message.startswith(BROKEN)


def test_a_comparison_with_mistakes_that_stumbles_names_none():
    def alike(left, right):
        raise RecursionError

    verdict = check(
        asked(lambda s: s.f(2).equals([2, 2], because="Twice."), alike=alike), lambda x: [None]
    )

    assert verdict.outcome is Outcome.FAIL and verdict.mistake is None


def test_what_is_returned_is_held_within_bounds(monkeypatch):
    def many(s):
        for _ in range(30):
            s.f(2).holds(lambda value: None, because="Anything will do.")
        s.f(2).equals(0, because="It is 0.")

    transport = InProcess({"f": lambda x: torch.zeros(900_000)})
    verdict = check_through(asked(many), transport)
    monkeypatch.setattr(submission, "MAX_HELD", 1 << 20)
    small = [torch.tensor(0)] * 100  # each takes far more than its element
    pieces = check_through(asked(many), InProcess({"f": lambda x: small}))

    assert "with what it has returned before" in pieces.message
    assert "with what it has returned before, more than can be handed over" in verdict.message


def test_the_time_for_looking_has_an_end(monkeypatch):
    monkeypatch.setattr(submission, "MAX_LOOKING", 0.02)
    monkeypatch.setattr(diagnosis, "MAX_LOOKING", 0.02)

    def slow(value):
        began = time.thread_time()
        while time.thread_time() - began < 0.03:
            pass
        return None if value == [2, 2] else "it is something else"

    def ask(s):
        for _ in range(9):
            s.f(2).holds(slow, because="Twice.")

    asked_for = []
    check(asked(ask), lambda x: asked_for.append(x) or [x])
    compared = []
    alike = diagnosis.Comparison(lambda left, right: compared.append(slow(left)))

    assert 1 <= len(asked_for) < 9
    assert check(asked(ask), lambda x: [x, x]).outcome is Outcome.PASS
    assert not any(alike(None, None) for _ in range(9)) and len(compared) < 9


def test_a_cut_off_says_what_was_asked():
    class Endless(LocalTransport):
        def call(self, name, arguments, wrt=None):
            return CutOff(5.0, None, ended=True)

    def ask(s):
        s.f(2).is_tensor(shape=(2,), dtype=torch.int64).holds(
            lambda _: None, because="4^28 choices are too many to try."
        )

    transport = Endless({"f": lambda x: x}, 5.0)
    verdict = check_through(asked(ask), transport)
    refused = check_through(
        asked(lambda s: s.f.raises(ValueError, -1, because="Below 0 it refuses.")), transport
    )
    transport.close()

    assert verdict.message.endswith("What was asked: 4^28 choices are too many to try.")
    assert refused.message.endswith("What was asked: Below 0 it refuses.")
    assert verdict.outcome is Outcome.ERROR


def test_a_changed_list_is_called_a_list():
    def change(x):
        x.pop()
        return x

    verdict = check(asked(lambda s: s.f([1, 2]).equals([1], because="The last goes.")), change)

    assert "make a new list instead (no `x[...] = …`, `del`, `append`, `pop`" in verdict.message
