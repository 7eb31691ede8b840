"""Recorded runs: measured point by point, resumed, read back, repeated; and what shipped."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import experiments
from labkit.cli import main
from labkit.experiments import EXPERIMENTS, Experiment, Record, record, registry, running
from labkit.experiments.experiment import grid
from labkit.experiments.record import RecordError, Row

CALLS: list[float] = []


def square(x: float, seed: int) -> dict[str, float]:
    CALLS.append(x)
    if x == 3 and len(CALLS) == 3:
        raise KeyboardInterrupt
    return {"square": x * x + 0.001 * seed}


@pytest.fixture
def squares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Experiment:
    CALLS.clear()
    points = grid(x=(1, 2, 3), seed=(0,))
    made = Experiment("squares", "x by x", points, square, 0.1, points[0], {"square": 0.01})
    monkeypatch.setitem(registry.EXPERIMENTS, "squares", made)
    monkeypatch.setattr(running, "RECORDS", tmp_path / "records")
    return made


def test_a_run_that_is_stopped_goes_on_where_it_was(squares: Experiment, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        experiments.run("squares", tmp_path, progress=False)
    with (tmp_path / "squares.csv").open("a") as file:
        file.write("3,0,9.")  # a line that was cut off
    found = experiments.run("squares", tmp_path, progress=False)
    assert CALLS == [1, 2, 3, 3]
    assert found.column("square") == [1.0, 4.0, 9.0]
    assert found.provenance["experiment"] == "squares" and found.provenance["versions"]["torch"]
    spent: list[Row] = [{"seconds": 1.5}, {"seconds": 2.0}]
    assert running.provenance(squares, spent)["seconds"] == 3.5
    again = experiments.run("squares", tmp_path, progress=False)
    assert len(CALLS) == 4 and again.rows == found.rows
    assert {file.name for file in tmp_path.iterdir()} == {"squares.csv", "squares.json"}


def test_a_point_measured_again_is_held_to_the_record(squares: Experiment) -> None:
    with pytest.raises(LookupError, match="labkit experiments run squares"):
        experiments.load("squares")
    CALLS.extend([0, 0, 0])
    found = experiments.run("squares", running.RECORDS, progress=False)
    assert experiments.load("squares") == found
    assert experiments.repeat("squares").holds
    spoiled = Record(({**found.rows[0], "square": 1.02}, *found.rows[1:]), found.provenance)
    record.write(running.RECORDS, "squares", spoiled)
    repeated = experiments.repeat("squares")
    assert not repeated.holds and math.isclose(repeated.off["square"], 0.02)
    assert main(["experiments", "check", "squares"]) == 1


def test_a_cheap_point_beside_the_grid_is_recorded_too(
    squares: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheaper = dataclasses.replace(squares, cheap={"x": 0.5, "seed": 0})
    monkeypatch.setitem(registry.EXPERIMENTS, "squares", cheaper)
    CALLS.extend([0, 0, 0])
    found = experiments.run("squares", running.RECORDS, progress=False)
    assert found.column("x") == [1, 2, 3]
    assert found.provenance["cheap point"]["square"] == 0.25
    assert experiments.repeat("squares").holds
    record.write(running.RECORDS, "squares", Record(found.rows, {}))
    with pytest.raises(RecordError, match="record of 'squares' lacks"):
        experiments.repeat("squares")


def test_a_record_of_another_version_is_not_gone_on_with(
    squares: Experiment, tmp_path: Path
) -> None:
    (tmp_path / "squares.csv").write_text("x,cube,seconds\n1,1,0.1\n")
    with pytest.raises(RecordError, match="measures x, seed, square, seconds"):
        experiments.run("squares", tmp_path, progress=False)


def test_anything_but_a_record_is_refused(squares: Experiment, tmp_path: Path) -> None:
    (tmp_path / "squares.csv").write_text("")
    with pytest.raises(RecordError, match="no line of column names"):
        record.read(tmp_path, "squares")
    (tmp_path / "squares.csv").write_text("x,seed,square,seconds\n1,0,1.0,0.1\n")
    (tmp_path / "squares.json").write_text("{")
    with pytest.raises(RecordError, match="no JSON"):
        record.read(tmp_path, "squares")


def test_unknown_names_are_answered_with_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiments", "run", "ticket-exmples"]) == 2
    assert "did you mean ticket-examples?" in capsys.readouterr().err
    with pytest.raises(LookupError, match="did you mean exact"):
        Record(({"exact": 1.0, "seed": 0},)).column("exat")
    with pytest.raises(TypeError, match="missing a required argument: 'seed'"):
        Experiment("x", "", grid(x=(1,), seed=(0,)), square, 1, {"x": 2}, {"square": 0})


cells = st.one_of(st.integers(-9, 9), st.floats(-9, 9), st.sampled_from(["LoRA", "a,b", 'q"q']))


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_what_is_written_is_read(
    rows: list[tuple[float | str, float | str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("record")
    given = Record(tuple({"a": a, "b": b} for a, b in rows), {"seconds": 1})
    record.write(folder, "x", given)
    assert record.read(folder, "x") == given


SHIPPED = sorted(path.stem for path in running.RECORDS.glob("*.csv"))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_record_that_ships_is_whole(name: str) -> None:
    found, experiment = experiments.load(name), EXPERIMENTS[name]
    points = [{key: row[key] for key in experiment.points[0]} for row in found.rows]
    assert points == [dict(point) for point in experiment.points]
    assert found.provenance["machine"] and found.provenance["seconds"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_a_cheap_point_of_each_record_comes_again(name: str) -> None:
    if not EXPERIMENTS[name].can_run:
        pytest.skip(f"{EXPERIMENTS[name].model} is not on this machine")
    repeated = experiments.repeat(name)
    assert repeated.holds, repeated
