"""Six easy challenges, for measuring: their cost is the grader's, and hardly the checks'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from labkit.grading import Challenge, Submission


def check_softmax(s: Submission) -> None:
    for size in (1, 3, 6):
        logits = torch.randn(size, generator=s.generator)
        s.softmax(logits).close_to(torch.softmax(logits, 0), because="It is softmax.")


def check_causal_mask(s: Submission) -> None:
    for size in (1, 2, 5):
        expected = torch.ones(size, size).tril().bool()
        s.causal_mask(size).equals(expected, because="A token sees itself and what is before it.")


def check_top_k(s: Submission) -> None:
    for k in (0, 1, 2):
        s.top_k([3, 1, 2], k).equals([3, 2, 1][:k], because="The largest come first.")


def check_pair_counts(s: Submission) -> None:
    s.pair_counts([1, 2, 1, 2]).equals({"1,2": 2, "2,1": 1}, because="Each pair counts.")
    s.pair_counts([7]).equals({}, because="One token is no pair.")


def check_warm_up(s: Submission) -> None:
    for step in (0, 1, 5, 20):
        expected = 0.1 * min(1.0, (step + 1) / 10)
        s.warm_up(step, 10, 0.1).close_to(expected, because="It grows by equal steps.")


def check_lora_count(s: Submission) -> None:
    for width in (1, 4, 8):
        expected = 2 * (width + width + 1)
        s.lora_count(width, width + 1, 2).equals(expected, because="Two thin matrices.")


def challenge(
    name: str, check: Callable[[Submission], None], nothing: Callable[..., Any]
) -> Challenge:
    hints = ("Read the sentence again.", "Try it on paper.", "Ask a neighbour.")
    made = Challenge(name, name, check, 2, hints)
    made.mistake("nothing", "It returns nothing.", hint="Return the result.", answer=nothing)
    return made


softmax = challenge("softmax", check_softmax, lambda logits: None)
causal_mask = challenge("causal_mask", check_causal_mask, lambda size: None)
top_k = challenge("top_k", check_top_k, lambda values, k: None)
pair_counts = challenge("pair_counts", check_pair_counts, lambda tokens: None)
warm_up = challenge("warm_up", check_warm_up, lambda step, steps, peak: None)
lora_count = challenge("lora_count", check_lora_count, lambda rows, columns, rank: None)
