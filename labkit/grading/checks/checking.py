"""Runs a challenge's check on a learner's function and makes one verdict of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from operator import itemgetter
from typing import Any

from labkit.grading.answers.borrowing import refusal
from labkit.grading.answers.lines import Line
from labkit.grading.answers.values import copy_arguments, describe, show
from labkit.grading.checks.challenge import Challenge, Mistake
from labkit.grading.checks.diagnosis import Comparison, explains
from labkit.grading.checks.outcome import Outcome, Verdict
from labkit.grading.checks.submission import Case, CheckStopped, Submission, unexaminable
from labkit.grading.transports.transport import (
    CutOff,
    Died,
    InProcess,
    LocalTransport,
    Raised,
    Returned,
    Transport,
    call_once,
)

MAX_TEXT = 4000


def check(challenge: Challenge, function: Callable[..., Any], *, seed: int = 0) -> Verdict:
    """Check a function of this process, as lessons do."""
    if not callable(function):
        return not_a_function(challenge, function)
    transport = LocalTransport({challenge.name: function}, challenge.limit_seconds)
    try:
        return check_through(challenge, transport, seed=seed)
    finally:
        transport.close()


def check_through(challenge: Challenge, transport: Transport, *, seed: int = 0) -> Verdict:
    """Check a function wherever the transport finds it."""
    started = time.perf_counter()
    if transport.is_untouched(challenge.name):
        message = transport.why_untouched(challenge.name)
        return Verdict(challenge.name, Outcome.NOT_ATTEMPTED, message)
    if found := transport.borrowed(challenge.name, challenge.not_allowed):
        return Verdict(challenge.name, Outcome.FAIL, refusal(challenge.name, found))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # a warning costs no marks, even where it is an error
            cases = cases_of(challenge, transport, seed)
            verdict = judge(challenge, cases, transport, seed)
    except Exception as error:  # fail closed: a check that breaks gives no marks
        verdict = broken_check(challenge, error)
    return replace(verdict, seconds=time.perf_counter() - started)


def not_a_function(challenge: Challenge, given: Any) -> Verdict:
    """The learner passed a result, or something else, in place of the function."""
    message = (
        f"lab.check was given {describe(given)}; give it the function itself, without brackets: "
        f"lab.check({challenge.name})."
    )
    return Verdict(challenge.name, Outcome.ERROR, message)


def broken_check(challenge: Challenge, error: Exception) -> Verdict:
    """A fault of the course's own."""
    message = (
        f"The check itself could not be finished ({type(error).__name__}: {error}). This is a "
        "fault of the course and not of yours; please report it with your function."
    )
    return Verdict(challenge.name, Outcome.ERROR, message)


def run_cases(challenge: Challenge, transport: Transport, seed: int) -> list[Case]:
    """Every call of the check with what came of it; up to the first that had to be cut."""
    submission = Submission(transport, challenge.parameters, seed)
    with suppress(CheckStopped):
        challenge.check(submission)
    return submission.cases


def cases_of(challenge: Challenge, transport: Transport, seed: int) -> list[Case]:
    """The cases of a learner's function, whatever it returns: a check that stumbles over a value,
    and holds for a right answer, has found a wrong one."""
    submission = Submission(transport, challenge.parameters, seed)
    cases = submission.cases
    try:
        with suppress(CheckStopped):
            challenge.check(submission)
    except Exception as error:
        if not cases:
            raise
        reply = cases[-1].reply
        value = reply.value if isinstance(reply, Returned) else None
        cases[-1].failure = cases[-1].failure or unexaminable(value, "", error)
    errors = [case.failure.raised for case in cases if case.failure and case.failure.raised]
    if errors and not holds_for_right_answers(challenge, seed):
        raise errors[0]
    return cases


def holds_for_right_answers(challenge: Challenge, seed: int) -> bool:
    """Whether the check itself is in order."""
    transport = InProcess({challenge.name: challenge.alternatives[0]})
    return not any(case.failure for case in run_cases(challenge, transport, seed))


def judge(challenge: Challenge, cases: list[Case], transport: Transport, seed: int) -> Verdict:
    """Pass, or the smallest failing case with the mistake behind it."""
    shown = smallest_failure(cases)
    if shown is None:
        return Verdict(challenge.name, Outcome.PASS, f"Right: {len(cases)} cases hold.")
    case = cases[shown]
    assert case.failure is not None
    mistake = diagnose(challenge, cases, shown, seed)
    line = line_of(case, transport)
    return Verdict(
        challenge.name,
        case.failure.outcome,
        message=mistake.message if mistake else shortened(case.failure.message),
        case=shortened(case_text(case, challenge.parameters)),
        mistake=mistake.name if mistake else None,
        line=str(line) if line else None,
    )


def shortened(text: str) -> str:
    """What a learner's value may add to a verdict has an end."""
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def smallest_failure(cases: list[Case]) -> int | None:
    """Of the first step that fails, the case with the least to read."""
    failing = [index for index, case in enumerate(cases) if case.failure]
    if not failing:
        return None
    step = cases[failing[0]].step
    return min((i for i in failing if cases[i].step == step), key=lambda i: cases[i].size())


def diagnose(challenge: Challenge, cases: list[Case], shown: int, seed: int) -> Mistake | None:
    """The known mistake that explains the failures best, if any does."""
    if isinstance(cases[-1].reply, CutOff | Died):
        return None
    best, found = 0.0, None
    alike = Comparison(challenge.alike)
    for mistake in challenge.mistakes:
        if fits(mistake, cases[shown], alike):
            imitated = imitate(challenge, mistake, seed)
            score = explains(shown, cases, imitated, alike)
            best, found = max((best, found), (score, mistake), key=itemgetter(0))
    return found


def fits(mistake: Mistake, case: Case, alike: Comparison) -> bool:
    """Whether a mistake gives the learner's answer on one case; spares most of the full runs."""
    imitated = call_once(mistake.imitation, copy_arguments(case.arguments), case.wrt)
    return alike(case.reply, imitated)


def imitate(challenge: Challenge, mistake: Mistake, seed: int) -> list[Case]:
    """The check's cases as the mistake answers them."""
    return run_cases(challenge, InProcess({challenge.name: mistake.imitation}), seed)


def line_of(case: Case, transport: Transport) -> Line | None:
    """The learner's line to look at."""
    if isinstance(case.reply, Raised | CutOff | Died):
        return case.reply.line
    symptom = case.failure.symptom if case.failure else "returned"
    return transport.find_line(case.name, case.arguments, symptom)


def case_text(case: Case, parameters: tuple[str, ...]) -> str:
    """The call as it could be typed, with what was expected and what came."""
    named = [
        f"{name}={show(value)}" if index else show(value)
        for index, (name, value) in enumerate(zip(parameters, case.arguments, strict=False))
    ]
    call = f"{case.name}({', '.join(named)})"
    lines = [call if case.wrt is None else f"the gradient of {call} for {parameters[case.wrt]}"]
    if case.failure and case.failure.expected:
        lines.append(f"  expected  {case.failure.expected}")
    if isinstance(case.reply, Returned):
        lines.append(f"  got       {show(case.reply.value)}")
    return "\n".join(lines)
