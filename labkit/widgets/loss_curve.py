"""The loss of a tuning while it runs: pushed to the browser, drawn there once a frame.

    curve = LossCurve(steps=300)
    curve.show()
    fine_tune(model, tokenizer, examples, settings, on_step=curve.add)

The kernel is busy with the training, so it does as little as it can: it keeps the numbers, and a
few times a second sends them as 32-bit floats. What that costs is in `seconds`.
"""

from __future__ import annotations

import html
import math
import sys
import time
from array import array
from typing import Any

import traitlets

from labkit.widgets.base import Card, script, style

PUSHES_A_SECOND = 8
SHOWN_STEPS = 8  # where there is no browser
NEAR = 10  # steps, whose mean stands for a noisy loss


class LossCurve(Card):
    """The losses of `steps` steps; `name` says of what. `key` tells one curve from another.

    Raises ValueError for fewer than one step.
    """

    _esm = script("loss_curve.js")
    _css = style("sampling_explorer.css", "loss_curve.css")

    steps = traitlets.Int().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    losses = traitlets.Bytes(b"").tag(sync=True)

    def __init__(self, steps: int, name: str = "Training loss", key: str = "loss-curve") -> None:
        if steps < 1:
            raise ValueError(f"{steps} steps were given; a curve needs at least one")
        self._found: array[float] = array("f")
        self._pushed = 0.0
        self._display: Any = None
        self.seconds = 0.0  # of the processor, spent here and not on the training
        super().__init__(key, steps=steps, name=name)

    def show(self) -> None:
        """Display the card now, before the cell is done."""
        from IPython.display import display

        self._display = display(self, display_id=True)

    def add(self, loss: float) -> None:
        """The loss of the next step, in nats. Raises ValueError when there were all of them."""
        began = time.thread_time()
        if len(self._found) == self.steps:
            raise ValueError(f"the curve has its {self.steps} steps already; make a new one")
        self._found.append(loss)
        ended = len(self._found) == self.steps
        if ended or time.monotonic() - self._pushed > 1 / PUSHES_A_SECOND:
            self._push()
        if ended and self._display is not None:
            self._display.update(self)  # what is kept in the notebook is then the whole curve
        self.seconds += time.thread_time() - began

    def _push(self) -> None:
        self._pushed = time.monotonic()
        floats = array("f", self._found)
        if sys.byteorder == "big":
            floats.byteswap()
        self.losses = floats.tobytes()

    def rows(self) -> list[tuple[int, float]]:
        """A few steps, evenly spread up to the last, each with the mean loss of those before it."""
        done = len(self._found)
        places = sorted({round(done * (i + 1) / SHOWN_STEPS) for i in range(SHOWN_STEPS)} - {0})
        return [(step, _mean(self._found[max(0, step - NEAR) : step])) for step in places]

    def as_text(self) -> str:
        lines = [f"{self.name}: {len(self._found)} of {self.steps} steps"]
        return "\n".join([*lines, *(f"  step {step:>5}  {loss:.4f}" for step, loss in self.rows())])

    def as_html(self) -> str:
        body = "".join(
            f'<tr><th scope="row">{step}</th><td>{loss:.4f}</td></tr>' for step, loss in self.rows()
        )
        return (
            f'<div class="labkit-static"><p>{html.escape(self.name)}, '
            f"{len(self._found)} of {self.steps} steps (nats, mean of {NEAR} steps)</p>"
            f'<table><thead><tr><th scope="col">step</th><th scope="col">loss</th></tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


def _mean(losses: array[float]) -> float:
    return math.fsum(losses) / len(losses)
