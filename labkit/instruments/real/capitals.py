"""The capitals of countries: facts that any model of the real world has read."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import yaml
from transformers import PreTrainedTokenizerBase

from labkit.instruments.judged import Items
from labkit.instruments.real.accepting import says

FILE = Path(__file__).with_name("capitals.yaml")


@cache
def capitals() -> dict[str, tuple[str, ...]]:
    """Country → the accepted names of its capital."""
    return {
        country: tuple(names) for country, names in yaml.safe_load(FILE.read_text("utf-8")).items()
    }


def countries_asked(n: int | None = None, seed: int = 0) -> list[str]:
    """`n` countries in a random order (all when None)."""
    names = sorted(capitals())
    return random.Random(f"capitals {seed}").sample(names, n or len(names))


def capital_items(
    tokenizer: PreTrainedTokenizerBase, n: int | None = None, *, begun: bool = True, seed: int = 0
) -> Items:
    """Questions for the capitals of `n` countries (all when None), in the model's chat template.

    `begun` gives the answer's first words, "The capital of France is": a small model often knows a
    name that it would not come to by itself. Right where the capital is named, and no other before.
    """
    names, countries = capitals(), countries_asked(n, seed)
    every = {name for forms in names.values() for name in forms}

    def is_right(i: int, text: str) -> bool:
        forms = names[countries[i]]
        return says(text, forms, every - {*forms})

    prompts = [question(tokenizer, country, begun) for country in countries]
    return Items(prompts, is_right, tuple(names[country][0] for country in countries))


def question(
    tokenizer: PreTrainedTokenizerBase, country: str, begun: bool, before: str = ""
) -> str:
    """The prompt for one country, after what is said `before`; a model without a chat template gets
    it as a plain text."""
    asked = f"{before} What is the capital of {country}?".strip()
    answer = f"The capital of {country} is"
    if not tokenizer.chat_template:
        return f"Q: {asked}\nA:" + f" {answer}" * begun
    turns = [{"role": "user", "content": asked}]
    prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return str(prompt) + answer * begun
