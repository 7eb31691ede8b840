"""Lesson 09's records as figures; one that is missing is told of."""

from __future__ import annotations

import pytest

from labkit import experiments
from labkit.experiments import Record, lora, running
from labkit.experiments import lora_figures as figures
from labkit.instruments import plots


def rows_of(name: str) -> Record:
    experiment = experiments.find(name)
    some = {figure: 0.5 for figure in experiment.figures}
    return Record(tuple({**point, **some, "seconds": 1} for point in experiment.points))


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("lora-plane", figures.plane),
        ("lora-tickets", figures.tickets),
        ("lora-variants", figures.variants),
    ],
)
def test_a_record_is_drawn_and_a_missing_one_is_reported(name, draw, monkeypatch) -> None:
    monkeypatch.setattr(running, "load", rows_of)
    drawn = draw(alt="What it shows.")
    assert isinstance(drawn, plots.Figure) and drawn.alt == "What it shows."
    assert len({len(column) for column in drawn.table.values()}) == 1

    def missing(name):
        raise LookupError(f"There is no record of {name!r} yet.")

    monkeypatch.setattr(running, "load", missing)
    assert f"no record of '{name}'" in repr(draw(alt="What it shows."))


def test_a_path_goes_by_steps_and_is_the_mean_over_seeds() -> None:
    rows = tuple(
        {"rank": rank, "learning_rate": 1e-3, "steps": steps, "seed": seed,
         "new_facts": new_facts, "facts": 0.9}
        for rank, steps, seed, new_facts in (
            (2, 300, 0, 0.4), (2, 300, 1, 0.6), (2, 150, 0, 0.2), (0, 50, 0, 0.1)
        )
    )  # fmt: skip
    found = figures.paths(Record(rows))
    assert list(found) == ["rank 2", "full, 0.001"]
    assert list(found["rank 2"]) == [150, 300]
    assert found["rank 2"][300] == pytest.approx((0.5, 0.9))


def test_what_is_kept_between_two_points() -> None:
    path = [(0.8, 0.7), (0.4, 0.9)]
    assert figures.kept_at(path, 0.0) == 1.0
    assert figures.kept_at(path, 0.2) == pytest.approx(0.95)
    assert figures.kept_at(path, 0.6) == pytest.approx(0.8)
    assert figures.kept_at(path, 0.8) == pytest.approx(0.7)
    with pytest.raises(ValueError, match="ends at 80% learned, before 90%"):
        figures.kept_at(path, 0.9)


def test_variants_are_adapters_and_those_in_other_places_have_as_many_weights() -> None:
    shapes = {**dict.fromkeys(lora.ATTENTION, 512), **dict.fromkeys(lora.MLP, 1024)}  # in + out
    per_rank = {"all-linear": sum(shapes.values())}

    def weights(name: str) -> int:
        changed = lora.VARIANTS[name]
        targets = changed.get("target_modules", "all-linear")
        each = per_rank.get(targets) if isinstance(targets, str) else sum(map(shapes.get, targets))
        return 4 * each * changed["r"]

    elsewhere = ("rank 6, alpha 12", "attention, rank 15", "MLP, rank 10", "q and v, rank 30")
    assert {weights(name) for name in elsewhere} == {122_880}
    assert all(lora.config(**changed).peft_type == "LORA" for changed in lora.VARIANTS.values())
    assert lora.adapter(0) is None and lora.adapter(4).lora_alpha == 8
