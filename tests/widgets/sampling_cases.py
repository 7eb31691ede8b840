"""Logits with and without ties, and what transformers' own processors make of them.

Shared by the test in node and the one in Chromium: both must equal the library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

TEMPERATURES = (0.1, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0, 5.0)
TOP_KS = (0, 0, 1, 2, 5, 20, 50)
TOP_PS = (1.0, 1.0, 0.98, 0.9, 0.7, 0.5, 0.3, 0.05)
MIN_PS = (0.0, 0.0, 0.01, 0.05, 0.2, 0.5)


@dataclass
class Case:
    """One distribution with one setting of all four, as the explorer's JavaScript takes it."""

    logits: list[float]
    settings: dict[str, Any]
    expected: torch.Tensor = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return {"logits": self.logits, "settings": self.settings}

    def check(self, answer: dict[str, Any]) -> None:
        """The same tokens kept, the same probabilities, entropy and count.

        Which of equal tokens top-p keeps is left open by the library (torch.sort is not stable), so
        tokens are compared by their logits: of each logit, as many must be left.
        """
        found = sorted(zip(self.logits, answer["probabilities"], answer["cut"], strict=True))
        expected = self.expected.double().softmax(-1)
        wanted = sorted(zip(self.logits, expected.tolist(), self.expected.tolist(), strict=True))
        kept = [logit for logit, _, cut in found if not cut]
        assert kept == [logit for logit, _, score in wanted if score > -torch.inf], self
        for (_, probability, _), (_, share, _) in zip(found, wanted, strict=True):
            assert probability == pytest.approx(share, rel=1e-4, abs=1e-7), self
        entropy = torch.special.entr(expected).sum().item()
        assert answer["entropy"] == pytest.approx(entropy, abs=1e-4), self
        assert answer["effective"] == pytest.approx(torch.e**entropy, rel=1e-3), self
        assert answer["kept"] == len(kept)


def processed(logits: list[float], settings: dict[str, Any]) -> torch.Tensor:
    """What `generate` would draw from: the library's processors in the library's order."""
    processors = LogitsProcessorList()
    if settings["temperature"] != 1:
        processors.append(TemperatureLogitsWarper(settings["temperature"]))
    if settings["topK"]:
        processors.append(TopKLogitsWarper(settings["topK"]))
    if settings["topP"] < 1:
        processors.append(TopPLogitsWarper(settings["topP"]))
    if settings["minP"]:
        processors.append(MinPLogitsWarper(settings["minP"]))
    return processors(torch.zeros(1, 1, dtype=torch.long), torch.tensor([logits]))[0]


def cases(count: int, seed: int = 0) -> list[Case]:
    """Half with continuous logits, half rounded so coarsely that many are equal."""
    generator = torch.Generator().manual_seed(seed)

    def pick(options: tuple[Any, ...]) -> Any:
        return options[int(torch.randint(len(options), (), generator=generator))]

    made = []
    for i in range(count):
        size = pick((2, 3, 8, 60, 400))
        logits = 3 * torch.randn(size, generator=generator)
        if i % 2:
            logits = logits.round()
        settings = {
            "temperature": pick(TEMPERATURES),
            "topK": pick(TOP_KS),
            "topP": pick(TOP_PS),
            "minP": pick(MIN_PS),
        }
        made.append(Case(logits.tolist(), settings, processed(logits.tolist(), settings)))
    return made
