from __future__ import annotations

from pathlib import Path

import pytest

from labkit.course.catalog import CatalogError, find_lesson, lessons, read_lesson


def test_a_lesson_is_read_from_its_header(course: Path) -> None:
    (lesson,) = lessons()
    assert (lesson.id, lesson.number, lesson.topic) == ("01_halves", "01", "halves")
    assert lesson.title == "Halves & <b>doubles</b>"
    assert (lesson.minutes, lesson.models) == (5, ("base",))
    assert lesson.summary == "Halving and doubling." and lesson.without == {}
    assert lesson.path == course / "lessons" / "01_halves.py"
    assert lesson.notebook == course / "lessons" / "01_halves.ipynb"
    assert lesson.quiz == course / "quizzes" / "01_halves.yaml"


@pytest.mark.parametrize(
    "asked", ["01_halves", "01", "1", "halves", "work/01_halves.ipynb", Path("x/01_halves.py")]
)
def test_a_lesson_is_found_by_any_of_its_names(course: Path, asked: str | Path) -> None:
    assert find_lesson(asked).id == "01_halves"


def test_a_header_says_which_models_it_does_without(course: Path) -> None:
    path = course / "lessons" / "01_halves.py"
    without = "#     without:\n#       big: it is too large\n"
    path.write_text(path.read_text().replace("#     minutes: 5\n", f"#     minutes: 5\n{without}"))
    lesson = read_lesson(path)
    assert lesson.without == {"big": "it is too large"} and len({lesson, lesson}) == 1


@pytest.mark.parametrize("asked", ["01_halfs", "halve", "Halves", "01-halves"])
def test_an_unknown_lesson_is_answered_with_the_nearest(course: Path, asked: str) -> None:
    with pytest.raises(LookupError, match=f"no lesson '{asked}': did you mean 01_halves?"):
        find_lesson(asked)


def test_a_lesson_like_no_other(course: Path) -> None:
    with pytest.raises(LookupError, match="known: 01_halves"):
        find_lesson("quantum")


def test_no_lessons_at_all(course: Path) -> None:
    (course / "lessons" / "01_halves.py").unlink()
    assert lessons() == ()
    with pytest.raises(LookupError, match="There are no lessons in"):
        find_lesson("01_halves")


def test_lessons_come_in_order_and_other_files_are_ignored(course: Path) -> None:
    text = (course / "lessons" / "01_halves.py").read_text()
    for name in ("03_c.py", "02_b.py", "conftest.py", "draft_x.py", "02_b.ipynb"):
        (course / "lessons" / name).write_text(text)
    assert [lesson.id for lesson in lessons()] == ["01_halves", "02_b", "03_c"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("#     minutes: 5\n", "", "lessons/01_halves.py:4: jupyter.labkit.minutes: missing"),
        (
            "minutes: 5",
            "minutes: 0",
            "lessons/01_halves.py:6: jupyter.labkit.minutes: input should",
        ),
        ("minutes:", "minuts:", "lessons/01_halves.py:6: jupyter.labkit.minuts: unknown field"),
        ("#   labkit:", "#   labkat:", "lessons/01_halves.py:2: jupyter.labkit: missing"),
        ("minutes: 5", "minutes: [5", "lessons/01_halves.py:7: "),
        ("# ---\n# jupyter", "# jupyter", "lessons/01_halves.py:2: jupyter: missing"),
    ],
)
def test_a_broken_header_is_named_with_its_line(
    course: Path, old: str, new: str, said: str
) -> None:
    path = course / "lessons" / "01_halves.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(CatalogError) as error:
        read_lesson(path)
    assert str(error.value).startswith(said)


def test_an_empty_lesson(course: Path) -> None:
    path = course / "lessons" / "01_halves.py"
    path.write_text("")
    with pytest.raises(CatalogError, match="jupyter: missing"):
        read_lesson(path)
