"""Prove that every challenge accepts right answers and names wrong ones.

For each challenge: the untouched stub is not attempted, the reference and the alternatives pass
over several seeds, each known mistake fails with its own message and no other's, no cheat passes,
and every mutant of the reference is found wrong, or is listed as equivalent with the reason.

labkit verify                      all lessons; proofs that held before and depend on nothing that
                                   has changed since are not run again
labkit verify --no-cache           everything is run
labkit verify --transport remote   the answers run where `labkit grade` runs submissions
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING

from labkit.cli.screen import Screen

if TYPE_CHECKING:
    from labkit.grading.proofs.verify import Judge, Proof


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked of `labkit verify`."""
    parser.add_argument("--lesson", help="only this lesson: 05_temperature, temperature or 5")
    parser.add_argument("--seeds", type=int, default=5, help="draw this many sets of cases (5)")
    parser.add_argument(
        "--transport",
        choices=("local", "remote"),
        default="local",
        help="run the answers in this process, or as submissions are run (local)",
    )
    parser.add_argument("--no-cache", action="store_true", help="run what held before, too")
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
    jobs = [(lesson, name) for lesson in lessons for name in names_of(lesson)]
    keys = [key_for(*job, args) for job in jobs]  # now, of the code that is loaded now
    proofs = []
    with judge_for(args.transport) as judge:
        for (lesson, name), key in zip(jobs, keys, strict=True):
            found, cached = proofs_of(lesson, name, key, args, judge)
            proofs += [(lesson, proof) for proof in found]
            if not args.json:
                print(row(lesson, name, found) + ("  (cached)" if cached else ""), flush=True)
        where = getattr(judge, "level", "")
    failed = [(lesson, proof) for lesson, proof in proofs if not proof.holds]
    print(as_json(proofs) if args.json else closing(len(proofs), failed, where))
    return 1 if failed or not proofs else 0


def lessons_to_verify(asked: str | None) -> list[str]:
    """The ids of the lessons that have challenges, or the one that was asked for (LookupError)."""
    from labkit.grading.source.solutions import lesson_ids, lesson_of

    return lesson_ids() if asked is None else [lesson_of(asked)]


def names_of(lesson: str) -> list[str]:
    """The challenges of a lesson, in order."""
    from labkit.grading.source.solutions import names

    return list(names(lesson))


def judge_for(transport: str) -> AbstractContextManager[Judge]:
    """Where the answers are run."""
    if transport == "remote":
        from labkit.grading.proofs.remote_judge import remote_judge

        return remote_judge()
    from labkit.grading.proofs.verify import judge_here

    return nullcontext(judge_here)


def key_for(lesson: str, name: str, args: argparse.Namespace) -> str:
    """The hash of all that the proofs of a challenge depend on; "" where none are kept."""
    from labkit.challenges import module_of
    from labkit.grading.proofs.proof_cache import default_folder, file_of, key_of
    from labkit.grading.source.solutions import source

    module = file_of(module_of(lesson, name))
    if args.no_cache or default_folder() is None or module is None:
        return ""
    return key_of(module, source(lesson, name), f"{args.seeds} seeds", args.transport)


def proofs_of(
    lesson: str, name: str, key: str, args: argparse.Namespace, judge: Judge
) -> tuple[list[Proof], bool]:
    """The proofs of one challenge, and whether they were kept from an earlier run."""
    from labkit.grading.proofs import proof_cache

    folder = proof_cache.default_folder()
    file = folder / f"{lesson}.{name}.{args.transport}.json" if folder and key else None
    kept = proof_cache.load(file, key) if file else None
    if kept is not None:
        return kept, True
    proofs = list(with_progress(lesson, name, args.seeds, judge))
    if file:
        proof_cache.save(file, key, proofs)
    return proofs, False


def with_progress(lesson: str, name: str, seeds: int, judge: Judge) -> Iterator[Proof]:
    """The proofs of one challenge, with a line on the screen that says how far they are."""
    from labkit.challenges import find_challenge
    from labkit.grading.proofs.verify import verify
    from labkit.grading.source.solutions import reference, source

    proofs = verify(
        find_challenge(lesson, name),
        reference(lesson, name),
        range(seeds),
        source=source(lesson, name),
        judge=judge,
    )
    screen = Screen()
    for number, proof in enumerate(proofs, 1):
        screen.status(f"{name}: {number} {proof.answer}")
        yield proof
    screen.clear()


def row(lesson: str, name: str, proofs: list[Proof]) -> str:
    """One line for a challenge: how many answers of each kind got what they deserve."""
    kinds = {
        "right": ("reference", "alternative"),
        "mistakes": ("mistake",),
        "stubs": ("stub",),
        "cheats": ("cheat",),
    }
    counts = [f"{kind} {held(proofs, starts)}" for kind, starts in kinds.items()]
    columns = "  ".join(f"{part:<14}" for part in [*counts, mutation_score(proofs)])
    seconds = median(proof.seconds for proof in proofs)
    state = "ok" if all(proof.holds for proof in proofs) else "FAILED"
    return f"{lesson:<22}{name:<22}{columns}  median check {seconds:.2f} s  {state}"


def held(proofs: list[Proof], starts: tuple[str, ...]) -> str:
    """14/14: of the answers of a kind, those whose proofs hold for every seed."""
    some = [proof for proof in proofs if proof.answer.startswith(starts)]
    answers = {proof.answer for proof in some}
    wrong = {proof.answer for proof in some if not proof.holds}
    return f"{len(answers) - len(wrong)}/{len(answers)}"


def mutation_score(proofs: list[Proof]) -> str:
    """The mutants found wrong, of all; and those that are right."""
    from labkit.grading.proofs.verify import score

    killed, made, equivalent = score(proofs)
    return f"mutants {killed}/{made} killed, {equivalent} equivalent"


def closing(count: int, failed: list[tuple[str, Proof]], where: str) -> str:
    """The last lines: what does not hold, the count, and what held the answers if not we."""
    lines = [
        f"  {proof.challenge}, {proof.answer}, seed {proof.seed}: expected {proof.expected!r}, "
        f"got {proof.got!r}: {proof.message}"
        for _, proof in failed
    ]
    isolation = f" Answers ran in {where}." if where else ""
    return "\n".join([*lines, f"{count - len(failed)} of {count} proofs hold.{isolation}"])


def as_json(proofs: list[tuple[str, Proof]]) -> str:
    """Every proof, for machines."""
    rows = [{"lesson": lesson, **asdict(proof), "holds": proof.holds} for lesson, proof in proofs]
    return json.dumps(rows, indent=1)
