"""Lesson 05 in a real model: what it knows, asked at several temperatures."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.real.subject import COUNTRIES, MODEL, columns, loaded
from labkit.instruments import sampling
from labkit.instruments.real.capitals import capital_items
from labkit.models import complete_grid

SAMPLES = 4  # answers to each question


def capitals(
    temperature: float, min_p: float, seed: int, items: int = COUNTRIES
) -> dict[str, float]:
    """The share of capitals named, with its interval over countries; the share that is the capital
    of the next country asked for, which only guessing would give; and how many of `SAMPLES` answers
    differ."""
    asked = capital_items(loaded()[1], items)
    texts = complete_grid(
        *loaded(), asked.prompts, (temperature,), min_p=min_p or None,
        samples=SAMPLES, max_new_tokens=8, seed=seed,
    )  # fmt: skip
    right = sampling.share_right(texts, asked.is_right)[temperature]
    others = sampling.share_right(texts, lambda i, text: asked.is_right((i + 1) % items, text))
    different = fmean(len(set(answers)) / SAMPLES for answers in texts[temperature])
    return columns(replace(right, name="right")) | {
        "next_country": others[temperature].value,
        "different": different,
    }


EXPERIMENTS = (
    Experiment(
        "real-capitals",
        "capitals named by SmolLM2-135M-Instruct at five temperatures, with and without min-p",
        (
            *grid(temperature=(0.0, 0.5, 1.0, 1.5, 2.0), min_p=(0.0,), seed=(0,)),
            *grid(temperature=(0.5, 1.0, 1.5, 2.0), min_p=(0.1,), seed=(0,)),
        ),
        capitals,
        minutes=6,
        cheap={"temperature": 1.0, "min_p": 0.0, "seed": 0, "items": 24},
        within={
            "right": 0.15,
            "right_low": 0.15,
            "right_high": 0.15,
            "next_country": 0.05,
            "different": 0.15,
        },
        model=MODEL,
    ),
)
