"""Numbers of the prose: each is a claim, a citation, or a setting of the cells.

Looked through are the Markdown, the alternative texts and what the quiz says to an answer; code,
formulas, headings and list numbers are not prose. A number is covered where it stands in a sentence
that a claim rests on, in a paragraph that links or names a work of lessons/sources.yaml, or where
the cells work with it: "240 questions" beside `fact_items(240)`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labkit.course.catalog import Lesson
from labkit.course.claims import ClaimsError, expectations_of
from labkit.course.notebooks import code_nodes
from labkit.course.quiz import load_quiz
from labkit.course.sources import load_sources
from labkit.course.yaml_source import shown_path

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Code, formulas, headings, numbers of lists, names such as SmolLM2-135M, and the level that all
# intervals of the course have.
NO_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|^#[^\n]*|^\d+\. |\b[A-Z]\w*(?:-\w+)+"
    r"|95 % intervals?",
    re.DOTALL | re.MULTILINE,
)
PARAGRAPHS = re.compile(r"\n\s*\n|\n(?=- )")
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


def check_numbers(lesson: Lesson, notebook: NotebookNode) -> None:
    """ClaimsError with each number that nothing covers, and where it stands."""
    settings = numbers_of_cells(notebook)
    works = [work for work in load_sources().values() if lesson.id in work.taken]
    claims = expectations_of(lesson).claims.values()
    claimed = set(numbers_in(" ".join(claim.sentence or "" for claim in claims)))
    found = [
        f"{shown_path(lesson.path)}: {number} in {around!r} is no claim, citation or setting"
        for text in prose_of(lesson, notebook)
        if not any(work.is_named_in(" ".join(text.split())) for work in works)
        for number, around in uncovered(text, claimed, settings)
    ]
    if found:
        raise ClaimsError("\n".join(found))


def prose_of(lesson: Lesson, notebook: NotebookNode) -> Iterator[str]:
    """Paragraph by paragraph, what a learner reads."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from PARAGRAPHS.split(cell.source)
    yield from expectations_of(lesson).figures.values()
    if lesson.quiz.is_file():
        for question in load_quiz(lesson.quiz).questions:
            yield from answers_to(question.model_dump())


def answers_to(part: object) -> Iterator[str]:
    """What a question says once it is answered: feedback and explanation, at any depth."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("feedback", "explanation") and isinstance(value, str):
                yield value
            yield from answers_to(value)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from answers_to(item)


def uncovered(text: str, claimed: set[str], settings: set[float]) -> Iterator[tuple[str, str]]:
    """The numbers of a paragraph that nothing covers, each with the words around it."""
    if "](http" in text:
        return
    prose = NO_PROSE.sub("", text)
    for match in NUMBER.finditer(prose):
        number = match.group().rstrip(",")
        if number not in claimed and as_float(number) not in settings:
            around = prose[max(0, match.start() - 30) : match.end() + 20]
            yield number, " ".join(around.split())


def numbers_in(text: str) -> Iterator[str]:
    return (match.group().rstrip(",") for match in NUMBER.finditer(text))


def numbers_of_cells(notebook: NotebookNode) -> set[float]:
    """What the code works with: its numbers, and those in its texts."""
    nodes = code_nodes(notebook)
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    texts = [value for value in values if isinstance(value, str)]
    written = [as_float(number) for text in texts for number in numbers_in(text)]
    return {*written, *(float(v) for v in values if isinstance(v, int | float))}


def as_float(number: str) -> float:
    return float(number.replace(",", ""))
