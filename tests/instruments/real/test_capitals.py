"""Capitals as items: each asked once, in the model's own template, judged by the list."""

from __future__ import annotations

from transformers import AutoTokenizer

from labkit.instruments.real.capitals import capital_items, capitals
from labkit.models.zoo import WEIGHTS


def test_no_capital_is_another_countrys_and_none_is_given_away() -> None:
    names = [name for forms in capitals().values() for name in forms]
    assert len(capitals()) > 130 and len(set(names)) == len(names)
    assert not [country for country, forms in capitals().items() if country in forms]


def test_items_are_drawn_and_asked_in_the_models_template() -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "base")
    items, others = capital_items(tokenizer, 20), capital_items(tokenizer, 20, seed=1)
    assert len(set(items.prompts)) == 20 and items.prompts != others.prompts
    assert items.prompts == capital_items(tokenizer, 20).prompts
    assert all("<|user|>" in prompt and prompt.endswith(" is") for prompt in items.prompts)
    assert not any(p.endswith(" is") for p in capital_items(tokenizer, 3, begun=False).prompts)
    assert all(items.is_right(i, f" {answer}.") for i, answer in enumerate(items.answers))
    assert not any(items.is_right(i, answer) for i, answer in enumerate(others.answers)
                   if answer != items.answers[i])  # fmt: skip


def test_without_a_template_it_is_plain_text() -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "base")
    tokenizer.chat_template = None
    (prompt,) = capital_items(tokenizer, 1).prompts
    assert prompt.startswith("Q: What is the capital of ") and "\nA: The capital of " in prompt
