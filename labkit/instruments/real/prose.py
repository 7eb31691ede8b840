"""English prose that no model has read: paragraphs of this course's lessons, as of late 2026."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

FILE = Path(__file__).with_name("prose.txt")


def paragraphs() -> list[str]:
    """Thirty of them, of 45 to 110 words each."""
    return FILE.read_text("utf-8").strip().split("\n\n")


@torch.inference_mode()
def mean_losses(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[float]:
    """For each paragraph the mean loss of its tokens, in nats; the first, which stands after
    nothing, is left out."""
    found = []
    for text in paragraphs():
        ids = tokenizer(text, return_tensors="pt").input_ids.to(model.device)
        logits = model(input_ids=ids).logits[0, :-1].float()
        found.append(float(cross_entropy(logits, ids[0, 1:])))
    return found
