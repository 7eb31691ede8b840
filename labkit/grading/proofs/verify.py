"""Proves a challenge's check: it must accept every right answer and name every known mistake.

The untouched stub is not attempted; the reference and the alternatives pass for every seed; each
mistake fails under its own name and no other, which is the whole confusion matrix. No cheat
passes (cheats.py), nor a table of what the reference has answered for other seeds (recording.py):
marks are given under a secret one. Every mutant of the reference is found wrong (mutants.py), but
those that the challenge registers as equivalent: they must survive, and have a reason. A challenge
knows five mistakes at least, with a hint for each; a spoiled reference is one if it still answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.grading.answers.untouched import STUBS
from labkit.grading.checks.challenge import Challenge, Mistake
from labkit.grading.checks.checking import check, imitate
from labkit.grading.checks.outcome import Outcome, Verdict
from labkit.grading.proofs.cheats import CHEATS
from labkit.grading.proofs.recording import recorded_table
from labkit.grading.source.mutants import Mutant, mutants
from labkit.grading.transports.transport import Returned

SEEDS = range(5)
LEAST_MISTAKES = 5
BROKEN = "The check itself could not be finished"  # how checking.broken_check begins
Function = Callable[..., Any]


@dataclass(frozen=True)
class Proof:
    """One answer put through a check: what was expected of the check and what it said."""

    challenge: str
    answer: str
    seed: int
    expected: str
    got: str
    message: str
    seconds: float

    @property
    def holds(self) -> bool:
        return self.expected == self.got


@dataclass(frozen=True)
class Answer:
    """A known answer: by name, as a function of this process or made from source, and what its
    verdict must come to."""

    name: str
    function: Callable[[], Function]
    expected: str
    source: str | None = None


Judge = Callable[[Challenge, Answer, int], Verdict]


def judge_here(challenge: Challenge, answer: Answer, seed: int) -> Verdict:
    """The verdict in this process; a source that can't even be loaded is an error, as in a cell."""
    try:
        function = answer.function()
    except Exception as error:
        return Verdict(challenge.name, Outcome.ERROR, f"It does not load: {error!r}")
    return check(challenge, function, seed=seed)


def verify(
    challenge: Challenge,
    reference: Function,
    seeds: Iterable[int] = SEEDS,
    *,
    source: str = "",
    judge: Judge = judge_here,
) -> Iterator[Proof]:
    """Every proof of a challenge, one by one.

    source  of the reference with all it needs; without it there are no mutants
    judge   where the answers are run; in this process unless told otherwise
    """
    seeds = list(seeds)
    yield from prove_words(challenge)
    yield from (prove_spoiled(challenge, m, seeds[0]) for m in challenge.mistakes if m.source)
    for answer in answers(challenge, reference, source):
        yield from (prove(challenge, answer, seed, judge) for seed in seeds)
    quick = replace(challenge, mistakes=challenge.mistakes[:1])  # nobody asks for the mistake below
    yield from (prove(quick, answer, seeds[0], judge) for answer in cheats())
    yield prove_unknown_seed(quick, reference, seeds)
    if source:
        yield from prove_mutants(quick, source, seeds, judge)


# ---- known answers -------------------------------------------------------------------------------


def answers(challenge: Challenge, reference: Function, source: str = "") -> Iterator[Answer]:
    """Stubs, the reference, the alternatives and the mistakes."""
    for stub in STUBS:
        yield known(f"stub: {stub.__name__}", stub, Outcome.NOT_ATTEMPTED)
    yield known("reference", reference, Outcome.PASS, source or None)
    for number, alternative in enumerate(challenge.alternatives, start=1):
        yield known(f"alternative {number}", alternative, Outcome.PASS)
    for mistake in challenge.mistakes:
        expected = f"wrong: {mistake.name}"
        yield known(f"mistake: {mistake.name}", mistake.imitation, expected, mistake.source)


def known(name: str, function: Function, expected: str, source: str | None = None) -> Answer:
    """An answer that is a function already."""
    return Answer(name, lambda: function, str(expected), source)


def cheats() -> Iterator[Answer]:
    """Each cheat; whatever is said of it, it must not pass."""
    for name, cheat in CHEATS.items():
        yield known(f"cheat: {name}", cheat, "no pass")


def prove_unknown_seed(challenge: Challenge, reference: Function, seeds: Sequence[int]) -> Proof:
    """Whoever has recorded all that is asked under these seeds can't answer under another."""
    table = recorded_table(challenge, reference, seeds)
    answer = Answer("cheat: recorded table", lambda: table, "no pass")
    return prove(challenge, answer, max(seeds) + 1, judge_here)


def prove(challenge: Challenge, answer: Answer, seed: int, judge: Judge) -> Proof:
    """One answer through the check, once."""
    verdict = judge(challenge, answer, seed)
    got = summary(verdict)
    if answer.expected == "no pass" and got not in (str(Outcome.PASS), "broken check"):
        got = "no pass"
    seconds, message = verdict.seconds, verdict.message
    return Proof(challenge.name, answer.name, seed, answer.expected, got, message, seconds)


def summary(verdict: Verdict) -> str:
    """A verdict as one word; a wrong answer by the mistake that was named."""
    if verdict.message.startswith(BROKEN):
        return "broken check"
    if verdict.outcome in (Outcome.FAIL, Outcome.ERROR) and verdict.mistake:
        return f"wrong: {verdict.mistake}"
    return str(verdict.outcome)


def prove_words(challenge: Challenge) -> Iterator[Proof]:
    """The hints say something, and so do a mistake's words; there are mistakes enough."""
    for number, text in enumerate(challenge.hints, 1):
        yield prove_text(challenge, f"hint {number}", text, least=20)
    for mistake in challenge.mistakes:
        yield prove_text(challenge, f"message of {mistake.name}", mistake.message)
        yield prove_text(challenge, f"hint of {mistake.name}", mistake.hint)
    count, enough = len(challenge.mistakes), f"{LEAST_MISTAKES} or more"
    got = enough if count >= LEAST_MISTAKES else str(count)
    text = "What else do people get wrong? Look through answers that were handed in."
    yield Proof(challenge.name, "known mistakes", 0, enough, got, text, 0.0)


def prove_spoiled(challenge: Challenge, mistake: Mistake, seed: int) -> Proof:
    """A spoiled reference still answers something: one that crashes everywhere is no mistake that
    people hand in, but a change that broke the code."""
    replies = [case.reply for case in imitate(challenge, mistake, seed)]
    answers = any(isinstance(reply, Returned) for reply in replies)
    got, said = ("answers", "") if answers else ("answers nothing", str(replies[0]))
    return Proof(challenge.name, f"spoiled: {mistake.name}", seed, "answers", got, said, 0.0)


def prove_text(challenge: Challenge, what: str, text: str, least: int = 6) -> Proof:
    """Words that a learner is shown: more than `least` letters of them."""
    said = "says something" if len(text.strip()) > least else "empty"
    return Proof(challenge.name, what, 0, "says something", said, text, 0.0)


# ---- mutants -------------------------------------------------------------------------------------


def prove_mutants(
    challenge: Challenge,
    source: str,
    seeds: Sequence[int],
    judge: Judge,
) -> Iterator[Proof]:
    """Every mutant is found wrong for one of the seeds, or is registered and survives them all."""
    found, reasons = mutants(source, challenge.name), challenge.equivalents
    for mutant in found:
        yield prove_mutant(challenge, mutant, reasons.get(mutant.id), seeds, judge)
    for name in sorted(set(reasons) - {mutant.id for mutant in found}):
        text = "challenge.equivalent names a mutant that is not made: take it out, or correct it."
        answer = f"mutant: {name}"
        yield Proof(challenge.name, answer, 0, "survives", "no such mutant", text, 0.0)


def prove_mutant(
    challenge: Challenge, mutant: Mutant, reason: str | None, seeds: Sequence[int], judge: Judge
) -> Proof:
    """One mutant through the check, seed by seed until it is found wrong."""
    answer = Answer(f"mutant: {mutant.id}", mutant.function, "", mutant.source)
    seconds = 0.0
    for seed in seeds:
        verdict = judge(challenge, answer, seed)
        seconds += verdict.seconds
        if verdict.outcome is not Outcome.PASS:
            break
    got = fate(verdict, reason)
    message = explanation(got, verdict, reason)
    expected = "killed" if reason is None else "survives"
    return Proof(challenge.name, answer.name, seed, expected, got, message, seconds)


def fate(verdict: Verdict, reason: str | None) -> str:
    """What became of a mutant; one that may survive needs words that say why."""
    if summary(verdict) == "broken check":
        return "broken check"
    if verdict.outcome is not Outcome.PASS:
        return "killed"
    return "survives" if reason is None or len(reason.strip()) > 20 else "survives without a reason"


def explanation(got: str, verdict: Verdict, reason: str | None) -> str:
    """Why a mutant survives, how it was found wrong, or what there is to do."""
    if got == "killed" and reason is not None:
        return (
            "challenge.equivalent names it, but the check tells it from the reference: "
            f"{verdict.message}"
        )
    if got == "survives" and reason is None:
        return (
            "The check takes it for right. Add a case that tells it from the reference; if there "
            "can be none, say challenge.equivalent(ID, because=…) in the challenge's file."
        )
    return reason if got == "survives" and reason else verdict.message


def score(proofs: Iterable[Proof]) -> tuple[int, int, int]:
    """How many mutants were killed, how many there are, and how many of these are equivalent."""
    found = [proof for proof in proofs if proof.answer.startswith("mutant: ")]
    equivalent = [proof for proof in found if proof.expected == "survives" and proof.holds]
    killed = [proof for proof in found if proof.got == "killed"]
    return len(killed), len(found), len(equivalent)
