"""What lessons show on the course's own models, measured again on one that others made.

The model is SmolLM2-135M-Instruct as `labkit models fetch smollm2` brings it. Without it the
records are drawn, and nothing is measured.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import fmean

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.experiments.experiment import Experiment, grid
from labkit.instruments import sampling
from labkit.instruments.real.capitals import capital_items
from labkit.models import complete_grid, load_model

MODEL = "smollm2"
COUNTRIES = 141  # all that are listed
SAMPLES = 4  # answers to each question


@lru_cache(maxsize=1)
def loaded() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load_model(MODEL)


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
    return {
        "right": right.value,
        "low": right.low,
        "high": right.high,
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
        within={"right": 0.15, "low": 0.15, "high": 0.15, "next_country": 0.05, "different": 0.15},
        model=MODEL,
    ),
)
