"""What lessons show on the course's own models, measured again on one that others made.

The model is SmolLM2-135M-Instruct as `labkit models fetch smollm2` brings it. Without it the
records are drawn, and nothing is measured.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import fmean

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import difference, share_of
from labkit.experiments.experiment import Experiment, grid
from labkit.instruments import sampling
from labkit.instruments.real.capitals import capital_items
from labkit.instruments.real.prose import mean_losses
from labkit.models import complete, complete_grid, load_model
from labkit.models.quantization.simulated import GROUPS, fake_quantize, integers, normal_float

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


@lru_cache(maxsize=1)
def losses_before() -> list[float]:
    return mean_losses(*loaded())


def rounded(bits: int, group: str, items: int = COUNTRIES) -> dict[str, float]:
    """What rounding the weights of all linear layers costs, with a scale for each `group` of them:
    the rise of the loss on prose in nats a token, with its interval over paragraphs, and the
    capitals that are still named."""
    scheme = normal_float() if group == "NF4" else integers(bits, GROUPS[group])
    model, tokenizer = fake_quantize(loaded()[0], scheme), loaded()[1]
    rise = difference("rise", mean_losses(model, tokenizer), losses_before(), "nats")
    asked = capital_items(tokenizer, items)
    texts = complete(model, tokenizer, asked.prompts, max_new_tokens=8)
    named = share_of(
        "capitals", sum(asked.is_right(i, text) for i, (text,) in enumerate(texts)), items
    )
    return {
        "rise": rise.value,
        "low": rise.low,
        "high": rise.high,
        "capitals": named.value,
        "capitals_low": named.low,
        "capitals_high": named.high,
    }


EXPERIMENTS = (
    Experiment(
        "real-bits",
        "loss and capitals of SmolLM2-135M-Instruct with its weights rounded to 8 bits and fewer",
        (
            *grid(bits=(8, 6, 5, 4, 3), group=("channel",)),
            *grid(bits=(8, 4), group=("tensor",)),
            *grid(bits=(4, 3, 2), group=("block",)),
            *grid(bits=(4,), group=("NF4",)),
        ),
        rounded,
        minutes=6,
        cheap={"bits": 4, "group": "block", "items": 12},
        within={"rise": 0.03, "low": 0.05, "high": 0.05}
        | {"capitals": 0.2, "capitals_low": 0.2, "capitals_high": 0.2},
        model=MODEL,
    ),
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
