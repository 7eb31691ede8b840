"""How a real model reads, from its records: rivals, a text against memory, formats of a table."""

from __future__ import annotations

from labkit.estimates import Estimate, known
from labkit.experiments import running
from labkit.experiments.fine_tuning_figures import Drawn, drawn_from
from labkit.experiments.real.formats import SETS as TABLE_SETS
from labkit.experiments.real.reading import SETS, STACKS
from labkit.experiments.real.recorded import figure_in, row_of
from labkit.instruments import plots
from labkit.instruments.formats import FORMATS


def rivals(alt: str) -> Drawn:
    """Right answers by the number of passages, beside answers that name any value of the text, and
    beside what a value picked from it would give."""
    return drawn_from("real-rivals", lambda record: plots.shares(
        {
            "right": {n: right_at(n) for n in STACKS},
            "any value of the text": {n: recorded(n, "any_value") for n in STACKS},
            "picked at random": {n: recorded(n, "guess") for n in STACKS},
        },
        x_label="passages",
        y_label="share of answers",
        alt=alt,
    ))  # fmt: skip


def right_at(passages: int) -> Estimate:
    """Right answers, with the interval over sets of solved questions."""
    return figure_in(row_of("real-rivals", passages=passages), "right", SETS)


def recorded(passages: int, column: str) -> Estimate:
    """Another column of the record, without an interval."""
    return known(column, running.load("real-rivals").mean(column, passages=passages))


def wordings(alt: str) -> Drawn:
    """How often the text is followed, and how often memory, by the wording of the text."""
    return drawn_from("real-memory", lambda record: plots.bars(
        {
            str(row["wording"]): {
                "says what the text says": figure_in(row, "text", int(row["n"])),
                "says what it knew": figure_in(row, "known", int(row["n"])),
            }
            for row in record.rows
        },
        y_label="share of the capitals that it knew",
        alt=alt,
        width=9.0,
    ))  # fmt: skip


def follows(wording: str) -> Estimate:
    """How often it says what a text of this wording says."""
    row = row_of("real-memory", wording=wording)
    return figure_in(row, "text", int(row["n"]))


def formats(alt: str) -> Drawn:
    """Cells found in a table in each format, beside a guess among its rows."""
    return drawn_from("real-formats", lambda record: plots.bars(
        {
            name: {"found": found_in(name), "a guess": known("a guess", record.mean("guess"))}
            for name in FORMATS
        },
        y_label="share of cells",
        alt=alt,
        width=9.0,
    ))  # fmt: skip


def found_in(format: str) -> Estimate:
    """The share of cells found, with the interval over sets."""
    return figure_in(row_of("real-formats", format=format), "right", TABLE_SETS)


def tokens_of(format: str) -> float:
    """The tokens that a table of four rows takes."""
    return running.load("real-formats").mean("tokens", format=format)


def table_guess() -> float:
    """What picking a row of the right column would give."""
    return running.load("real-formats").mean("guess")


def cache_bytes(tokens: int) -> float:
    """The counted bytes of the KV cache of so many tokens, in float32."""
    return running.load("real-cache").mean("bytes", tokens=tokens)
