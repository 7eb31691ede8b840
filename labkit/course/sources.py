"""lessons/sources.yaml: every work that the lessons name, what each takes of it, and from where."""

from __future__ import annotations

from pydantic import Field

from labkit.course.yaml_source import Part, Prose, YamlSource, read_text
from labkit.paths import lessons_dir


class Taken(Part):
    """A fact that a lesson takes from a work; `checked` says whether its text was looked up."""

    where: Prose
    says: Prose
    checked: bool
    linked: bool = True


class Source(Part):
    """A work: a paper, a repository at a commit, a page at a date."""

    title: Prose
    authors: Prose
    year: int
    id: Prose
    url: Prose | None = None
    taken: dict[str, Taken]

    def is_named_in(self, text: str) -> bool:
        """Whether a text cites it, as in "Hu et al. 2021" or, said again, "Hu et al., table 4"."""
        authors = self.authors.partition(" (")[0]
        several = "et al." in authors or " and " in authors
        return (authors if several else f"{authors} {self.year}") in text


class Sources(Part):
    """The file."""

    sources: dict[str, Source] = Field(default_factory=dict)


def load_sources() -> dict[str, Source]:
    """All of them by key; none where a course has no such file. SourceError: file, line, field."""
    path = lessons_dir() / "sources.yaml"
    if not path.is_file():
        return {}
    return YamlSource(read_text(path), path).validate(Sources).sources
