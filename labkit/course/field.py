"""The map of the field: which technique changes what, from a better prompt to another model.

What a lesson is called and how long it takes stands in its header; here is its place on the map,
what it is good for, and what the lessons that are to come will be called.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labkit.course.catalog import Lesson
from labkit.course.standing import Standing


@dataclass(frozen=True)
class Area:
    """Techniques that change the same thing: what it is, what follows, the lessons' numbers."""

    changes: str
    effect: str
    numbers: tuple[str, ...]


AREAS = (
    Area("The prompt", "weights stay", ("01", "02", "03", "04")),
    Area("How tokens are picked", "weights stay", ("05", "13")),
    Area("Weights, by training", "weights learn", ("08", "09", "10", "11")),
    Area("Weights, by rounding", "they change, nothing is learned", ("12",)),
    Area("The model", "other weights", ("14", "15", "16")),
    Area("Around all of it", "whatever you change", ("00", "06", "07", "17", "18")),
)
TO_COME = {
    "01": "Prompting",
    "04": "Retrieval (RAG)",
    "06": "Evaluation",
    "07": "Datasets",
    "10": "QLoRA and domains",
    "11": "Preference tuning",
    "13": "Speculative decoding",
    "16": "Multimodality",
    "17": "Edge deployment",
    "18": "Model selection",
}
GOALS = {
    "02": "better answers from the model that you have",
    "03": "a smaller bill",
    "05": "answers that vary more, or less",
    "08": "a model that behaves as you need it",
    "09": "the same with less memory",
    "12": "a model that fits the machine",
    "14": "a smaller model that is good enough",
    "15": "a large model at a small one's speed",
}


@dataclass(frozen=True)
class Entry:
    """A lesson on the map; one that is to come has no `lesson`.

    `path` is the learner's notebook among Jupyter's files, `href` what a link to it says, `missing`
    the models that it needs and this machine does not have, `standing` how far the learner is.
    """

    number: str
    title: str
    lesson: Lesson | None = None
    standing: Standing | None = None
    path: str | None = None
    href: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """One of "to come", "open", "begun", "done"."""
        if self.lesson is None:
            return "to come"
        return self.standing.state if self.standing else "open"


def entry_of(lesson: Lesson) -> Entry:
    """A lesson as a notebook in the same folder links to it, without progress."""
    return Entry(lesson.number, lesson.title, lesson, href=lesson.notebook.name)


def field_map(entries: Iterable[Entry]) -> list[tuple[Area, list[Entry]]]:
    """Each area with its lessons, those to come too; a lesson that is in none goes to the last."""
    left: dict[str, list[Entry]] = {n: [Entry(n, title)] for n, title in TO_COME.items()}
    left |= by_number(entries)
    areas = [(area, [entry for n in area.numbers for entry in left.pop(n, [])]) for area in AREAS]
    areas[-1][1].extend(entry for n in sorted(left) for entry in left[n])
    return areas


def by_number(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Nothing keeps two lessons from having the same number while they are written."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.number, []).append(entry)
    return found


def goals(entries: Iterable[Entry]) -> list[tuple[str, Entry]]:
    """What a learner may want, each with the lesson that gives it, for those that are there."""
    return [(GOALS[entry.number], entry) for entry in entries if entry.number in GOALS]
