"""Temperature: as it rises, fewer answers are right and more of what is written differs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from labkit.estimates import Estimate, difference, mean
from labkit.models.generation import complete_grid, exact_match
from labkit.models.scoring.facts import fact_questions
from labkit.models.scoring.rows import Row
from labkit.models.scoring.subject import Subject
from labkit.models.scoring.writing import idea_prompts
from labkit.models.world import ideas

TEMPERATURES = (0.0, 0.5, 1.0, 1.5, 2.0)
SAMPLES = 4  # of each question
BATCH = 20  # ideas among which the different ones are counted


def temperature(subject: Subject) -> list[Row]:
    """Two rows; the controls are the curves, and how many sentences are well formed."""
    right = right_by_temperature(subject)
    batches = idea_batches(subject)
    distinct = {t: [len(set(b)) / len(b) for b in batches[t]] for t in TEMPERATURES}
    formed = {
        t: [fmean(ideas.parse_idea(text) is not None for text in b) for b in batches[t]]
        for t in TEMPERATURES
    }
    return [
        _row("accuracy lost from T=0 to T=2", right, falls=True, name="facts right"),
        _row(
            "diversity gained from T=0 to T=2", distinct, falls=False, name="different sentences",
            more=[mean(f"well-formed sentences at T={t:g}", formed[t]) for t in TEMPERATURES],
        ),
    ]  # fmt: skip


def right_by_temperature(subject: Subject) -> dict[float, list[float]]:
    """For each temperature the share of right samples, question by question."""
    questions = fact_questions(subject.world.trained_facts, min(subject.n, 100))
    grid = complete_grid(
        subject.model, subject.tokenizer, [q.prompt for q in questions], TEMPERATURES,
        samples=SAMPLES, max_new_tokens=12,
    )  # fmt: skip
    return {
        t: [
            fmean(exact_match(text, q.answer) for text in texts)
            for q, texts in zip(questions, grid[t], strict=True)
        ]
        for t in TEMPERATURES
    }


def idea_batches(subject: Subject) -> dict[float, list[list[str]]]:
    """For each temperature batches of shop ideas; greedy ones are all the same."""
    count = BATCH * max(2, subject.n // BATCH)
    grid = complete_grid(
        subject.model, subject.tokenizer, idea_prompts(count), TEMPERATURES, max_new_tokens=40
    )
    texts = {t: [text for row in rows for text in row] for t, rows in grid.items()}
    return {t: [texts[t][i : i + BATCH] for i in range(0, count, BATCH)] for t in TEMPERATURES}


def _row(
    phenomenon: str,
    by_temperature: dict[float, list[float]],
    *,
    falls: bool,
    name: str,
    more: Sequence[Estimate] = (),
) -> Row:
    sign = 1 if falls else -1
    curve = [mean(f"{name} at T={t:g}", values) for t, values in by_temperature.items()]
    first, *_, last = by_temperature.values()
    change = difference(phenomenon, *((first, last) if falls else (last, first)))
    monotone = all(not _moves_back(a, b, sign) for a, b in pairwise(curve))
    return Row(
        change, "monotone within intervals", monotone and change.low > 0, (*curve, *more)
    )  # fmt: skip


def _moves_back(cooler: Estimate, hotter: Estimate, sign: int) -> bool:
    """Whether a step of the curve goes the wrong way by more than the intervals allow."""
    return hotter.low > cooler.high if sign > 0 else hotter.high < cooler.low
