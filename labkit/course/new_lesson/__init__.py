"""A lesson to begin with, which runs, checks and verifies, as files with some names left open."""

from __future__ import annotations

from pathlib import Path

from labkit import paths
from labkit.course.catalog import lesson_paths

TEMPLATES = Path(__file__).parent
CHALLENGE = "perplexity"


def files_of(lesson_id: str) -> dict[Path, str]:
    """Every file of a new lesson with its text; nothing is written.

    Raises ValueError for an id that is none, FileExistsError for a number or a file that is taken.
    """
    name = paths.LESSON_NAME.fullmatch(lesson_id)
    if name is None:
        raise ValueError(f"{lesson_id!r} is no lesson: expected a name such as 06_evaluation")
    taken = [path.stem for path in lesson_paths() if path.stem.startswith(f"{name['number']}_")]
    if taken:
        raise FileExistsError(f"number {name['number']} is taken by {taken[0]}")
    texts = {
        path: filled(template, lesson_id) for path, template in places(lesson_id, name["topic"])
    }
    if there := [path for path in texts if path.exists()]:
        raise FileExistsError(f"{there[0]} is there already")
    return texts


def places(lesson_id: str, topic: str) -> list[tuple[Path, str]]:
    """Where each file goes, and the template that it is made from."""
    root, challenges = paths.course_root(), paths.PACKAGE / "challenges" / topic
    return [
        (root / "lessons" / f"{lesson_id}.py", "lesson.py.txt"),
        (root / "lessons" / f"{lesson_id}.claims.yaml", "claims.yaml.txt"),
        (root / "quizzes" / f"{lesson_id}.yaml", "quiz.yaml.txt"),
        (root / "solutions" / f"{lesson_id}.py", "solutions.py.txt"),
        (challenges / "__init__.py", "package.py.txt"),
        (challenges / f"{CHALLENGE}.py", "challenge.py.txt"),
        (root / "tests" / "gallery" / f"{topic}.py", "gallery.py.txt"),
    ]


def filled(template: str, lesson_id: str) -> str:
    """A template's text with the lesson's names in it."""
    number, topic = lesson_id.split("_", 1)
    title = topic.replace("_", " ").capitalize()
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    for word, value in (("LESSON", lesson_id), ("NUMBER", number), ("TITLE", title)):
        text = text.replace(f"@{word}@", value)
    return text
