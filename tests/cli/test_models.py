"""`labkit models`: list, check, score, train, and what it says of names it does not know."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from labkit.cli import main
from labkit.estimates import Estimate
from labkit.models import scoring, zoo


def test_the_list_says_what_each_model_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert "base" in (said := capsys.readouterr().out) and "M parameters" in said


def test_check_finds_the_files_as_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "check"]) == 0
    assert "base: every file is as it was shipped" in capsys.readouterr().out


def test_check_names_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    zoo.write_checksums(tmp_path / "base")
    (tmp_path / "base" / "config.json").write_text("{ }")
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    assert main(["models", "check"]) == 2
    assert "config.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["train", "bass"], ["score", "bass"]])
def test_an_unknown_name_gives_the_nearest(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *words]) == 2
    assert "did you mean base?" in capsys.readouterr().err


def test_scores_as_json_have_count_interval_and_control(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "score", "base", "--only", "facts", "--quick", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["measure"] == "facts" and row["model"] == "base" and row["wanted"] == "≥ 98 %"
    for figure in (row, *row["control"]):
        assert figure["n"] == 16 and figure["low"] <= figure["value"] <= figure["high"]


def test_scores_are_readable_with_the_control_under_the_figure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "score", "base", "--only", "facts", "--quick"]) == 0
    figure, control = capsys.readouterr().out.splitlines()
    assert figure.startswith("trained facts, closed book: ") and "wanted ≥ 98 %" in figure
    assert control.startswith("    facts met in prose only: ")


def test_an_unknown_measure_gives_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "score", "base", "--only", "fact"]) == 2
    assert "no measure 'fact' of base: did you mean facts?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--card"], ["base", "--card", "--quick"]])
def test_a_card_is_of_one_bundled_model_and_never_of_a_quick_look(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "score", *words]) == 2
    assert "--card needs the name of a bundled model" in capsys.readouterr().err


def test_measured_rows_go_into_the_card_and_the_checksums_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(zoo.WEIGHTS / "base", tmp_path / "base")
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    measure = scoring.MEASURES["facts"]
    monkeypatch.setattr(scoring, "FULL", scoring.QUICK)
    for module in (scoring, scoring.scorecard):
        monkeypatch.setattr(module, "MEASURES", {"facts": measure})
    assert main(["models", "score", "base", "--card"]) == 0
    zoo.verify_files(tmp_path / "base")
    card = json.loads((tmp_path / "base" / "card.json").read_text())
    assert [row["phenomenon"] for row in card["scorecard"]] == ["trained facts, closed book"]
    assert "| trained facts, closed book | ≥ 98 % |" in (tmp_path / "base/README.md").read_text()


def test_a_measure_replaces_all_its_rows_in_the_card_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(zoo.WEIGHTS / "base", tmp_path / "base")
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    monkeypatch.setattr(scoring, "FULL", scoring.QUICK)
    file = tmp_path / "base" / "card.json"
    card = json.loads(file.read_text())
    one = Estimate("another", 1.0, 1, 1.0, 1.0, "")
    before, after = (
        scoring.Row(one, "1", True, (), name).as_row() for name in ("new-facts", "draft")
    )
    given_up = before | {"measure": "facts", "phenomenon": "what it no longer gives"}
    nobodys = before | {"measure": "a measure that was"}
    file.write_text(json.dumps(card | {"scorecard": [before, given_up, nobodys, after, given_up]}))
    zoo.write_checksums(tmp_path / "base")
    assert main(["models", "score", "base", "--only", "facts", "--card"]) == 0
    first, new, last = json.loads(file.read_text())["scorecard"]
    assert (first, last) == (before, after)
    assert (new["measure"], new["phenomenon"]) == ("facts", "trained facts, closed book")


@pytest.mark.parametrize("name", zoo.available_models())
def test_every_row_of_a_shipped_card_is_of_a_measure_of_the_model(name: str) -> None:
    for row in zoo.card_of(name)["scorecard"]:
        assert row["measure"] in scoring.measures_of(name) or name in ("draft", "small")
        assert row["measure"] in scoring.MEASURES
