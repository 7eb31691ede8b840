"""Prove that every challenge accepts right answers and names wrong ones.

For each challenge: the untouched stub is not attempted, the reference and the alternatives pass
over several seeds, and each known mistake fails with its own message and no other's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.grading.verify import Proof


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked of `labkit verify`."""
    parser.add_argument("--lesson", help="only this lesson, such as 05_temperature or 05")
    parser.add_argument("--seeds", type=int, default=5, help="draw this many sets of cases (5)")
    parser.add_argument("--json", action="store_true", help="print every proof as JSON")


def main(args: argparse.Namespace) -> int:
    """Run the proofs, show them as they come, and exit with 1 if any does not hold."""
    if args.seeds < 1:
        print(f"--seeds must be 1 or more, got {args.seeds}", file=sys.stderr)
        return 2
    try:
        lessons = lessons_to_verify(args.lesson)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    proofs = []
    for lesson in lessons:
        for name in names_of(lesson):
            found = list(with_progress(lesson, name, args.seeds))
            proofs += [(lesson, proof) for proof in found]
            if not args.json:
                print(row(lesson, name, found))
    failed = [(lesson, proof) for lesson, proof in proofs if not proof.holds]
    print(as_json(proofs) if args.json else closing(len(proofs), failed))
    return 1 if failed or not proofs else 0


def lessons_to_verify(asked: str | None) -> list[str]:
    """The ids of the lessons that have challenges; or the one that was asked for."""
    from labkit.paths import nearest, solutions_dir

    lessons = sorted(path.stem for path in solutions_dir().glob("[0-9][0-9]_*.py"))
    if asked is None:
        return lessons
    named = [lesson for lesson in lessons if asked in (lesson, *lesson.split("_", 1))]
    if not named:
        raise LookupError(f"No lesson {asked!r} has challenges: {nearest(asked, lessons)}")
    return named


def names_of(lesson: str) -> list[str]:
    """The challenges of a lesson, in order."""
    from labkit.challenges import challenges_of

    return list(challenges_of(lesson))


def with_progress(lesson: str, name: str, seeds: int) -> Iterator[Proof]:
    """The proofs of one challenge, with a line on the terminal that says how far they are."""
    from labkit.challenges import find_challenge
    from labkit.course.solutions import reference
    from labkit.grading.verify import verify

    challenge = find_challenge(lesson, name)
    for number, proof in enumerate(verify(challenge, reference(lesson, name), range(seeds)), 1):
        if sys.stderr.isatty():
            print(f"\r\033[K{name}: {number} {proof.answer}", end="", file=sys.stderr, flush=True)
        yield proof
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def row(lesson: str, name: str, proofs: list[Proof]) -> str:
    """One line for a challenge: how many right answers pass and mistakes are named."""
    kinds = {"right": ("reference", "alternative"), "mistakes": ("mistake",), "stubs": ("stub",)}
    parts = []
    for kind, starts in kinds.items():
        some = [proof for proof in proofs if proof.answer.startswith(starts)]
        answers = {proof.answer for proof in some}
        wrong = {proof.answer for proof in some if not proof.holds}
        parts.append(f"{kind} {len(answers) - len(wrong)}/{len(answers)}")
    seconds = median(proof.seconds for proof in proofs)
    state = "ok" if all(proof.holds for proof in proofs) else "FAILED"
    counts = "  ".join(f"{part:<15}" for part in parts)
    return f"{lesson:<18}{name:<20}{counts}  median check {seconds:.2f} s  {state}"


def closing(count: int, failed: list[tuple[str, Proof]]) -> str:
    """The last lines: what does not hold, and the count."""
    lines = [
        f"  {proof.challenge}, {proof.answer}, seed {proof.seed}: expected {proof.expected!r}, "
        f"got {proof.got!r}: {proof.message}"
        for _, proof in failed
    ]
    return "\n".join([*lines, f"{count - len(failed)} of {count} proofs hold."])


def as_json(proofs: list[tuple[str, Proof]]) -> str:
    """Every proof, for machines."""
    rows = [{"lesson": lesson, **asdict(proof), "holds": proof.holds} for lesson, proof in proofs]
    return json.dumps(rows, indent=1)
