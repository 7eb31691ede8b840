"""Reference answers of lesson 00, Start here: one plain function per challenge."""

from __future__ import annotations

import torch
from torch import Tensor


def share_right(answers: list[str], expected: list[str]) -> float:
    """Share of the answers that are exactly what was expected, from 0 to 1.

    answers   what the model said
    expected  the right answers, as many; white space around a text doesn't count on either side
              (spaces, tabs, line ends); upper and lower case and spaces inside do
    returns   a float; no answers at all, or another number of them, is a ValueError

    share_right(["goat", " cat\\n", "a dog"], ["goat", "cat", "dog"])  →  0.6667
    """
    if not answers:
        raise ValueError("there are no answers to count")
    pairs = zip(answers, expected, strict=True)  # of two lengths it makes a ValueError
    return sum(answer.strip() == right.strip() for answer, right in pairs) / len(answers)


def prompt_with(passage: str, question: str) -> str:
    """A prompt that gives the model something to read before it answers.

    passage   what to read; spaces and line ends around it do not belong there; may be empty
    question  one line
    returns   the passage, "Q: " and the question, and "A: ", each on a line of its own; the space
              after "A:" is there, and nothing comes after it. No passage, no line for it

    prompt_with("Anna Kell has a goat.", "Which pet does Anna Kell have?")
    →  "Anna Kell has a goat.\\nQ: Which pet does Anna Kell have?\\nA: "
    """
    text = passage.strip()
    return f"{text}\n" * bool(text) + f"Q: {question}\nA: "


def share_changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> float:
    """Share of a model's numbers that are not what they were, from 0 to 1.

    before, after  weights by name, in any order; a name has the same shape in both
    returns        how many numbers differ at all, of all numbers; other names or shapes are a
                   ValueError

    share_changed({"a": torch.zeros(3)}, {"a": torch.tensor([0.0, 0.5, 0.0])})  →  0.3333
    """
    if before.keys() != after.keys():
        raise ValueError("the two hold different names")
    if any(before[name].shape != after[name].shape for name in before):
        raise ValueError("a name has two shapes")
    changed = sum(int(torch.ne(before[name], after[name]).sum()) for name in before)
    return changed / sum(tensor.numel() for tensor in before.values())
