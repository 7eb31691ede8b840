"""The scorecard: what the models can do, measured on items that no training text holds where that
matters; every figure with its count, its 95 % interval and its control."""

from labkit.models.scoring.facts import fact_questions
from labkit.models.scoring.reading import reading_questions
from labkit.models.scoring.rows import Row, as_markdown, as_text, row_of
from labkit.models.scoring.scorecard import MEASURES, Scorecard, measure, measured, measures_of
from labkit.models.scoring.subject import FULL, QUICK, Effort, Subject
from labkit.models.scoring.writing import idea_prompts, program_tasks

__all__ = [
    "FULL",
    "MEASURES",
    "QUICK",
    "Effort",
    "Row",
    "Scorecard",
    "Subject",
    "as_markdown",
    "as_text",
    "fact_questions",
    "idea_prompts",
    "measure",
    "measured",
    "measures_of",
    "program_tasks",
    "reading_questions",
    "row_of",
]
