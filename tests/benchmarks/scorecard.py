"""The whole scorecard of the bundled models: every row, its controls, and what measuring it takes.

A row's own interval and controls are printed as it is measured, on stderr; the figures follow.
"""

from __future__ import annotations

import sys
import time

from labkit.models import scoring
from labkit.models.scoring import FULL, MEASURES, Effort, as_text
from tests.benchmarks.figures import Figure, show


def measure(effort: Effort = FULL) -> list[Figure]:
    """All rows, one measure after the other; what a bundled model is missing for is said."""
    figures: list[Figure] = []
    for name, how in MEASURES.items():
        if missing := how.missing():
            print(f"{name}: needs {', '.join(missing)}, not bundled", file=sys.stderr)
            continue
        begun = time.perf_counter()
        rows = scoring.measure(how.of, name, effort)
        seconds = time.perf_counter() - begun
        print(as_text(rows), file=sys.stderr, flush=True)
        figures += [
            Figure(
                f"{row.phenomenon} (wanted {row.wanted}, {'' if row.reached else 'NOT '}reached)",
                round(row.measured.value, 4),
                row.measured.unit,
            )
            for row in rows
        ]
        figures.append(Figure(f"measuring {name}", round(seconds, 1), "s"))
    return figures


if __name__ == "__main__":
    show(measure)
