"""Short texts to label: reviews and news lines that were written for the course, as items.

Solved ones are shown first, then one is asked for. Which ones are shown, and in which order, can
matter more than how many: measure over several draws of them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from transformers import PreTrainedTokenizerBase

from labkit.instruments.judged import Items
from labkit.instruments.real.accepting import SENTENCE, place_of, plain

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class LabelledText:
    """A text with its label; `hard` where no single word of it tells the label."""

    text: str
    label: str
    hard: bool = False


@dataclass(frozen=True)
class LabelledSet:
    """Texts to draw examples from (`shown`) and others to ask about (`asked`).

    Both hold as many texts of each label as of another. They are in the order of the file, so take
    a part of them by `draw_shots`.
    """

    shown: tuple[LabelledText, ...]
    asked: tuple[LabelledText, ...]


@cache
def sentiment() -> LabelledSet:
    """240 reviews and remarks, positive or negative, 60 of them hard: 80 shown, 160 asked."""
    return parted(
        LabelledText(text, label, kind == "hard")
        for kind, labels in read("sentiment").items()
        for label, texts in labels.items()
        for text in texts
    )


@cache
def topics() -> LabelledSet:
    """240 news lines: sport, business, science, politics, weather, culture; 78 shown, 162 asked."""
    return parted(
        LabelledText(text, label) for label, texts in read("topics").items() for text in texts
    )


def read(name: str) -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def parted(texts: Iterable[LabelledText]) -> LabelledSet:
    """Every third text of each label is to be shown, among the hard ones as among the others."""
    groups: dict[tuple[str, bool], list[LabelledText]] = defaultdict(list)
    for text in texts:
        groups[text.label, text.hard].append(text)
    return LabelledSet(
        tuple(text for group in groups.values() for text in group[2::3]),
        tuple(text for group in groups.values() for i, text in enumerate(group) if i % 3 != 2),
    )


def draw_shots(texts: Iterable[LabelledText], n: int, seed: int) -> list[LabelledText]:
    """`n` of the texts in a random order; the numbers of two labels differ by one at most.

    With the same seed a larger `n` draws the same texts and more, in another order. ValueError
    where some label has too few.
    """
    rng = random.Random(f"shots {seed}")
    groups: dict[str, list[LabelledText]] = defaultdict(list)
    for text in texts:
        groups[text.label].append(text)
    drawn: list[LabelledText] = []
    for place, label in enumerate(rng.sample(sorted(groups), len(groups))):
        share = n // len(groups) + (place < n % len(groups))
        drawn += rng.sample(groups[label], len(groups[label]))[:share]
    if len(drawn) != n:
        there = {label: len(group) for label, group in groups.items()}
        raise ValueError(f"{n} texts can't be drawn, as many of each label, from {there}.")
    rng.shuffle(drawn)
    return drawn


def label_items(
    texts: Sequence[LabelledText],
    shown: Sequence[LabelledText] = (),
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    names: Mapping[str, str] | None = None,
) -> Items:
    """Each text as a question for its label, after the `shown` ones with theirs.

    Without a tokenizer a prompt is plain text that ends with "Label:", and only the shown ones tell
    which labels there are. With one it is a chat in its template: each turn names the labels of all
    texts, asked and shown, and of `names`, in alphabetical order. `names` gives labels another
    name, made up or exchanged, in the prompt and in what is right; others keep their own.
    """
    labels = {text.label: text.label for text in (*texts, *shown)} | dict(names or {})
    spelled = sorted(set(labels.values()))
    answers = tuple(labels[text.label] for text in texts)
    solved = [(text.text, labels[text.label]) for text in shown]
    if tokenizer is None:
        prompts = [plain_prompt(text.text, solved) for text in texts]
    else:
        prompts = [chat_prompt(tokenizer, text.text, solved, spelled) for text in texts]
    return Items(prompts, lambda i, text: label_in(text, spelled) == answers[i], answers)


def plain_prompt(text: str, solved: Iterable[tuple[str, str]]) -> str:
    """Texts with their labels, then one whose label the model goes on with."""
    before = "".join(f"Sentence: {one}\nLabel: {label}\n\n" for one, label in solved)
    return f"{before}Sentence: {text}\nLabel:"


def chat_prompt(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    solved: Iterable[tuple[str, str]],
    labels: Sequence[str],
) -> str:
    """The same as turns of a chat, up to where the model's answer begins."""
    asked = f"Label the sentence with one word: {' or '.join(labels)}.\n\nSentence: "
    turns = []
    for one, label in solved:
        turns += [
            {"role": "user", "content": asked + one},
            {"role": "assistant", "content": label},
        ]
    turns.append({"role": "user", "content": asked + text})
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def label_in(text: str, labels: Collection[str]) -> str | None:
    """The one label that the first sentence of an answer names; None for none, or for several.

    A label is named by whole words: "Positive.", "**positive**" and "It's positive, clearly" name
    it, and so does its plural ("sports"); "unpositive" and "positively" don't. Only names count:
    "not positive" names positive too, and "positive, not negative" both. ValueError for a label
    without a letter from a to z or a digit, since nothing else of an answer is read.
    """
    if empty := [label for label in labels if not plain(label)]:
        raise ValueError(f"Labels are words of letters from a to z or digits, not {empty}.")
    said = next(filter(None, map(plain, SENTENCE.split(text))), "")
    named = {
        label for label in labels if max(place_of(form, said) for form in (label, f"{label}s")) >= 0
    }
    return named.pop() if len(named) == 1 else None
