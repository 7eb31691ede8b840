"""From a lesson's text to its notebook, and the reference answers into the stubs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.course import notebooks

TEXT = '''# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: My own, language: python, name: some-other-env}
#   labkit: {title: "Fixture", minutes: 5, models: [base], summary: "A small one."}
# ---

# %% [markdown]
# # Fixture
# With $x^2$.

# %%
import math

# %% tags=["stub"]
# Write it yourself.
from math import exp

LIMIT = 3

def double(x: float) -> float:
    """Twice x."""
    ...

print(LIMIT)

# %%
# %matplotlib inline
print(double(2))

# %%
lab.check(double)
'''

ANSWERS = '''"""Reference answers."""

from __future__ import annotations

import math


def double(x: float) -> float:
    """Twice x."""
    return math.fsum([x, x])


def _helper() -> None: ...
'''


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of one lesson's reference answers, in a folder of its own."""
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "99_fixture.py").write_text(ANSWERS)
    monkeypatch.setattr("labkit.paths.course_root", lambda: tmp_path)
    return tmp_path


def built(text: str = TEXT) -> notebooks.NotebookNode:
    return notebooks.from_text(text, "99_fixture")


def test_cells_tags_and_metadata_come_over() -> None:
    notebook = built()
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", *["code"] * 4]
    assert notebook.cells[2].metadata == {"tags": ["stub"]}
    assert all(cell.metadata == {} for cell in notebook.cells if cell is not notebook.cells[2])
    assert notebook.cells[3].source.startswith("%matplotlib inline\n")


def test_notebook_metadata_is_minimal_and_the_same_on_every_machine() -> None:
    metadata = built().metadata
    assert set(metadata) == {"kernelspec", "language_info", "labkit"}
    assert metadata.kernelspec.name == "python3"
    assert metadata.labkit == {
        "lesson": "99_fixture",
        "title": "Fixture",
        "minutes": 5,
        "models": ["base"],
        "summary": "A small one.",
    }
    assert "version" not in metadata.language_info


@pytest.mark.parametrize(
    "above",
    [
        "x = (10\n% 3)",
        "x = (10\n     % 3)",
        'text = """\n%time\n!ls\n"""',
        "%config A = [1, \\\n  2]",
        "!pip install \\\n  nothing",
        "files = !ls",
        "print?",
    ],
)
def test_a_stub_is_found_below_whatever_ipython_takes(course: Path, above: str) -> None:
    stub = 'def double(x: float) -> float:\n    """Twice x."""\n    ...'
    cell = f"{above}\n\n{stub}\n\nlast = 1"
    notebook = built()
    notebook.cells = [*notebook.cells[:1], notebooks._node(cell_type="code", source=cell)]
    assert notebooks.stub_cells(notebook, "99_fixture") == {"double": 1}
    assert notebooks._stub_names(notebook.cells[1]) == ["double"]
    solved = notebooks.solve(notebook, "99_fixture").cells[1].source
    assert above in solved and "return math.fsum([x, x])\n\nlast = 1" in solved
    assert "..." not in solved.replace(above, "")


def test_same_text_same_bytes() -> None:
    assert notebooks.to_bytes(built()) == notebooks.to_bytes(built())


def test_ids_outlive_edits_elsewhere() -> None:
    before = [cell.id for cell in built().cells]
    longer = TEXT.replace("# %%\nimport math\n", "# %%\nimport math\n\n# %%\nprint('new')\n")
    after = [cell.id for cell in built(longer).cells]
    assert [i for i in after if i in before] == before
    assert len(after) == len(before) + 1


def test_a_stub_keeps_its_id_when_its_text_changes() -> None:
    reworded = built(TEXT.replace("Twice x.", "Two times x."))
    assert reworded.cells[2].id == built().cells[2].id == "stub-double"


@given(st.lists(st.sampled_from(["a = 1", "b = 2", "def f():\n    ..."]), max_size=8))
def test_ids_are_unique_whatever_repeats(sources: list[str]) -> None:
    text = "\n\n".join(f"# %%\n{source}" for source in sources)
    ids = [cell.id for cell in built(text).cells]
    assert len(set(ids)) == len(ids)


def test_stub_cells_are_those_that_define_a_challenge(course: Path) -> None:
    assert notebooks.stub_cells(built(), "99_fixture") == {"double": 2}
    assert notebooks.stub_cells(built(), "98_no_solutions") == {}


def test_solve_replaces_the_function_and_nothing_else(course: Path) -> None:
    notebook = built()
    solved = notebooks.solve(notebook, "99_fixture")
    assert [c.source for c in solved.cells[:2]] == [c.source for c in notebook.cells[:2]]
    lines = solved.cells[2].source.splitlines()
    assert lines[0] == "# Write it yourself."
    assert "import math" in lines
    assert {"from math import exp", "LIMIT = 3", "print(LIMIT)"} <= set(lines)
    assert "..." not in solved.cells[2].source
    assert solved.cells[2].id == notebook.cells[2].id
    assert "..." in notebook.cells[2].source, "the notebook given must stay as it was"


def test_a_solved_cell_runs(course: Path) -> None:
    cell = notebooks.solve(built(), "99_fixture").cells[2]
    names: dict[str, object] = {}
    exec(compile(cell.source, "solved", "exec"), names)
    assert names["double"](2.5) == 5.0  # type: ignore[operator]


def test_decorated_stub_in_a_cell_with_magics(course: Path) -> None:
    text = "# %%\n# %time\nimport functools\n@functools.cache\ndef double(x):\n    ...\ny = 1"
    source = notebooks.solve(built(text), "99_fixture").cells[0].source
    assert source.startswith("%time\n")
    assert source.endswith("\ny = 1")
    assert "@functools.cache" not in source
    assert "math.fsum" in source


@pytest.mark.parametrize(
    ("body", "stub"),
    [
        ("...", True),
        ('"""What it does."""\n    ...', True),
        ("return 1", False),
        ('"""Only words."""', False),
        ("x = 1\n    ...", False),
    ],
)
def test_what_counts_as_a_stub(body: str, stub: bool) -> None:
    function = ast.parse(f"def f():\n    {body}").body[0]
    assert notebooks._is_stub(function) is stub


def test_first_difference_names_cell_and_line() -> None:
    text = built()
    assert notebooks.first_difference(built(), text) is None
    edited = built(TEXT.replace("LIMIT = 3", "LIMIT = 4"))
    said = notebooks.first_difference(edited, text)
    assert said is not None
    assert "cell 2 (`from math import exp`)" in said
    assert "line 4 is `LIMIT = 4` in the notebook, `LIMIT = 3` in the text" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('tags=["stub"]', 'tags=["other"]', "metadata"),
        ("minutes: 5", "minutes: 6", "the notebook's metadata"),
        ("# %%\nimport math\n", "# %% [markdown]\n# import math\n", "a markdown cell"),
        ("\n# %%\nlab.check(double)\n", "", "the notebook has 4 cells, the text has 5"),
        ("print(LIMIT)\n", "print(LIMIT)\n1\n", "line 11 is `1` in the notebook, `(end)`"),
    ],
)
def test_first_difference_sees_everything_an_author_writes(old: str, new: str, words: str) -> None:
    assert old in TEXT
    said = notebooks.first_difference(built(TEXT.replace(old, new)), built())
    assert said is not None and words in said
