"""labkit build: a text becomes an executed notebook, twice the same bytes; --check runs nothing."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from labkit.cli import main
from labkit.course import notebooks
from labkit.course.catalog import find_lesson

Edit = Callable[[str, str], None]


@pytest.fixture
def built(course: Path, fixture_notebook: bytes) -> Path:
    path = course / "lessons" / "99_fixture.ipynb"
    path.write_bytes(fixture_notebook)
    return path


@pytest.fixture
def edit(course: Path) -> Edit:
    text = course / "lessons" / "99_fixture.py"

    def replace(old: str, new: str) -> None:
        assert old in text.read_text()
        text.write_text(text.read_text().replace(old, new))

    return replace


def test_built_twice_it_has_the_same_bytes(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = built.read_bytes()
    built.unlink()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert main(["build"]) == 0
    assert "written" in capsys.readouterr().out
    assert built.read_bytes() == first
    stamp = built.stat().st_mtime_ns
    assert main(["build", "99"]) == 0
    assert "same" in capsys.readouterr().out
    assert built.stat().st_mtime_ns == stamp


def test_outputs_are_kept_and_no_trace_of_the_run(built: Path) -> None:
    notebook = nbformat.read(built, as_version=4)
    nbformat.validate(notebook)
    _, _, _, _, figure, widget, printed = notebook.cells
    picture = Image.open(io.BytesIO(b64decode(figure.outputs[0].data["image/png"])))
    assert picture.size[0] > 50 and "Software" not in picture.info
    assert figure.metadata == {"tags": ["figure"]}
    assert widget.outputs[0].data == {"text/plain": "IntSlider(value=3)"}
    assert printed.outputs[0].text == "0.333\n"
    assert "widgets" not in notebook.metadata
    assert [c.execution_count for c in notebook.cells[1:]] == [1, 2, 3, 4, 5, 6]


def test_nothing_but_the_notebook_is_left_behind(built: Path) -> None:
    assert sorted(path.name for path in built.parent.iterdir()) == [
        "99_fixture.ipynb",
        "99_fixture.py",
    ]


def test_check_runs_nothing_and_passes(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("--check must not run a notebook")

    monkeypatch.setattr("labkit.course.execution.execute", never)
    assert main(["build", "--check"]) == 0
    assert "99_fixture: up to date" in capsys.readouterr().out


def test_check_names_the_first_cell_that_differs(
    built: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("axes.plot([1, 3, 2])", "axes.plot([1, 3, 4])")
    edit("round(1 / 3, 3)", "round(1 / 3, 4)")
    assert main(["build", "--check", "fixture"]) == 1
    said = capsys.readouterr()
    assert "99_fixture: out of date" in said.out
    assert (
        "cell 4 (`import matplotlib.pyplot as plt`): line 4 is `axes.plot([1, 3, 2])`" in said.err
    )
    assert "labkit build 99_fixture" in said.err


def test_check_sees_a_notebook_that_was_run_by_hand(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = nbformat.read(built, as_version=4)
    notebook.cells[1].execution_count = 3
    nbformat.write(notebook, built)
    assert main(["build", "--check"]) == 1
    assert "was run or saved by hand" in capsys.readouterr().err


def test_check_without_a_notebook(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--check"]) == 1
    assert "99_fixture.ipynb is missing" in capsys.readouterr().err


def test_a_cell_that_raises_leaves_the_old_notebook(
    built: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    before = built.read_bytes()
    edit("print(round(1 / 3, 3))", "print(round(1 / 0, 3))")
    assert main(["build"]) == 1
    said = capsys.readouterr()
    assert "99_fixture: not built" in said.out
    assert "99_fixture, cell 6 (`print(round(1 / 0, 3))`) raised ZeroDivisionError" in said.err
    assert built.read_bytes() == before


def test_an_output_that_would_differ_is_not_built(
    course: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("print(round(1 / 3, 3))", "print(object())")
    assert main(["build"]) == 1
    assert "cell 6 (`print(object())`) shows the memory address 0x" in capsys.readouterr().err


def test_an_unknown_lesson(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "fixtura"]) == 2
    assert "did you mean 99_fixture?" in capsys.readouterr().err


CLAIMS = "claims: {a third: {around: 0.333, within: 0.001}}\nfigures: {thirds: A falling line.}\n"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("lab.claim('a third', 1 / 3)\nlab.alt('third')", "lacks what cells name: ['third']"),
        ("lab.claim('a half', 1 / 2)\nlab.alt('thirds')", "lacks what cells name: ['a half']"),
        ("lab.claim('a third', 1 / 3)", "claims.yaml:2: figures.thirds: no cell draws it"),
    ],
)
def test_check_holds_cells_and_claims_against_each_other(
    built: Path, cell: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = built.with_suffix(".py")
    text.with_suffix(".claims.yaml").write_text(CLAIMS)
    text.write_text(text.read_text() + f"\n# %%\n{cell}\n")
    built.write_bytes(notebooks.to_bytes(notebooks.to_notebook(find_lesson("99"))))
    for words in (["build", "--check", "fixture"], ["build", "fixture"]):
        assert main(words) == 1
        assert said in capsys.readouterr().err
