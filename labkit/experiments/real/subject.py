"""The real model, loaded once for all points of a run, and what every experiment asks it."""

from __future__ import annotations

from functools import lru_cache

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, share_of
from labkit.instruments.judged import Items
from labkit.instruments.real.prose import mean_losses
from labkit.instruments.sizes import hits_of
from labkit.models import load_model

MODEL = "smollm2"
COUNTRIES = 141  # all that are listed


@lru_cache(maxsize=1)
def loaded() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load_model(MODEL)


@lru_cache(maxsize=1)
def losses_before() -> list[float]:
    """Of each paragraph of prose, in nats a token, before anything was changed."""
    return mean_losses(*loaded())


def hits(model: PreTrainedModel, items: Items, max_new_tokens: int = 8) -> list[bool]:
    """Which greedy answers are right."""
    return hits_of(model, loaded()[1], items, max_new_tokens)


def with_interval(name: str, right: list[bool]) -> dict[str, float]:
    """A share and its interval as columns: `name`, `name_low`, `name_high`."""
    return columns(share_of(name, sum(right), len(right)))


def columns(found: Estimate) -> dict[str, float]:
    """An estimate as three columns of a record."""
    return {
        found.name: found.value,
        f"{found.name}_low": found.low,
        f"{found.name}_high": found.high,
    }
