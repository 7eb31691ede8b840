"""Numbers, words and choices that a check draws from its own generator.

Marks are given under a secret seed: what is drawn can't be answered by a table of recorded replies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.grading.checks.submission import Submission


def draw(s: Submission, below: int) -> int:
    """A whole number from 0 up."""
    return int(torch.randint(below, (), generator=s.generator))


def draw_text(s: Submission, letters: str, longest: int) -> str:
    """One to `longest` letters of these."""
    return "".join(letters[draw(s, len(letters))] for _ in range(1 + draw(s, longest)))


def normal(s: Submission, *shape: int) -> Tensor:
    """Random numbers from the standard normal distribution, float32."""
    return torch.randn(*shape, generator=s.generator)
