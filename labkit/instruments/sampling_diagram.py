"""One step of sampling, drawn: from scores to one token. The numbers are computed, not typed."""

from __future__ import annotations

import torch

from labkit.instruments.diagrams import Diagram
from labkit.instruments.sampling import next_token_probabilities

TOKENS = ("bakery", "school", "smithy", "moon")
LOGITS = (2.0, 1.4, 1.0, -0.5)
DRAW = 0.62


def one_step(alt: str, temperature: float = 0.8, top_p: float = 0.9) -> Diagram:
    """Logits, divided by the temperature, softmax, the tail cut off, one draw."""
    logits = torch.tensor(LOGITS)
    cut = next_token_probabilities(logits, temperature, top_p=top_p)
    above = logits - logits.min()
    numbers = [str(n) for n in range(1, len(TOKENS) + 1)]
    panels = (  # title, bars, and the value of a full one
        ("logits z", above + 0.4, 4.5),
        (f"z / T,  T = {temperature:g}", above / temperature + 0.4, 4.5),
        ("softmax: p", next_token_probabilities(logits, temperature), 0.75),
        (f"cut, top-p = {top_p:g}", cut, 0.75),
    )
    drawing = Diagram(860, 195, alt=alt)
    for number, (title, values, most) in enumerate(panels):
        x = 10 + 185 * number
        drawing.text(x + 70, 18, title, weight="bold")
        drawing.bars(x, 32, 140, 110, values.tolist(), numbers, most=most)
        drawing.arrow(x + 146, 88, x + 178, 88)
    chosen = int((cut.cumsum(0) <= DRAW).sum())
    drawing.text(800, 50, f"draw u = {DRAW:g}", weight="bold")
    drawing.box(757, 72, 88, 32, TOKENS[chosen], filled=True)
    names = "   ".join(map(" ".join, zip(numbers, TOKENS, strict=True)))
    drawing.text(10, 187, names, anchor="start", size=12)
    return drawing
