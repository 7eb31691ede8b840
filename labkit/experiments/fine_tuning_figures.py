"""The recorded runs of lesson 08 as figures. A record that is not there yet says how to make it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labkit.estimates import mean_of_few
from labkit.experiments import running
from labkit.experiments.record import Record
from labkit.instruments import plots


@dataclass(frozen=True)
class NotRecorded:
    """Stands for the figure of a record that is not there, and says how to make it."""

    why: str

    def __repr__(self) -> str:
        return self.why


Drawn = plots.Figure | NotRecorded


def over_examples(alt: str) -> Drawn:
    """Test tickets right, and valid, against how many examples there were to learn from."""
    return drawn_from("ticket-examples", lambda record: plots.shares(
        {
            label: {
                n: mean_of_few(label, _floats(record.column(column, examples=n)))
                for n in _distinct(record, "examples")
            }
            for label, column in (("valid JSON", "valid"), ("all fields right", "exact"))
        },
        x_label="examples to learn from (400 steps each)",
        y_label="share of test tickets",
        alt=alt,
    ))  # fmt: skip


def over_rates(alt: str) -> Drawn:
    """The losses of training and of validation after 400 steps against the learning rate."""

    def figure(record: Record) -> plots.Figure:
        rates = _distinct(record, "learning_rate")
        names = {"training": "training_loss", "validation": "validation_loss"}
        return plots.lines(
            rates,
            {
                label: [record.mean(column, learning_rate=rate, steps=400) for rate in rates]
                for label, column in names.items()
            },
            x_label="learning rate (400 steps)",
            y_label="loss (nats a token)",
            log=True,
            alt=alt,
        )

    return drawn_from("ticket-rates", figure)


def rates_and_steps(alt: str) -> Drawn:
    """Test tickets right against the steps, one curve for each learning rate."""

    def figure(record: Record) -> plots.Figure:
        steps = _distinct(record, "steps")
        rates = _distinct(record, "learning_rate")
        return plots.lines(
            steps,
            {
                f"{rate:g}": [record.mean("exact", learning_rate=rate, steps=n) for n in steps]
                for rate in rates
            },
            x_label="steps of 8 tickets",
            y_label="share of test tickets right",
            alt=alt,
        )

    return drawn_from("ticket-rates", figure)


def labels_compared(alt: str) -> Drawn:
    """Test tickets right when the answers are learned, and when the tickets are learned too."""
    return drawn_from("ticket-labels", lambda record: plots.bars(
        {
            f"{steps:g} steps": {
                on: mean_of_few(on, _floats(record.column("exact", steps=steps, on=on)))
                for on in ("answers", "everything")
            }
            for steps in _distinct(record, "steps")
        },
        y_label="share of test tickets right",
        alt=alt,
    ))  # fmt: skip


def remedies(alt: str) -> Drawn:
    """New facts learned and facts kept, for each remedy."""
    return drawn_from("new-facts-remedies", lambda record: plots.bars(
        {
            str(method): {
                label: mean_of_few(label, _floats(record.column(column, method=method)))
                for label, column in (("new facts learned", "new_facts"), ("facts kept", "facts"))
            }
            for method in dict.fromkeys(record.column("method"))
        },
        y_label="share right",
        alt=alt,
    ))  # fmt: skip


def recorded_remedies() -> dict[str, tuple[float, float]]:
    """New facts learned and facts kept by each remedy, means over the recorded seeds."""
    record = running.load("new-facts-remedies")
    return {
        str(method): (record.mean("new_facts", method=method), record.mean("facts", method=method))
        for method in dict.fromkeys(record.column("method"))
    }


def recorded_labels(on: str, steps: int) -> float:
    """Test tickets right after so many steps with the loss on "answers" or "everything"."""
    return running.load("ticket-labels").mean("exact", on=on, steps=steps)


def recorded_examples(examples: int) -> tuple[float, float]:
    """Shares of test tickets with valid JSON and with all fields right, after so many examples."""
    record = running.load("ticket-examples")
    return record.mean("valid", examples=examples), record.mean("exact", examples=examples)


def recorded_rates() -> list[float]:
    """The learning rates of the record, from low to high."""
    return _distinct(running.load("ticket-rates"), "learning_rate")


def recorded_rate(learning_rate: float, steps: int) -> dict[str, float]:
    """After so many steps at a rate: both losses (nats a token), and the shares of test tickets
    right ("exact") and of old facts kept ("facts")."""
    record, columns = running.load("ticket-rates"), ("training_loss", "validation_loss", "exact")
    return {
        column: record.mean(column, learning_rate=learning_rate, steps=steps)
        for column in (*columns, "facts")
    }


def _floats(values: Sequence[object]) -> list[float]:
    return [float(value) for value in values]  # type: ignore[arg-type]


def _distinct(record: Record, column: str) -> list[float]:
    """The numbers of a column, each once, from low to high."""
    return sorted(set(_floats(record.column(column))))


def drawn_from(name: str, figure: Callable[[Record], plots.Figure]) -> Drawn:
    """The figure of a record, or where there is none the words that say how to make it."""
    try:
        return figure(running.load(name))
    except LookupError as missing:
        return NotRecorded(str(missing))
