"""The recorded runs of lesson 14 as figures, with Student's 95 % intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.estimates import Estimate, mean_of_few
from labkit.experiments import running
from labkit.instruments.plots import COLOURS, MARKERS, Figure, drawn

NAME = "distillation"
FEW = 40  # texts, where temperatures and teachers are compared
Curves = Mapping[str, Mapping[float, Estimate]]


def by_examples() -> dict[str, dict[float, Estimate]]:
    """Held-out loss (nats a token) by who teaches, and by how many texts there are."""
    counts = sorted({int(n) for n in running.load(NAME).column("examples")})
    return {
        label: {n: _loss(taught_by=who, examples=n, temperature=1.0) for n in counts}
        for label, who in (("data", "data"), ("teacher", "base"))
    }


def by_way() -> dict[str, Estimate]:
    """The same for `FEW` texts: the data, `base` at each temperature, and other teachers."""
    record = running.load(NAME)
    ways = dict.fromkeys(
        (row["taught_by"], row["temperature"]) for row in record.where(examples=FEW)
    )
    return {
        _label(str(who), float(t)): _loss(taught_by=who, examples=FEW, temperature=t)
        for who, t in ways
    }


def _label(who: str, temperature: float) -> str:
    if who == "data":
        return who
    return who if temperature == 1 else f"{who}, T = {temperature:g}"


def _loss(**wanted: int | float | str) -> Estimate:
    """The mean over seeds with Student's 95 % interval."""
    values = [float(value) for value in running.load(NAME).column("loss", **wanted)]
    return mean_of_few("held-out loss", values, "nats a token")


def over_examples(alt: str) -> Figure:
    """Held-out loss against the number of texts."""
    drawing, axes = drawn()
    curves = by_examples()
    for (name, points), colour, marker in zip(curves.items(), COLOURS, MARKERS, strict=False):
        low, high = zip(*(found.interval for found in points.values()), strict=True)
        axes.fill_between(list(points), low, high, color=colour, alpha=0.15, lw=0)
        shown = [found.value for found in points.values()]
        axes.plot(list(points), shown, color=colour, marker=marker, ms=5, label=f"by the {name}")
    counts = list(next(iter(curves.values())))
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.minorticks_off()
    axes.set(xlabel="texts to learn from", ylabel="held-out loss (nats a token)")
    axes.legend(frameon=False)
    rows = [(name, n, found) for name, some in curves.items() for n, found in some.items()]
    return Figure.of(drawing, alt, _table(rows))


def over_ways(alt: str) -> Figure:
    """Held-out loss after `FEW` texts, for each way of teaching."""
    drawing, axes = drawn()
    ways = by_way()
    losses = [found.value for found in ways.values()]
    reach = [found.high - found.value for found in ways.values()]
    axes.bar(range(len(ways)), losses, 0.7, yerr=reach, capsize=3, color=COLOURS[0])
    axes.set_xticks(range(len(ways)), list(ways))
    axes.set(ylabel=f"held-out loss, {FEW} texts (nats a token)", ylim=(0, None))
    return Figure.of(drawing, alt, _table([(name, FEW, found) for name, found in ways.items()]))


def _table(rows: list[tuple[str, float, Estimate]]) -> dict[str, list[object]]:
    return {
        "taught by": [name for name, _, _ in rows],
        "texts": [n for _, n, _ in rows],
        "loss": [f"{found.value:.3f}" for *_, found in rows],
        "95 % interval": ["{:.3f} - {:.3f}".format(*found.interval) for *_, found in rows],
        "seeds": [found.n for *_, found in rows],
    }
