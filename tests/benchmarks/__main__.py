"""Run the measurements: `python -m tests.benchmarks [NAME...] [--json]`; no name means all."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from labkit.paths import nearest
from tests.benchmarks.figures import Figure, as_json, table

HERE = Path(__file__).parent
PEERS = "grading_peers"  # a part of grading, by its own option
NAMES = tuple(
    file.stem
    for file in sorted(HERE.glob("*.py"))
    if "\ndef measure(" in file.read_text("utf-8") and file.stem != PEERS
)


def main() -> int:
    """Measure one after another; a measurement that fails is said and the others go on."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--peers", action="store_true", help="grading: measure others' graders too")
    args = parser.parse_args()
    for name in set(args.names) - set(NAMES):
        parser.error(f"there is no measurement {name!r}: {nearest(name, NAMES)}")
    figures: list[Figure] = []
    failed = False
    for name in args.names or NAMES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            measure = import_module(f"tests.benchmarks.{name}").measure
            figures += measure(peers=True) if args.peers and name == "grading" else measure()
        except SystemExit as error:
            failed = True
            print(error, file=sys.stderr)
    print(as_json(figures) if args.json else table(figures))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
