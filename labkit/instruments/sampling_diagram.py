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
    panels = {
        "logits z": (logits - logits.min() + 0.4).tolist(),
        f"z / T,  T = {temperature:g}": ((logits - logits.min()) / temperature + 0.4).tolist(),
        "softmax: p": next_token_probabilities(logits, temperature).tolist(),
        f"cut, top-p = {top_p:g}": cut.tolist(),
    }
    drawing = Diagram(860, 195, alt=alt)
    most = {"logits z": 4.5, f"z / T,  T = {temperature:g}": 4.5}
    for number, (title, values) in enumerate(panels.items()):
        x = 10 + 185 * number
        drawing.text(x + 70, 18, title, weight="bold")
        drawing.bars(x, 32, 140, 110, values, [str(n + 1) for n in range(4)],
                     most=most.get(title, 0.75))  # fmt: skip
        drawing.arrow(x + 146, 88, x + 178, 88)
    chosen = int((cut.cumsum(0) <= DRAW).sum())
    drawing.text(800, 50, f"draw u = {DRAW:g}", weight="bold")
    drawing.box(757, 72, 88, 32, TOKENS[chosen], filled=True)
    names = "   ".join(f"{n + 1} {token}" for n, token in enumerate(TOKENS))
    drawing.text(10, 187, names, anchor="start", size=12)
    return drawing
