"""The scorecard: every phenomenon that the lessons rest on, row by row, and the quick shares.

`measure("base")` gives all rows of a model; `Scorecard` counts the few shares that a model card
has shown from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, share_of
from labkit.models.scoring.draft import draft
from labkit.models.scoring.facts import fact_questions, facts
from labkit.models.scoring.jargon import jargon
from labkit.models.scoring.judge import judge
from labkit.models.scoring.mixture import mixture
from labkit.models.scoring.new_facts import new_facts
from labkit.models.scoring.quantization import quantization
from labkit.models.scoring.reading import reading, reading_questions
from labkit.models.scoring.rows import Row
from labkit.models.scoring.shots import few_shot
from labkit.models.scoring.specialist import specialist
from labkit.models.scoring.subject import FULL, Effort, Subject
from labkit.models.scoring.tables import tables
from labkit.models.scoring.temperature import temperature
from labkit.models.scoring.tickets import tuning
from labkit.models.scoring.vision import vision
from labkit.models.scoring.writing import ideas_well_formed, programs_right
from labkit.models.world.document import Question
from labkit.models.zoo import available_models, load_bundled, load_model
from labkit.paths import nearest


@dataclass(frozen=True)
class Measure:
    """How a phenomenon is measured: of which bundled model, with which others beside it."""

    of: str
    rows: Callable[..., list[Row]]
    beside: tuple[str, ...] = ()

    def missing(self, name: str | None = None) -> list[str]:
        """Bundled models that are needed and not there, when `name` is measured (or `of`)."""
        needed = self.beside if name else (self.of, *self.beside)
        return [model for model in needed if model not in available_models()]


MEASURES: dict[str, Measure] = {
    "facts": Measure("base", facts),
    "reading": Measure("base", reading),
    "tables": Measure("base", tables),
    "few-shot": Measure("base", few_shot),
    "temperature": Measure("base", temperature),
    "tuning": Measure("base", tuning),
    "new-facts": Measure("base", new_facts),
    "jargon": Measure("base", jargon),
    "quantization": Measure("base", quantization),
    "draft": Measure("base", draft, beside=("draft",)),
    "moe": Measure("moe", mixture, beside=("moe_twin_active", "moe_twin_total")),
    "specialist": Measure("specialist", specialist, beside=("base",)),
    "judge": Measure("judge", judge),
    "vision": Measure("vision", vision),
}


def measures_of(name: str | None, only: str | None = None) -> dict[str, Measure]:
    """The measures of a model, or of all models for None; those of `base` for any other model,
    but for the ones that would set it beside itself.

    Raises LookupError when `only` is no measure of the model.
    """
    of = name if name is None or name in {m.of for m in MEASURES.values()} else "base"
    found = {r: m for r, m in MEASURES.items() if of in (None, m.of) and name not in m.beside}
    if only is None:
        return found
    if only not in found:
        whose = name or "any model"
        raise LookupError(f"There is no measure {only!r} of {whose}: {nearest(only, found)}")
    return {only: found[only]}


def measure(model: str, name: str, effort: Effort = FULL) -> list[Row]:
    """The rows of a measure by name, of a model by name, which is loaded along with those beside
    it. Raises what `load_model` raises."""
    load = load_bundled if model in available_models() else load_model
    beside = [Subject(*load_bundled(other), effort) for other in MEASURES[name].beside]
    return measured(name, Subject(*load(model), effort), *beside)


def measured(name: str, subject: Subject, *beside: Subject) -> list[Row]:
    """The rows of a measure by name; each says which measure it is of."""
    return [replace(row, measure=name) for row in MEASURES[name].rows(subject, *beside)]


class Scorecard:
    """The quick shares of one model; each method is one."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.subject = Subject(model, tokenizer)
        self.model, self.tokenizer, self.world = model, tokenizer, self.subject.world

    def answered(self, name: str, questions: Sequence[Question]) -> Estimate:
        return share_of(name, sum(self.subject.right(questions)), len(questions))

    def trained_facts(self, n: int) -> Estimate:
        return self.answered("trained facts", fact_questions(self.world.trained_facts, n))

    def prose_facts(self, n: int) -> Estimate:
        return self.answered("facts met in prose only", fact_questions(self.world.prose_facts, n))

    def reading(self, n: int, count: int) -> Estimate:
        questions = reading_questions(self.world, n, count)
        return self.answered(f"passages about unseen entities, {count} at once", questions)

    def well_formed_ideas(self, n: int) -> Estimate:
        return share_of("well-formed sentences", sum(ideas_well_formed(self.subject, n)), n)

    def programs(self, n: int) -> Estimate:
        hits = sum(programs_right(self.subject, n))
        return share_of("programs of unseen combinations", hits, n)

    def rows(self, n: int = 500) -> list[Estimate]:
        measures: list[Callable[[], Estimate]] = [
            lambda: self.trained_facts(n),
            lambda: self.prose_facts(n),
            lambda: self.well_formed_ideas(min(n, 200)),
            lambda: self.programs(min(n, 200)),
            lambda: self.reading(min(n, 200), 1),
            lambda: self.reading(min(n, 200), 2),
        ]
        return [measure() for measure in measures]
