"""Lesson 02 in a real model: a text against what it knows, by the wording of the text."""

from __future__ import annotations

from functools import lru_cache

from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.real.subject import COUNTRIES, MODEL, hits, loaded, with_interval
from labkit.instruments.real.accepting import says
from labkit.instruments.real.capitals import capital_items, capitals, countries_asked, question
from labkit.models import complete

# What is said before the question; {other} is the capital of another country.
WORDINGS = {
    "plain": "The capital of {country} is {other}.",
    "moved": "In 2031 the capital of {country} was moved to {other}.",
    "far": "The capital of {country} is {other}. Last summer many visitors came. They liked the "
    "food, and most of them want to come again next year.",
    "reported": "Some people say that the capital of {country} is {other}.",
    "another country": "The capital of Ruritania is {other}.",
}


def said_before(wording: str, items: int = COUNTRIES) -> dict[str, float]:
    """Of the capitals that the model names without a text: how often it now says what the text
    says, and how often what it knew."""
    countries = known_countries(items)
    others = [capitals()[country] for country in countries[1:] + countries[:1]]
    prompts = [
        question(loaded()[1], country, True, WORDINGS[wording].format(country=country, other=o[0]))
        for country, o in zip(countries, others, strict=True)
    ]
    texts = [text for (text,) in complete(*loaded(), prompts, max_new_tokens=8)]
    pairs = list(zip([capitals()[c] for c in countries], others, texts, strict=True))
    follows = [says(text, other, own) for own, other, text in pairs]
    remembers = [says(text, own, other) for own, other, text in pairs]
    return (
        {"n": len(countries)} | with_interval("text", follows) | with_interval("known", remembers)
    )


@lru_cache(maxsize=4)
def known_countries(items: int) -> list[str]:
    """Those whose capital it names when nothing is said before."""
    right = hits(loaded()[0], capital_items(loaded()[1], items))
    return [c for c, is_known in zip(countries_asked(items), right, strict=True) if is_known]


EXPERIMENTS = (
    Experiment(
        "real-memory",
        "what SmolLM2-135M-Instruct knows of capitals against what a text says, by its wording",
        grid(wording=tuple(WORDINGS)),
        said_before,
        minutes=2,
        cheap={"wording": "plain", "items": 24},
        within={"n": 4, "text": 0.25, "text_low": 0.3, "text_high": 0.3}
        | {"known": 0.25, "known_low": 0.3, "known_high": 0.3},
        model=MODEL,
    ),
)
