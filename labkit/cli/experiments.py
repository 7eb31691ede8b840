"""Recorded runs: what the lessons draw and can't measure within their minute.

labkit experiments list            what there is, and how long each takes
labkit experiments run NAME        all points anew, or what an earlier call left open
labkit experiments check [NAME]    one cheap point of each again, beside what is recorded
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked of `labkit experiments`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="name, minutes and what each measures")
    run = actions.add_parser("run", help="measure all points, or go on with them")
    run.add_argument("name", help="as `labkit experiments list` has it")
    run.add_argument("--out", type=Path, help="folder (default: experiments/ in your work folder)")
    run.add_argument("--publish", action="store_true", help="put the record into the course")
    check = actions.add_parser("check", help="measure a cheap point again")
    check.add_argument("name", nargs="?", help="one experiment (default: all)")


def main(args: argparse.Namespace) -> int:
    from labkit.experiments.record import RecordError
    from labkit.models.zoo import ModelUnavailable

    try:
        return {"list": _list, "run": _run, "check": _check}[args.action](args)
    except (LookupError, ModelUnavailable, RecordError, OSError) as error:
        print(error.args[0] if len(error.args) == 1 else error, file=sys.stderr)
        return 2


def _list(args: argparse.Namespace) -> int:
    from labkit.experiments import EXPERIMENTS

    for name, found in EXPERIMENTS.items():
        print(f"{name:<18} {len(found.points):3} points, {found.minutes:3.0f} min  {found.summary}")
    return 0


def _run(args: argparse.Namespace) -> int:
    from labkit.experiments import record, run, running

    found = run(args.name, args.out)
    if args.publish:
        record.write(running.RECORDS, args.name, found)
    for row in found.rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    return 0


def _check(args: argparse.Namespace) -> int:
    from labkit.experiments import EXPERIMENTS, repeat

    good = True
    for name in [args.name] if args.name else EXPERIMENTS:
        if not (args.name or EXPERIMENTS[name].can_run):
            print(f"{name}: not checked, {EXPERIMENTS[name].model} is not on this machine")
            continue
        found = repeat(name)
        good &= found.holds
        verdict = "as recorded" if found.holds else "NOT as recorded"
        print(f"{name}: {verdict} ({found.now['seconds']} s)")
        for figure in EXPERIMENTS[name].figures if args.name else found.off:
            print(f"  {figure}: {found.now[figure]} now, {found.recorded[figure]} recorded")
    return 0 if good else 1
