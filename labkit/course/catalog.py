"""The course's lessons, read from the headers of lessons/NN_topic.py.

A lesson's text opens with a YAML block in comments, the way jupytext writes it, in which
`jupyter.labkit` holds what the course needs to know:

    # ---
    # jupyter:
    #   labkit:
    #     title: Temperature and sampling
    #     minutes: 40
    #     models: [base]
    #     budget_seconds: 60    # of a run on two idle cores; 60 where it is left out
    #     summary: What temperature, top-k, top-p and min-p do to a distribution.
    #     without: {smollm2: its copies take more than 3 GB}    # models that can't be under it
    # ---
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from labkit import paths
from labkit.course.yaml_source import Part, Prose, SourceError, YamlSource, read_text
from labkit.paths import LESSON_NAME

FENCE = "# ---"


class CatalogError(SourceError):
    """What is wrong in a lesson's header: file:line: field: problem."""


class Metadata(Part):
    """`jupyter.labkit` in a lesson's header."""

    title: Prose
    minutes: Annotated[int, Field(gt=0)]
    budget_seconds: Annotated[int, Field(gt=0)] = 60
    models: tuple[Prose, ...] = ()
    summary: Prose
    concepts: tuple[Prose, ...] = ()
    without: dict[Prose, Prose] = Field(default_factory=dict)


class Jupyter(BaseModel):
    """The `jupyter` mapping; what stands in it beside labkit is jupytext's."""

    labkit: Metadata


class Header(BaseModel):
    """The YAML block as a whole."""

    jupyter: Jupyter


@dataclass(frozen=True)
class Lesson:
    """One lesson: `05_temperature` is its id, `05` its number, `temperature` its topic.

    minutes         of a learner, for the core path
    budget_seconds  that a run of all cells may take on two idle cores
    without         models that $LABKIT_MODEL can't put under the lesson, each with the reason
    """

    id: str
    number: str
    topic: str
    title: str
    minutes: int
    models: tuple[str, ...]
    summary: str
    concepts: tuple[str, ...]
    path: Path
    budget_seconds: int = 60
    without: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def notebook(self) -> Path:
        """The notebook that is built from the text."""
        return self.path.with_suffix(".ipynb")

    @property
    def claims(self) -> Path:
        """What the text says of the lesson's numbers and figures."""
        return self.path.with_suffix(".claims.yaml")

    @property
    def quiz(self) -> Path:
        """The lesson's questions."""
        return paths.quizzes_dir() / f"{self.id}.yaml"


def lessons() -> tuple[Lesson, ...]:
    """Every lesson of the course, in order."""
    return tuple(read_lesson(path) for path in lesson_paths())


def find_lesson(id: str | Path) -> Lesson:
    """A lesson by id, number (05 or 5), topic or the path of its text or notebook.

    Raises LookupError where there is none of that name, CatalogError where its header is wrong.
    """
    known = {path.stem: path for path in lesson_paths()}
    if not known:
        raise LookupError(f"There are no lessons in {paths.lessons_dir()}.")
    return read_lesson(known[paths.lesson_named(id, known)])


def lesson_paths() -> list[Path]:
    """The lesson texts, in order."""
    return paths.lesson_files(paths.lessons_dir(), ".py")


def read_lesson(path: Path) -> Lesson:
    """A lesson from its header, or a CatalogError that names what is missing in which line."""
    name = LESSON_NAME.fullmatch(path.stem)
    if name is None:
        raise CatalogError(f"{path.name}: expected a name such as 05_temperature.py")
    try:
        header = YamlSource(header_of(read_text(path)), path, first_line=2).validate(Header)
    except SourceError as error:
        raise CatalogError(str(error)) from None
    about = header.jupyter.labkit
    return Lesson(
        id=path.stem,
        number=name["number"],
        topic=name["topic"],
        title=about.title,
        minutes=about.minutes,
        models=about.models,
        summary=about.summary,
        concepts=about.concepts,
        path=path,
        budget_seconds=about.budget_seconds,
        without=about.without,
    )


def header_of(text: str) -> str:
    """The YAML between the two `# ---` lines at the top, without its comment signs."""
    first, *rest = text.splitlines() or [""]
    if first.rstrip() != FENCE:
        return ""
    block = takewhile(lambda line: line.rstrip() != FENCE, rest)
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in block)
